#include "db/session.hpp"

#include <asio/use_awaitable.hpp>

#include <libpq-fe.h>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace regroup::db {
namespace {

using Clock = std::chrono::steady_clock;
using Connected = domain::Metrics::Connected;

Parameters limits_of(const config::Settings::Database& settings) {
  return {std::to_string(settings.lock_timeout.count()),
          std::to_string(settings.statement_timeout.count()),
          std::to_string(settings.idle_in_transaction_timeout.count())};
}

/// Throws if the connection broke.
std::optional<History> history_of(Connection& connection) {
  const Patience::Wait wait{connection.patience()};
  const PgResult result{PQexec(connection.handle(), kAskForHistory), &PQclear};
  if (PQstatus(connection.handle()) != CONNECTION_OK)
    throw std::runtime_error(PQerrorMessage(connection.handle()));
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK || PQntuples(result.get()) != 1)
    return std::nullopt;
  if (PQgetisnull(result.get(), 0, 1) == 1)
    throw std::runtime_error("the server is a standby");
  return history_from(PQgetvalue(result.get(), 0, 0), PQgetvalue(result.get(), 0, 1));
}

/// Sets the limits for the whole session. Returns false, and sets nothing, if a pooler is in
/// between. Throws if the connection broke.
bool set_for_session(Connection& connection, const Parameters& limits) {
  const std::string pid = std::to_string(connection.backendpid());
  std::vector<const char*> values;
  for (const auto& limit : limits)
    values.push_back(limit->c_str());
  values.push_back(pid.c_str());
  const Patience::Wait wait{connection.patience()};
  const PgResult result{PQexecParams(connection.handle(), statements::set_for_session.sql,
                                     static_cast<int>(values.size()), nullptr, values.data(),
                                     nullptr, nullptr, 0),
                        &PQclear};
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK)
    throw std::runtime_error(PQerrorMessage(connection.handle()));
  return PQntuples(result.get()) == 1;
}

} // namespace

Session::Session(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
                 Connector& connector, domain::Log& log, domain::Metrics& metrics)
    : servers_(std::move(servers)), limits_(limits_of(settings)),
      preparing_(settings.prepared_statements), connector_(connector), log_(log), metrics_(metrics),
      patience_(settings.statement_timeout) {}

Session::~Session() { drop(); }

void Session::drop() noexcept {
  rollback_.reset();
  if (socket_)
    socket_->release(); // patience_ owns the descriptor
  socket_.reset();
  if (!connection_)
    return;
  connection_.reset();
  if (!patience_.was_silent())
    return;
  metrics_.connection_given_up();
  log_.event(domain::LogLevel::warning, "database.silent", {});
}

bool Session::is_ready() const {
  return connection_ && era_ == servers_->era() && (rollback_ || !connection_->is_interrupted());
}

Task<void> Session::open() {
  bool ready = is_ready();
  if (ready && rollback_) {
    ready = co_await is_rolled_back();
    ready = ready && !connection_->is_interrupted(); // the end may have come behind the answer
  }
  if (ready)
    co_return;
  drop();
  throw NotKept(Ended::unsent, {}, "there is no connection");
}

Task<void> Session::connect() {
  drop();
  co_await connector_.run([this] { connect_to_first(); });
  socket_.emplace(connector_.loop(), patience_.socket());
}

/// Runs on the connector's thread.
void Session::connect_to_first() {
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
  has_limits_ = set_for_session(*connection_, limits_);
  using Prepared = config::Settings::Database::Prepared;
  prepares_ = preparing_ == Prepared::always || (preparing_ == Prepared::when_ours && has_limits_);
  connection_->tell_progress_to(progress_);
  metrics_.database_connection(std::exchange(was_connected_, true) ? Connected::again
                                                                   : Connected::first);
  log_.event(domain::LogLevel::debug, "database.connected",
             {{"backend_pid", std::int64_t{connection_->backendpid()}}});
}

Task<void> Session::answers_of(Pipeline& pipeline) {
  using Wait = asio::posix::descriptor_base;
  while (true) {
    const Patience::Wait wait{patience_}; // starts again whenever something has arrived
    const bool has_left = pipeline.has_left();
    if (pipeline.has_arrived())
      co_return;
    // A socket that broke ends the wait without an error; libpq then meets the failure.
    // Room in the socket's buffer also comes with the end of the connection.
    const auto what = has_left ? Wait::wait_read : Wait::wait_write;
    co_await socket_->async_wait(what, asio::use_awaitable);
  }
}

Task<NotKept> Session::not_kept(std::optional<Pipeline>& pipeline, const Failure& failure,
                                Ended otherwise) {
  const bool in_step = pipeline->finish();
  pipeline.reset();
  bool left = in_step && failure.is_error;
  if (left)
    left = co_await leave_transaction();
  if (left)
    co_return NotKept{Ended::refused, failure.sqlstate, failure.what};
  drop();
  co_return NotKept{otherwise, failure.sqlstate, failure.what};
}

/// After a failure between BEGIN and COMMIT the transaction is still open, but aborted. If it is
/// gone, it was on another session, which a pooler has lost.
Task<bool> Session::leave_transaction() {
  PGconn* connection = connection_->handle();
  if (PQtransactionStatus(connection) == PQTRANS_IDLE)
    co_return true; // BEGIN or COMMIT itself was refused
  if (PQtransactionStatus(connection) != PQTRANS_INERROR)
    co_return false;
  roll_back();
  co_return co_await is_rolled_back();
}

void Session::roll_back() noexcept {
  if (!connection_)
    return; // with it its transaction has ended
  rollback_.emplace(*connection_, false);
  if (!rollback_->add(statements::rollback) || !rollback_->send())
    drop();
}

Task<bool> Session::is_rolled_back() {
  if (!rollback_)
    co_return false;
  co_await answers_of(*rollback_);
  const auto answer = rollback_->next();
  const bool in_step = rollback_->finish();
  rollback_.reset();
  co_return answer.reply && !answer.warned && in_step &&
      PQtransactionStatus(connection_->handle()) == PQTRANS_IDLE;
}

void ProgressWatch::set(domain::MigrationProgress* to) {
  session_.progress_ = to;
  if (session_.connection_)
    session_.connection_->tell_progress_to(to);
}

} // namespace regroup::db
