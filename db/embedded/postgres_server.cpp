#include "db/embedded/postgres_server.hpp"

#include "db/embedded/postgres_folder.hpp"
#include "db/file_descriptor.hpp"

#include <cerrno>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <vector>

namespace regroup::db {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kFastShutdown = 30s;      // then SIGQUIT: the next start recovers from the WAL
constexpr auto kImmediateShutdown = 10s; // the postmaster itself kills its children after 5 s
constexpr std::uintmax_t kLogLimitBytes = 16u << 20;

/// A clean environment: PGPORT, PGDATA and the like would change the server's defaults.
std::vector<std::string> environment() {
  return {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC"};
}

/// The server's log, open for appending; quotes what was logged since.
class Log {
public:
  explicit Log(const fs::path& path) : path_{path} {
    std::error_code none;
    if (const auto size = fs::file_size(path, none); !none && size > kLogLimitBytes)
      fs::rename(path, path.string() + ".old");
    file_ = FileDescriptor{
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600)};
    if (!file_)
      throw std::runtime_error{"cannot write " + path.string() + ": " + errno_text()};
    from_ = fs::file_size(path);
  }

  int descriptor() const { return file_.get(); }

  /// Throws `what`, followed by the server's own complaint.
  [[noreturn]] void fail(const std::string& what) const {
    const auto complaint = last_complaint(log_since(path_, from_));
    throw std::runtime_error{what + (complaint.empty() ? "" : "; its log says: " + complaint)};
  }

  /// Searches all lines, not only the last: the remains of a killed server log here as well.
  bool says(const std::string& words) const {
    return log_since(path_, from_).find(words) != std::string::npos;
  }

private:
  fs::path path_;
  FileDescriptor file_;
  std::uintmax_t from_ = 0;
};

/// Quoted for a libpq connection string.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char character : text) {
    if (character == '\'' || character == '\\')
      result += '\\';
    result += character;
  }
  return result + "'";
}

ChildProcess::Options program(std::vector<std::string> command, const ServerPlace& place,
                              const Log& log) {
  ChildProcess::Options options;
  options.command = std::move(command);
  options.environment = environment();
  options.account = place.account;
  options.output = options.errors = log.descriptor();
  return options;
}

ChildProcess::Options postmaster(const ServerPlace& place, const PostgresPrograms& programs,
                                 const PostgresServer::Settings& more, const Log& log) {
  PostgresServer::Settings settings{
      {"listen_addresses", ""},
      {"port", place.port},
      {"unix_socket_directories", '"' + place.socket.string() + '"'},
      {"unix_socket_permissions", "0700"},
      {"log_destination", "stderr"},
      {"logging_collector", "off"},
  };
  for (const auto& [name, value] : more)
    settings[name] = value;
  auto options = program({programs.postgres, "-D", place.data}, place, log);
  for (const auto& [name, value] : settings)
    options.command.insert(options.command.end(),
                           {"-c", std::string{name}.append("=").append(value)});
  options.death_signal = SIGINT;
  options.own_process_group = true;
  return options;
}

/// True once it answers; false if it ended before. Throws if neither happens in time.
bool came_up(ChildProcess& process, const ServerPlace& place, Clock::time_point deadline,
             const Log& log) {
  while (!process.wait(10ms)) {
    if (place.answers())
      return true;
    if (Clock::now() > deadline)
      log.fail("the server on " + place.data.string() + " does not answer in time");
  }
  return false;
}

} // namespace

std::string ServerPlace::url(const std::string& database) const {
  return "host=" + quoted(socket.string()) + " port=" + quoted(port) +
         " user=postgres dbname=" + quoted(database);
}

bool ServerPlace::answers() const {
  return PQping((url("postgres") + " connect_timeout=2").c_str()) == PQPING_OK;
}

void initialise_data(const ServerPlace& place, const PostgresPrograms& programs,
                     std::chrono::milliseconds patience) {
  const fs::path unfinished = place.data.string() + ".new";
  fs::remove_all(unfinished);
  make_private_folder(unfinished, place.account);
  const Log log{place.log};
  ChildProcess initdb{
      program({programs.initdb, "-D", unfinished, "-U", "postgres", "-E", "UTF8",
               "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=reject", "--no-sync"},
              place, log)};
  const auto status = initdb.wait(patience);
  if (status != 0)
    log.fail("initdb " + std::string{status ? "failed" : "did not end in time"} + " in " +
             unfinished.string());
  // One syncfs instead of initdb's fsync of each of a thousand files: 0.2 s instead of 4 s.
  const FileDescriptor parent{::open(place.data.parent_path().c_str(), O_DIRECTORY | O_CLOEXEC)};
  if (::syncfs(parent.get()) != 0)
    log.fail("cannot write " + unfinished.string() + " to disk: " + errno_text());
  fs::rename(unfinished, place.data);
  ::fsync(parent.get());
}

PostgresServer::PostgresServer(const ServerPlace& place, const PostgresPrograms& programs,
                               const Settings& settings, std::chrono::milliseconds patience) {
  const auto deadline = Clock::now() + patience;
  for (;;) {
    const Log log{place.log};
    process_ = std::make_unique<ChildProcess>(postmaster(place, programs, settings, log));
    if (came_up(*process_, place, deadline, log))
      return;
    // After a kill of the postmaster alone, its children need a moment to notice.
    if (!log.says("still in use") || Clock::now() > deadline)
      log.fail("the server on " + place.data.string() + " did not start");
    std::this_thread::sleep_for(100ms);
  }
}

PostgresServer::~PostgresServer() {
  process_->signal(SIGINT);
  if (process_->wait(kFastShutdown))
    return;
  process_->signal(SIGQUIT);
  process_->wait(kImmediateShutdown); // ~ChildProcess kills what is still there then
}

bool stop_server(pid_t postmaster, const fs::path& data) {
  const auto gone_after = [&](int signal, std::chrono::milliseconds patience) {
    ::kill(postmaster, signal);
    for (const auto until = Clock::now() + patience; Clock::now() < until;) {
      if (const auto running = running_server(data); !running || running->pid != postmaster)
        return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  };
  return gone_after(SIGINT, kFastShutdown) || gone_after(SIGQUIT, kImmediateShutdown);
}

} // namespace regroup::db
