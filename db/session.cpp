#include "db/session.hpp"

#include "db/conninfo.hpp"

#include <pqxx/except>

#include <algorithm>
#include <random>
#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Connected = domain::Metrics::Connected;

constexpr auto kFirstBackoff = 50ms;
constexpr auto kLongestBackoff = 1000ms;

std::chrono::milliseconds jittered(std::chrono::milliseconds span) {
  thread_local std::minstd_rand generator{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> between{span.count() / 2, span.count()};
  return std::chrono::milliseconds{between(generator)};
}

Parameters limits_of(const config::Settings::Database& settings) {
  return {std::to_string(settings.lock_timeout.count()),
          std::to_string(settings.statement_timeout.count()),
          std::to_string(settings.idle_in_transaction_timeout.count())};
}

/// The session is over: it was terminated (57P0x), or the server says so of the connection (08).
bool ends_the_session(std::string_view sqlstate) {
  return sqlstate.starts_with("57P") || sqlstate.starts_with("08");
}

} // namespace

Session::Session(const config::Settings::Database& settings, domain::Log& log,
                 domain::Metrics& metrics)
    : conninfo_(conninfo(settings)), limits_(limits_of(settings)),
      prepared_(settings.prepared_statements), log_(log), metrics_(metrics) {}

Session::~Session() { drop(); }

void Session::drop() noexcept { connection_.reset(); }

bool Session::is_ready() const { return connection_ && !connection_->is_interrupted(); }

Connection& Session::open() {
  if (!is_ready()) {
    drop();
    connect();
  }
  return *connection_;
}

void Session::connect() {
  if (Clock::now() < next_attempt_)
    throw ConnectionLost("the database could not be reached a moment ago");
  try {
    connection_ = std::make_unique<Connection>(conninfo_);
    connection_->tell_progress_to(progress_);
    backoff_ = 0ms;
    metrics_.database_connection(std::exchange(was_connected_, true) ? Connected::again
                                                                     : Connected::first);
    log_.event(domain::LogLevel::debug, "database.connected",
               {{"backend_pid", std::int64_t{connection_->backendpid()}}});
  } catch (const std::exception& why) {
    drop();
    metrics_.database_connection(Connected::failed);
    backoff_ = std::clamp(backoff_ * 2, std::chrono::milliseconds{kFirstBackoff},
                          std::chrono::milliseconds{kLongestBackoff});
    next_attempt_ = Clock::now() + jittered(backoff_);
    // libpq's message names hosts and users, never the password.
    log_.event(domain::LogLevel::warning, "database.unreachable",
               {{"error", std::string_view{why.what()}}});
    throw ConnectionLost("the database cannot be reached");
  }
}

void ProgressWatch::set(domain::MigrationProgress* to) {
  session_.progress_ = to;
  if (session_.connection_)
    session_.connection_->tell_progress_to(to);
}

Transaction::Transaction(Session& session) : session_(session) {
  const bool was_open = session_.connection_ != nullptr;
  try {
    begin();
  } catch (const ConnectionLost&) {
    if (!was_open)
      throw;
    begin(); // the connection had died while it was idle
  }
}

void Transaction::begin() {
  Connection& connection = session_.open();
  Failure failure{{}, "the connection broke before BEGIN", true};
  {
    Pipeline pipeline{connection, session_.prepared_};
    if (pipeline.add(statements::begin) && pipeline.add(statements::set_local, session_.limits_) &&
        pipeline.send()) {
      const auto begun = pipeline.next();
      const auto limited = pipeline.next();
      open_ = begun.reply && limited.reply;
      failure = begun.reply ? limited.failure : begun.failure;
    }
  }
  if (open_) {
    work_.emplace(connection);
    return;
  }
  session_.drop(); // BEGIN may have worked and the rest not: leave nothing half begun behind
  if (failure.ends_session)
    throw ConnectionLost(failure.what);
  throw StatementFailed(failure.sqlstate, failure.what);
}

Transaction::~Transaction() {
  if (!open_)
    return;
  try {
    send("ROLLBACK");
  } catch (const std::exception&) {
    // With the connection its transaction ends as well.
    work_.reset();
    session_.drop();
  }
}

pqxx::result Transaction::send(const std::string& sql) {
  return guarded([&] { return work_->exec(sql); });
}

void Transaction::prepare(const Statement& statement) {
  session_.connection_->prepare_once(statement.name, statement.sql);
}

void Transaction::commit() {
  session_.connection_->forget_warnings();
  open_ = false;
  try {
    send("COMMIT");
  } catch (const ConnectionLost& why) {
    throw CommitInDoubt(why.what());
  }
  // Another statement's failure reached us as its answer, and PostgreSQL has rolled back: that is
  // StatementFailed, thrown by send().
  if (session_.connection_->warned())
    throw CommitInDoubt("COMMIT ended with a warning");
}

void Transaction::translate_current_exception() {
  const auto lost = [this](const char* what) {
    open_ = false;
    work_.reset();
    session_.drop();
    throw ConnectionLost(what);
  };
  try {
    throw;
  } catch (const pqxx::broken_connection& why) {
    lost(why.what());
  } catch (const pqxx::deadlock_detected& why) {
    throw StatementFailed("40P01", why.what());
  } catch (const pqxx::serialization_failure& why) {
    throw StatementFailed("40001", why.what());
  } catch (const pqxx::sql_error& why) {
    if (ends_the_session(why.sqlstate()))
      lost(why.what());
    throw StatementFailed(why.sqlstate(), why.what());
  } catch (const pqxx::failure& why) {
    lost(why.what());
  }
  throw; // unreachable: `lost` throws, and what is no pqxx::failure has left already
}

} // namespace regroup::db
