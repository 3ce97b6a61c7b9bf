#include "db/embedded/child_process.hpp"
#include "db/embedded/embedded_postgres.hpp"
#include "db/embedded/postgres_folder.hpp"
#include "db/embedded/postgres_programs.hpp"
#include "db/file_descriptor.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/sql.hpp"
#include "tests/support/temp_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <latch>
#include <optional>
#include <thread>
#include <unistd.h>
#include <vector>

namespace fs = std::filesystem;
using regroup::db::EmbeddedPostgres;
using regroup::test::eventually;
using regroup::test::Sql;
using regroup::test::TempFolder;

namespace {

/// Without fsync: killed processes lose nothing by that, only a power cut would.
EmbeddedPostgres::Options in(const fs::path& directory) {
  EmbeddedPostgres::Options options;
  options.directory = directory;
  options.settings = {{"fsync", "off"}};
  return options;
}

/// A folder that holds an initialised server already: initdb takes its time.
class ServerFolder {
public:
  explicit ServerFolder(const std::string& name = "postgres") : path_{folder_.path() / name} {
    fs::create_directories(path_);
    regroup::test::copy_initialised_data(data());
  }

  const fs::path& path() const { return path_; }
  fs::path data() const { return path_ / "data"; }

  EmbeddedPostgres::Options options() const { return in(path_); }

private:
  TempFolder folder_;
  fs::path path_;
};

std::string error_of(const EmbeddedPostgres::Options& options) {
  try {
    const EmbeddedPostgres server{options};
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

/// The programs of PostgreSQL in a place of their own, found before any others.
class OwnPrograms {
public:
  OwnPrograms() {
    const auto there = regroup::db::find_postgres_programs().postgres.parent_path().parent_path();
    for (const auto* part : {"bin", "lib"})
      fs::copy(there / part, here() / part, fs::copy_options::recursive);
    fs::create_directory_symlink("/usr/share", folder_.path() / "usr" / "share");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the tests of this program run one after the other
    ::setenv("PATH", ((here() / "bin").string() + ":" + before_).c_str(), 1);
  }
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  ~OwnPrograms() { ::setenv("PATH", before_.c_str(), 1); }
  OwnPrograms(const OwnPrograms&) = delete;
  OwnPrograms& operator=(const OwnPrograms&) = delete;

  /// As dpkg does it: another file gets the name.
  void replace(const fs::path& file) const {
    const auto next = (here() / file).string() + ".dpkg-new";
    fs::copy(here() / file, next);
    fs::rename(next, here() / file);
  }

private:
  fs::path here() const {
    const auto version = folder_.path() / "usr" / "lib" / "postgresql" / "of-the-test";
    fs::create_directories(version);
    return version;
  }

  TempFolder folder_;
  std::string before_ = std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe)
};

/// Another process that runs `work` and then stands still, until kill9() or the end of the test.
class OtherProcess {
public:
  explicit OtherProcess(const std::function<int()>& work) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const int result = work();
      if (::write(ends[1], &result, sizeof result) == sizeof result)
        for (;;)
          ::pause();
      ::_exit(1);
    }
    ::close(ends[1]);
    const regroup::db::FileDescriptor said{ends[0]};
    REQUIRE(::read(said.get(), &result_, sizeof result_) == sizeof result_);
  }
  ~OtherProcess() { kill9(); }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;

  int result() const { return result_; }

  void kill9() {
    if (pid_ <= 0)
      return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

private:
  pid_t pid_ = 0;
  int result_ = 0;
};

/// Starts a server, writes the row 42, and gives the postmaster's pid; the server outlives the
/// scope.
int start_with_row(const ServerFolder& folder) {
  auto* server = new EmbeddedPostgres{folder.options()};
  Sql{server->url()}.exec("CREATE TABLE kept AS SELECT 42 AS answer");
  return server->pid();
}

struct Started {
  std::string database;
  int pid = 0;
};

/// Starts one on each folder at the same time, and stops none before all were there.
std::vector<Started> started_together(const std::vector<fs::path>& directories) {
  std::vector<Started> started(directories.size());
  std::latch all{static_cast<std::ptrdiff_t>(directories.size())};
  std::vector<std::thread> threads; // each lives as long as its server, as it must
  for (std::size_t index = 0; index < directories.size(); ++index)
    threads.emplace_back([&, index] {
      std::optional<EmbeddedPostgres> server;
      try {
        server.emplace(in(directories[index]));
        started[index] = {Sql{server->url()}.value<std::string>("SELECT current_database()"),
                          server->pid()};
      } catch (const std::exception& error) {
        started[index].database = error.what();
      }
      all.arrive_and_wait();
    });
  for (auto& thread : threads)
    thread.join();
  return started;
}

int kept_row(const EmbeddedPostgres& server) {
  return Sql{server.url()}.value<int>("SELECT answer FROM kept");
}

} // namespace

