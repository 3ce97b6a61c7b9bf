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

/// In PL/pgSQL, as what a migration calls.
constexpr const char* kCall = "SELECT regroup_lock_key('regroup')";

/// How soon a try notices that it is to end.
constexpr auto kTick = 50ms;

/// Waits for the socket; false: give up.
bool wait_for(PGconn* connection, short events, const std::function<bool()>& give_up) {
  while (!give_up()) {
    pollfd socket{PQsocket(connection), events, 0};
    if (::poll(&socket, 1, static_cast<int>(kTick.count())) > 0)
      return true;
  }
  return false;
}

/// Null where there is none to be had in time.
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

/// The server's error, "" for none; nothing where no answer came.
struct Called {
  std::string sqlstate;
  std::string message;
};
std::optional<Called> call(PGconn* connection, const std::function<bool()>& give_up) {
  if (PQsendQuery(connection, kCall) != 1)
    return std::nullopt;
  while (PQisBusy(connection) == 1)
    if (!wait_for(connection, POLLIN, give_up) || PQconsumeInput(connection) != 1)
      return std::nullopt;
  const Result result{PQgetResult(connection), &PQclear};
  if (PQresultStatus(result.get()) == PGRES_TUPLES_OK)
    return Called{};
  const char* sqlstate = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
  if (sqlstate == nullptr)
    return std::nullopt; // the connection broke: libpq's own word
  return Called{sqlstate, message == nullptr ? "" : message};
}

/// What says something of the server's moment and not of its calls: it shuts down, it is short of
/// something, the call took too long.
bool is_passing(std::string_view sqlstate) {
  return sqlstate.starts_with("57") || sqlstate.starts_with("53") || sqlstate.starts_with("08") ||
         sqlstate.starts_with("40") || sqlstate.starts_with("55");
}

} // namespace

CallProbe::CallProbe(const config::Settings::Database& settings, Verdict verdict, domain::Log& log,
                     std::chrono::milliseconds pause)
    : conninfo_(conninfo(settings)), patience_(2 * settings.connect_timeout), pause_(pause),
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

void CallProbe::probe() {
  const auto give_up = [this, until = Clock::now() + patience_] {
    const std::scoped_lock lock{mutex_};
    return stopping_ || Clock::now() > until;
  };
  const auto connection = connect(conninfo_, give_up);
  const auto called = connection ? call(connection.get(), give_up) : std::nullopt;
  if (!called || is_passing(called->sqlstate))
    return;
  const bool works = called->sqlstate.empty();
  if (works != std::exchange(works_, works))
    log_.event(works ? domain::LogLevel::info : domain::LogLevel::error,
               works ? "database.calls_work" : "database.calls_fail",
               {{"sqlstate", domain::if_any(called->sqlstate)},
                {"error", domain::if_any(called->message)}});
  verdict_(works);
}

} // namespace regroup::db
