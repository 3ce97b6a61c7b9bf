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

std::string begin_text(const config::Settings::Database& settings) {
  const auto set = [](const char* name, std::chrono::milliseconds value) {
    return std::string{"; SET LOCAL "} + name + " = " + std::to_string(value.count());
  };
  // READ COMMITTED by name: the function of a migration relies on a snapshot for each statement,
  // and the database's default may be another. No sequential scans: a session that planned on
  // tables still empty would keep them while the tables fill.
  return "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE" +
         set("lock_timeout", settings.lock_timeout) +
         set("statement_timeout", settings.statement_timeout) +
         set("idle_in_transaction_session_timeout", settings.idle_in_transaction_timeout) +
         "; SET LOCAL enable_seqscan = off";
}

/// The session is over: it was terminated (57P0x), or the server says so of the connection (08).
bool ends_the_session(std::string_view sqlstate) {
  return sqlstate.starts_with("57P") || sqlstate.starts_with("08");
}

} // namespace

/// Notices whether the server said anything beside its answer.
class Session::NoticeWatch final : public pqxx::errorhandler {
public:
  explicit NoticeWatch(pqxx::connection& connection) : errorhandler(connection) {}
  bool operator()(const char[]) noexcept override {
    heard_ = true;
    return false; // the end of the chain: libpqxx would print it to stderr
  }
  void listen() { heard_ = false; }
  bool heard() const { return heard_; }

private:
  bool heard_ = false;
};

Session::Session(const config::Settings::Database& settings, domain::Log& log,
                 domain::Metrics& metrics)
    : conninfo_(conninfo(settings)), begin_(begin_text(settings)),
      prepared_(settings.prepared_statements), log_(log), metrics_(metrics) {}

Session::~Session() { drop(); }

void Session::drop() noexcept {
  notices_.reset();
  connection_.reset();
}

pqxx::connection& Session::connection() {
  if (connection_)
    return *connection_;
  if (Clock::now() < next_attempt_)
    throw ConnectionLost("the database could not be reached a moment ago");
  try {
    connection_ = std::make_unique<pqxx::connection>(conninfo_);
    notices_ = std::make_unique<NoticeWatch>(*connection_);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    // Deprecated, but the one way to stop libpqxx 6 from reconnecting behind our back.
    connection_->inhibit_reactivation(true);
#pragma GCC diagnostic pop
    backoff_ = 0ms;
    metrics_.database_connection(std::exchange(was_connected_, true) ? Connected::again
                                                                     : Connected::first);
    log_.event(domain::LogLevel::debug, "database.connected",
               {{"backend_pid", std::int64_t{connection_->backendpid()}}});
    return *connection_;
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
  work_.emplace(session_.connection());
  try {
    send(session_.begin_);
  } catch (const StatementFailed&) {
    work_.reset();
    session_.drop(); // BEGIN may have worked and a SET not: leave nothing half begun behind
    throw;
  }
  open_ = true;
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
  // Kept by libpqxx for each connection; a second call with the same text is nothing.
  session_.connection_->prepare(statement.name, statement.sql);
}

void Transaction::commit() {
  session_.notices_->listen();
  open_ = false;
  try {
    send("COMMIT");
  } catch (const ConnectionLost& why) {
    throw CommitInDoubt(why.what());
  }
  // Another statement's failure reached us as its answer, and PostgreSQL has rolled back: that is
  // StatementFailed, thrown by send().
  if (session_.notices_->heard())
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