TEST_CASE("the embedded PostgreSQL makes its folder and the database regroup, and answers") {
  const TempFolder folder;
  const auto directory = folder.path() / "data" / "postgres";
  EmbeddedPostgres::Options options;
  options.directory = directory / "";
  const EmbeddedPostgres server{options};
  Sql sql{server.url()};
  CHECK(sql.value<std::string>("SELECT current_database()") == "regroup");
  CHECK(sql.value<std::string>("SHOW server_encoding") == "UTF8");
  CHECK(sql.value<std::string>("SHOW fsync") == "on");
  CHECK(sql.value<std::string>("SHOW listen_addresses").empty());
  CHECK(sql.value<std::string>("SHOW unix_socket_directories").find("socket") != std::string::npos);
  CHECK(fs::status(directory / "socket").permissions() == fs::perms::owner_all);
  CHECK(fs::status(directory / "data").permissions() == fs::perms::owner_all);
}

TEST_CASE("the embedded PostgreSQL keeps its rows from one start to the next") {
  const ServerFolder folder;
  int first_pid = 0;
  {
    const EmbeddedPostgres server{folder.options()};
    Sql{server.url()}.exec("CREATE TABLE kept AS SELECT 42 AS answer");
    first_pid = server.pid();
  }
  CHECK(::kill(first_pid, 0) == -1);
  const EmbeddedPostgres server{folder.options()};
  CHECK(server.pid() != first_pid);
  CHECK(kept_row(server) == 42);
}

TEST_CASE("the next start after kill -9 of Regroup has every committed row") {
  const ServerFolder folder;
  OtherProcess killed{[&] { return start_with_row(folder); }};
  killed.kill9();
  const EmbeddedPostgres server{folder.options()};
  CHECK(server.pid() != killed.result());
  CHECK(kept_row(server) == 42);
}

TEST_CASE("the kernel stops the server of a Regroup that was killed") {
  const ServerFolder folder;
  OtherProcess killed{[&] { return start_with_row(folder); }};
  REQUIRE(regroup::db::running_server(folder.data()));
  killed.kill9();
  CHECK(eventually([&] { return !regroup::db::running_server(folder.data()); }));
}

TEST_CASE("a server that was left running in the folder makes room for ours") {
  const ServerFolder folder;
  std::string socket;
  {
    const EmbeddedPostgres server{folder.options()};
    socket = Sql{server.url()}.value<std::string>("SHOW unix_socket_directories");
  }
  regroup::db::ChildProcess::Options options;
  options.command = {regroup::db::find_postgres_programs().postgres,
                     "-D",
                     folder.data(),
                     "-c",
                     "listen_addresses=",
                     "-c",
                     "unix_socket_directories=" + socket};
  if (::geteuid() == 0)
    options.account = regroup::db::find_account("postgres");
  regroup::db::ChildProcess left_behind{options};
  REQUIRE(eventually([&] {
    const auto running = regroup::db::running_server(folder.data());
    return running && running->pid == left_behind.pid();
  }));
  const EmbeddedPostgres server{folder.options()};
  CHECK(left_behind.wait(std::chrono::seconds{0}) == 0);
  CHECK(server.pid() != left_behind.pid());
  CHECK(Sql{server.url()}.value<int>("SELECT 1") == 1);
}

TEST_CASE("a second Regroup on the folder uses the server of the first and leaves it running") {
  const ServerFolder folder;
  const EmbeddedPostgres first{folder.options()};
  {
    const EmbeddedPostgres second{folder.options()};
    CHECK(second.pid() == first.pid());
    CHECK(Sql{second.url()}.value<std::string>("SELECT current_database()") == "regroup");
  }
  CHECK(Sql{first.url()}.value<int>("SELECT 1") == 1);
}

TEST_CASE("two Regroups that start together on a new folder share one server") {
  const TempFolder folder;
  const auto servers = started_together({folder.path() / "postgres", folder.path() / "postgres"});
  CHECK(servers[0].database == "regroup");
  CHECK(servers[1].database == "regroup");
  CHECK(servers[0].pid == servers[1].pid);
}

TEST_CASE("an initialisation that was cut short is done again") {
  const TempFolder folder;
  const auto directory = folder.path() / "postgres";
  fs::create_directories(directory / "data.new" / "base");
  std::ofstream{directory / "data.new" / "PG_VERSION"} << "15\n";
  fs::permissions(directory / "data.new", fs::perms::owner_all);
  const EmbeddedPostgres server{in(directory)};
  CHECK(Sql{server.url()}.value<int>("SELECT 1") == 1);
  CHECK_FALSE(fs::exists(directory / "data.new"));
}

TEST_CASE("an empty folder that was made beforehand, or is a link, serves") {
  const TempFolder folder;
  fs::create_directory(folder.path() / "postgres");
  fs::permissions(folder.path() / "postgres", fs::perms::owner_all);
  fs::create_directory_symlink(folder.path() / "postgres", folder.path() / "link");
  const EmbeddedPostgres server{in(folder.path() / "link")};
  CHECK(Sql{server.url()}.value<int>("SELECT 1") == 1);
}

