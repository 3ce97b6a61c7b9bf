#include "db/call_probe.hpp"

#include "db/conninfo.hpp"

#include <libpq-fe.h>
#include <memory>
#include <optional>
#include <poll.h>
#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

/// In PL/pgSQL, like the functions that a migration calls.
constexpr const char* kCall = "SELECT regroup_lock_key('regroup')";

/// How soon a try notices that it has to stop.
constexpr auto kTick = 50ms;

/// Waits for the socket; false if it gave up.
bool wait_for(PGconn* connection, short events, const std::function<bool()>& give_up) {
  while (!give_up()) {
    pollfd socket{PQsocket(connection), events, 0};
    if (::poll(&socket, 1, static_cast<int>(kTick.count())) > 0)
      return true;
  }
  return false;
}

/// Null if none could be opened in time.
Connection connect(const std::string& conninfo, const std::function<bool()>& give_up) {
  Connection connection{PQconnectStart(conninfo.c_str()), &PQfinish};
  auto next = PGRES_POLLING_WRITING;
  while (connection && PQstatus(connection.get()) != CONNECTION_BAD) {
    if (next == PGRES_POLLING_OK)
      return connection;
    if (next == PGRES_POLLING_FAILED ||
        !wait_for(connection.get(), next == PGRES_POLLING_READING ? POLLIN : POLLOUT, give_up))
      break;
    next = PQconnectPoll(connection.get());
  }
  return {nullptr, &PQfinish};
}

/// Null if no answer came.
Result ask(PGconn* connection, const char* what, const std::function<bool()>& give_up) {
  Result result{nullptr, &PQclear};
  if (PQsendQuery(connection, what) != 1)
    return result;
  while (true) {
    while (PQisBusy(connection) == 1)
      if (!wait_for(connection, POLLIN, give_up) || PQconsumeInput(connection) != 1)
        return {nullptr, &PQclear};
    Result next{PQgetResult(connection), &PQclear};
    if (!next)
      return result;
    result = std::move(next);
  }
}

/// Errors about the server's present state, not about calls: it is shutting down, is short of some
/// resource, or the call took too long.
bool is_passing(std::string_view sqlstate) {
  return sqlstate.starts_with("57") || sqlstate.starts_with("53") || sqlstate.starts_with("08") ||
         sqlstate.starts_with("40") || sqlstate.starts_with("55");
}

} // namespace

CallProbe::CallProbe(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
                     Verdict verdict, domain::Log& log, std::chrono::milliseconds pause)
    : servers_(std::move(servers)), patience_(settings.connect_timeout), pause_(pause),
      verdict_(std::move(verdict)), log_(log), thread_([this] { run(); }) {}

CallProbe::~CallProbe() { stop(); }

void CallProbe::stop() {
  {
    const std::scoped_lock lock{mutex_};
    stopping_ = true;
  }
  end_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

void CallProbe::run() {
  std::unique_lock lock{mutex_};
  while (!end_.wait_for(lock, pause_, [this] { return stopping_; })) {
    lock.unlock();
    probe();
    lock.lock();
  }
}

std::function<bool()> CallProbe::patience() {
  return [this, until = Clock::now() + patience_] {
    const std::scoped_lock lock{mutex_};
    return stopping_ || Clock::now() > until;
  };
}

void CallProbe::probe() {
  for (const auto server : servers_->order())
    if (const auto connection = connect(servers_->conninfo(server), patience())) {
      const Result answer = ask(connection.get(), kAskForHistory, patience());
      const bool told = PQresultStatus(answer.get()) == PGRES_TUPLES_OK;
      const auto history =
          told ? history_from(PQgetvalue(answer.get(), 0, 0), PQgetvalue(answer.get(), 0, 1))
               : std::nullopt;
      const bool is_standby = told && PQgetisnull(answer.get(), 0, 1) == 1;
      if (!answer || is_standby || !servers_->take(server, history))
        continue;
      const Result called = ask(connection.get(), kCall, patience());
      const char* sqlstate = PQresultErrorField(called.get(), PG_DIAG_SQLSTATE);
      const char* message = PQresultErrorField(called.get(), PG_DIAG_MESSAGE_PRIMARY);
      if (PQresultStatus(called.get()) == PGRES_TUPLES_OK)
        tell({}, {});
      else if (sqlstate != nullptr) // null: the connection broke, nothing is known
        tell(sqlstate, message == nullptr ? "" : message);
      return;
    }
}

void CallProbe::tell(std::string_view sqlstate, std::string_view message) {
  if (is_passing(sqlstate))
    return;
  const bool works = sqlstate.empty();
  if (works != std::exchange(works_, works))
    log_.event(works ? domain::LogLevel::info : domain::LogLevel::error,
               works ? "database.calls_work" : "database.calls_fail",
               {{"sqlstate", domain::if_any(sqlstate)}, {"error", domain::if_any(message)}});
  verdict_(works);
}

} // namespace regroup::db
