#include "db/session.hpp"

#include "db/conninfo.hpp"

#include <pqxx/except>

#include <libpq-fe.h>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using Clock = std::chrono::steady_clock;
using Connected = domain::Metrics::Connected;

Parameters limits_of(const config::Settings::Database& settings) {
  return {std::to_string(settings.lock_timeout.count()),
          std::to_string(settings.statement_timeout.count()),
          std::to_string(settings.idle_in_transaction_timeout.count())};
}

/// Throws where the connection broke.
std::optional<History> history_of(Connection& connection) {
  const Patience::Wait wait{connection.patience()};
  const Result result{PQexec(connection.handle(), kAskForHistory), &PQclear};
  if (PQstatus(connection.handle()) != CONNECTION_OK)
    throw std::runtime_error(PQerrorMessage(connection.handle()));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK || PQntuples(result.get()) != 1)
    return std::nullopt;
  return history_from(PQgetvalue(result.get(), 0, 0), PQgetvalue(result.get(), 0, 1));
}

} // namespace

Session::Session(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
                 domain::Log& log, domain::Metrics& metrics)
    : servers_(std::move(servers)), limits_(limits_of(settings)),
      prepared_(settings.prepared_statements), log_(log), metrics_(metrics),
      patience_(settings.statement_timeout) {}

Session::~Session() { drop(); }

void Session::drop() noexcept {
  if (!connection_)
    return;
  connection_.reset();
  if (!patience_.was_silent())
    return;
  metrics_.connection_given_up();
  log_.event(domain::LogLevel::warning, "database.silent", {});
}

bool Session::is_ready() const {
  return connection_ && era_ == servers_->era() && !connection_->is_interrupted();
}

Connection& Session::open() {
  if (!is_ready()) {
    drop();
    throw NotKept(Ended::unsent, {}, "there is no connection");
  }
  return *connection_;
}

void Session::connect() {
  drop();
  std::string why;
  for (const auto server : servers_->order()) {
    try {
      connect_to(server);
      return;
    } catch (const std::exception& failure) {
      drop();
      why += (why.empty() ? "" : "; ") + std::string{failure.what()};
    }
  }
  metrics_.database_connection(Connected::failed);
  // libpq's message names hosts and users, never the password.
  log_.event(domain::LogLevel::warning, "database.unreachable", {{"error", std::string_view{why}}});
  throw NotKept(Ended::unsent, {}, "the database cannot be reached");
}

void Session::connect_to(std::size_t server) {
  era_ = servers_->era();
  patience_.allow(Clock::now());
  connection_ = std::make_unique<Connection>(servers_->conninfo(server), patience_);
  const auto era = servers_->take(server, history_of(*connection_));
  if (!era)
    throw std::runtime_error("the server was the primary once, and another one is now");
  era_ = *era;
  connection_->tell_progress_to(progress_);
  metrics_.database_connection(std::exchange(was_connected_, true) ? Connected::again
                                                                   : Connected::first);
  log_.event(domain::LogLevel::debug, "database.connected",
             {{"backend_pid", std::int64_t{connection_->backendpid()}}});
}

NotKept Session::not_kept(std::optional<Pipeline>& pipeline, const Failure& failure) {
  const bool in_step = pipeline->finish();
  pipeline.reset();
  if (in_step && failure.is_error && leave_transaction())
    return {Ended::refused, failure.sqlstate, failure.what};
  drop();
  return {Ended::unknown, failure.sqlstate, failure.what};
}

/// After a failure between BEGIN and COMMIT the transaction is open still, and good for nothing.
/// One that is not there any more was on another session, which a pooler has lost.
bool Session::leave_transaction() {
  PGconn* connection = connection_->handle();
  if (PQtransactionStatus(connection) == PQTRANS_IDLE)
    return true; // BEGIN or COMMIT itself was refused
  if (PQtransactionStatus(connection) != PQTRANS_INERROR)
    return false;
  Pipeline pipeline{*connection_, false};
  if (!pipeline.add(statements::rollback) || !pipeline.send())
    return false;
  const auto answer = pipeline.next();
  return answer.reply && !answer.warned && pipeline.finish() &&
         PQtransactionStatus(connection) == PQTRANS_IDLE;
}

void ProgressWatch::set(domain::MigrationProgress* to) {
  session_.progress_ = to;
  if (session_.connection_)
    session_.connection_->tell_progress_to(to);
}

Transaction::Transaction(Session& session) : session_(session) { begin(); }

void Transaction::begin() {
  Connection& connection = session_.open();
  Failure failure{{}, "the connection broke before BEGIN"};
  bool in_step = false;
  {
    Pipeline pipeline{connection, session_.prepared_};
    if (pipeline.add(statements::begin) && pipeline.add(statements::set_local, session_.limits_) &&
        pipeline.send()) {
      const auto begun = pipeline.next();
      const auto limited = pipeline.next();
      in_step = pipeline.finish();
      open_ = begun.reply && limited.reply && in_step;
      failure = begun.reply ? limited.failure : begun.failure;
    }
  }
  if (open_) {
    work_.emplace(connection);
    return;
  }
  session_.drop(); // BEGIN may have worked and the rest not: leave nothing half begun behind
  throw NotKept(in_step && failure.is_error ? Ended::refused : Ended::unsent, failure.sqlstate,
                failure.what);
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
  return guarded([&] {
    const Patience::Wait wait{session_.patience()};
    return work_->exec(sql);
  });
}

void Transaction::prepare(const Statement& statement) {
  session_.connection_->prepare_once(statement.name, statement.sql);
}

void Transaction::commit() {
  open_ = false;
  work_.reset();
  std::optional<Pipeline> pipeline{std::in_place, *session_.connection_, session_.prepared_};
  if (!pipeline->add(statements::commit) || !pipeline->send())
    throw session_.not_kept(pipeline, {{}, "the connection broke while COMMIT was sent"});
  const auto committed = pipeline->next();
  if (!committed.reply)
    throw session_.not_kept(pipeline, committed.failure);
  if (committed.reply->tag() != "COMMIT" || !pipeline->finish())
    throw session_.not_kept(pipeline, {{}, "COMMIT was not answered as it should be"});
  if (committed.warned)
    throw NotKept(Ended::unknown, "01000", "COMMIT ended with a warning");
}

void Transaction::translate_current_exception() {
  const auto lost = [this](const char* what) {
    open_ = false;
    work_.reset();
    session_.drop();
    throw NotKept(Ended::unsent, {}, what);
  };
  try {
    throw;
  } catch (const pqxx::broken_connection& why) {
    lost(why.what());
  } catch (const pqxx::deadlock_detected& why) {
    throw NotKept(Ended::refused, "40P01", why.what());
  } catch (const pqxx::serialization_failure& why) {
    throw NotKept(Ended::refused, "40001", why.what());
  } catch (const pqxx::sql_error& why) {
    if (!can_be_believed("ERROR", why.sqlstate()))
      lost(why.what());
    throw NotKept(Ended::refused, why.sqlstate(), why.what());
  } catch (const pqxx::failure& why) {
    lost(why.what());
  }
  throw; // unreachable: `lost` throws, and what is no pqxx::failure has left already
}

} // namespace regroup::db
