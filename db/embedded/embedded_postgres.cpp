#include "db/embedded/embedded_postgres.hpp"

#include "db/embedded/child_process.hpp"
#include "db/embedded/postgres_folder.hpp"
#include "db/embedded/postgres_programs.hpp"
#include "db/embedded/postgres_server.hpp"
#include "db/file_descriptor.hpp"

#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <libpq-fe.h>
#include <optional>
#include <stdexcept>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace regroup::db {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kDatabase = "regroup";

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error{"embedded PostgreSQL: " + what};
}

fs::path without_trailing_slash(const fs::path& folder) {
  const auto whole = fs::absolute(folder).lexically_normal();
  return whole.filename().empty() ? whole.parent_path() : whole;
}

std::optional<Account> servers_account() {
  if (::geteuid() != 0)
    return std::nullopt;
  if (auto account = find_account("postgres"))
    return account;
  fail("there is no user `postgres`, and PostgreSQL refuses root: install the package postgresql, "
       "or start Regroup as an ordinary user");
}

/// A folder that exists already may hold other files than the server's, and may be a link.
void make_directory(const fs::path& directory, const std::optional<Account>& account) {
  std::error_code why;
  fs::create_directories(directory.parent_path(), why);
  if (why)
    fail("cannot make the folder " + directory.parent_path().string() + ": " + why.message());
  make_folder(fs::weakly_canonical(directory), account);
}

/// Checks that the server's user can enter every folder on the path.
void check_reach(const fs::path& directory, const Account& account) {
  std::vector<fs::path> folders;
  fs::path so_far;
  for (const auto& part : directory)
    folders.push_back(so_far /= part);
  if (const auto closed = first_closed_folder(folders, account))
    fail("the user " + account.name + ", which the server runs as, cannot enter " +
         closed->string() + ": chmod a+x it, or set database.embedded_dir to another folder");
}

PostgresPrograms programs_for(const fs::path& data) {
  int major = 0;
  if (std::ifstream{data / "PG_VERSION"} >> major)
    return find_postgres_programs(major);
  return find_postgres_programs();
}

/// Identifies the program's file and its PL/pgSQL library, so that it changes if others take their
/// place; empty while one is missing.
std::string files_of(const fs::path& postgres) {
  std::string files;
  for (const auto& file : {postgres, postgres.parent_path().parent_path() / "lib" / "plpgsql.so"}) {
    struct stat there {};
    if (::stat(file.c_str(), &there) != 0) {
      if (file == postgres || fs::exists(file.parent_path()))
        return {};
      continue; // not installed as Debian does it
    }
    for (const auto number :
         {static_cast<long long>(there.st_dev), static_cast<long long>(there.st_ino),
          static_cast<long long>(there.st_size), static_cast<long long>(there.st_mtim.tv_sec),
          static_cast<long long>(there.st_mtim.tv_nsec)})
      files += std::to_string(number) + " ";
  }
  return files;
}

bool has_database(PGconn* connection) {
  using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;
  const char* name = kDatabase;
  const Result found{PQexecParams(connection, "SELECT 1 FROM pg_database WHERE datname = $1", 1,
                                  nullptr, &name, nullptr, nullptr, 0),
                     PQclear};
  return PQntuples(found.get()) == 1;
}

void make_database(const ServerPlace& place) {
  using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;
  const Connection connection{PQconnectdb(place.url("postgres").c_str()), PQfinish};
  if (has_database(connection.get()))
    return;
  const auto sql = std::string{"CREATE DATABASE "} + kDatabase;
  PQclear(PQexec(connection.get(), sql.c_str()));
  // If another Regroup of this folder created it meanwhile, that is as good.
  if (!has_database(connection.get())) {
    std::string why = PQerrorMessage(connection.get());
    fail("cannot make the database " + std::string{kDatabase} + ": " +
         why.substr(0, why.find('\n')));
  }
}

} // namespace

struct EmbeddedPostgres::Impl {
  explicit Impl(const Options& given)
      : options{given}, directory{without_trailing_slash(given.directory)},
        deadline{Clock::now() + given.start_timeout} {
    place.data = directory / "data";
    place.log = directory / "server.log";
    if (const auto port = options.settings.find("port"); port != options.settings.end())
      place.port = port->second;
    place.account = servers_account();
    make_directory(directory, place.account);
    is_ours = lock_directory();
    if (is_ours)
      start();
    make_database(place);
  }

  ~Impl() {
    if (!server)
      return;
    server.reset();
    std::error_code ignored; // one under the temporary folder would stay for ever
    if (place.socket.parent_path() != place.data.parent_path())
      fs::remove(place.socket, ignored);
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  /// Locks the folder until the server has ended. False if a Regroup that lives has the lock and
  /// its server answers: then `pid` and `place.socket` are that server's.
  bool lock_directory() {
    lock = FileDescriptor{::open(directory.c_str(), O_DIRECTORY | O_CLOEXEC)};
    if (!lock)
      fail("cannot open the folder " + directory.string() + ": " + errno_text());
    while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR)
        fail("cannot lock the folder " + directory.string() + ": " + errno_text());
      if (const auto running = running_server(place.data)) {
        pid = running->pid;
        place.socket = running->socket;
        if (place.answers())
          return false;
      }
      if (Clock::now() > deadline)
        fail("another Regroup holds the folder " + directory.string() +
             ", but its server does not answer");
      std::this_thread::sleep_for(20ms);
    }
    return true;
  }

  void start() {
    if (place.account)
      check_reach(directory, *place.account);
    // When its Regroup was killed, the kernel signalled the server to stop; another signal does no
    // harm.
    if (const auto left = running_server(place.data); left && !stop_server(left->pid, place.data))
      fail("the server that an earlier Regroup left in " + directory.string() +
           " does not stop: end process " + std::to_string(left->pid));
    const auto programs = programs_for(place.data);
    if (!fs::exists(place.data))
      initialise_data(place, programs, time_left());
    make_private_folder(place.data, place.account);
    place.socket = socket_folder(directory, place.port);
    make_private_folder(place.socket, place.account);
    postgres = programs.postgres;
    started_from = files_of(postgres);
    server.emplace(place, programs, options.settings, time_left());
    pid = server->pid();
  }

  bool restart_if_replaced() {
    if (!is_ours)
      return false;
    const auto found = files_of(postgres);
    const bool settled = found == std::exchange(seen, found);
    if (!settled || found.empty() || (server && found == started_from))
      return false;
    server.reset();
    deadline = Clock::now() + options.start_timeout;
    start();
    return true;
  }

  std::chrono::milliseconds time_left() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  }

  Options options;
  fs::path directory;
  Clock::time_point deadline;
  ServerPlace place;
  FileDescriptor lock;
  bool is_ours = false;
  fs::path postgres;        // the program that is running
  std::string started_from; // its files at the start, see files_of()
  std::string seen;         // its files at the last call
  std::optional<PostgresServer> server;
  pid_t pid = -1;
};

EmbeddedPostgres::EmbeddedPostgres(Options options) : impl_{std::make_unique<Impl>(options)} {}

EmbeddedPostgres::~EmbeddedPostgres() = default;

std::string EmbeddedPostgres::url(const std::string& database) const {
  return impl_->place.url(database);
}

bool EmbeddedPostgres::restart_if_replaced() { return impl_->restart_if_replaced(); }

int EmbeddedPostgres::pid() const { return impl_->pid; }

} // namespace regroup::db