TEST_CASE("a folder on the way that the server's user cannot enter is named") {
  const TempFolder folder;
  const auto closed = folder.path() / "closed";
  fs::create_directory(closed);
  // Root passes everywhere, the user postgres does not; an ordinary user is the server's user.
  fs::permissions(closed, ::geteuid() == 0 ? fs::perms::owner_all : fs::perms::none);
  const auto error = error_of(in(closed / "postgres"));
  fs::permissions(closed, fs::perms::owner_all);
  CHECK_THAT(error, Catch::Contains((::geteuid() == 0 ? "cannot enter " : "") + closed.string()));
  CHECK(error.find('\n') == std::string::npos);
}

TEST_CASE("a folder that is open to other users is refused") {
  const ServerFolder folder;
  { const EmbeddedPostgres server{folder.options()}; }
  fs::permissions(folder.path() / "socket", fs::perms::others_exec, fs::perm_options::add);
  CHECK_THAT(error_of(folder.options()), Catch::Contains("open to other users"));
}

TEST_CASE("a server that does not start says why in one line") {
  const ServerFolder folder;
  auto options = folder.options();
  options.settings["shared_preload_libraries"] = "nowhere";
  const auto error = error_of(options);
  CHECK_THAT(error, Catch::Contains("FATAL:  could not access file \"nowhere\""));
  CHECK(error.find('\n') == std::string::npos);
}

TEST_CASE("a data folder of a PostgreSQL that is not installed says which") {
  const TempFolder folder;
  const auto data = folder.path() / "postgres" / "data";
  fs::create_directories(data);
  std::ofstream{data / "PG_VERSION"} << "9\n";
  CHECK_THAT(error_of(in(folder.path() / "postgres")), Catch::Contains("postgresql-9"));
}

TEST_CASE("a folder whose path is too long for a socket, or odd, serves all the same") {
  const auto name = GENERATE(as<std::string>{}, std::string(120, 'x'), "a, b", "it's \\ here",
                             "\"quoted\"", "with space");
  const ServerFolder folder{name};
  std::string url;
  {
    const EmbeddedPostgres server{folder.options()};
    Sql{server.url()}.exec("CREATE TABLE kept AS SELECT 42 AS answer");
    url = server.url();
  }
  const EmbeddedPostgres server{folder.options()};
  CHECK(server.url() == url);
  CHECK(kept_row(server) == 42);
}

TEST_CASE("two folders started at the same time are two servers") {
  const TempFolder folder;
  const auto servers = started_together({folder.path() / "one", folder.path() / "two"});
  CHECK(servers[0].database == "regroup");
  CHECK(servers[1].database == "regroup");
  CHECK(servers[0].pid != servers[1].pid);
}

TEST_CASE("a Ctrl-C at the terminal does not reach the server") {
  const ServerFolder folder;
  const EmbeddedPostgres server{folder.options()};
  CHECK(::getpgid(server.pid()) == server.pid());
  CHECK(::getpgid(0) != server.pid());
}

TEST_CASE("the server is back after kill -9 of the postmaster while a backend is busy") {
  // A computation of seconds, which does not look whether the postmaster is still there.
  const std::string busy_query =
      "SELECT count(*) FROM generate_series(1, 10000) a, generate_series(1, 4000) b";
  const ServerFolder folder;
  std::jthread busy; // joins, whatever happens
  {
    const EmbeddedPostgres server{folder.options()};
    Sql watcher{server.url()};
    watcher.exec("CREATE TABLE kept AS SELECT 42 AS answer");
    busy = std::jthread{[&busy_query, url = server.url()] {
      try {
        Sql{url}.exec(busy_query);
      } catch (const pqxx::failure&) { // its server was killed
      }
    }};
    REQUIRE(eventually([&] {
      return watcher.value<int>("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
                                "AND query = $1",
                                busy_query) == 1;
    }));
    ::kill(server.pid(), SIGKILL);
  }
  const EmbeddedPostgres server{folder.options()};
  CHECK(kept_row(server) == 42);
}

TEST_CASE(
    "a server whose programs were replaced under it is restarted, once they stay as they are") {
  const OwnPrograms programs;
  const ServerFolder folder;
  EmbeddedPostgres server{folder.options()};
  const auto first = server.pid();
  CHECK(fs::read_symlink("/proc/" + std::to_string(first) + "/exe").string().find("of-the-test") !=
        std::string::npos);
  for (int look = 0; look < 3; ++look)
    CHECK_FALSE(server.restart_if_replaced());
  for (const fs::path& file : {fs::path{"lib"} / "plpgsql.so", fs::path{"bin"} / "postgres"}) {
    INFO(file);
    const auto before = server.pid();
    programs.replace(file);
    CHECK_FALSE(server.restart_if_replaced());
    CHECK(server.pid() == before);
    programs.replace(file); // the upgrade goes on
    CHECK_FALSE(server.restart_if_replaced());
    CHECK(server.restart_if_replaced());
    CHECK(server.pid() != before);
    CHECK(Sql{server.url()}.value<int>("SELECT 1") == 1);
    CHECK_FALSE(server.restart_if_replaced());
  }
}
