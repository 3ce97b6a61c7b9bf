#include "tests/support/postgres.hpp"

#include "db/embedded/child_process.hpp"
#include "db/embedded/postgres_programs.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/process.hpp"
#include "tests/support/sql.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <unistd.h>
#include <vector>

namespace regroup::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

void run(const std::string& program, const std::vector<std::string>& arguments) {
  Process process{program, arguments};
  if (process.wait(60s) != 0)
    throw std::runtime_error{program + ": " + process.errors()};
}

/// With owners and modes, which std::filesystem::copy forgets.
void copy_folder(const fs::path& from, const fs::path& to) {
  run("cp", {"-a", "--reflink=auto", from, to});
}

fs::path cache_folder() {
  const char* named = std::getenv("REGROUP_TEST_CACHE"); // NOLINT(concurrency-mt-unsafe)
  auto folder =
      named ? fs::path{named}
            : fs::temp_directory_path() / ("regroup-test-cache-" + std::to_string(::geteuid()));
  fs::create_directories(folder);
  fs::permissions(folder, fs::perms::owner_all);
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0 || status.st_uid != ::geteuid())
    throw std::runtime_error{folder.string() + " belongs to another user"};
  return folder;
}

/// An initialised data folder of the installed PostgreSQL. Test processes beside each other may
/// both make one; the rename lets one of them win.
fs::path template_folder() {
  const auto cache = cache_folder();
  auto ready = cache / ("postgres-" + db::find_postgres_programs().version);
  if (fs::exists(ready))
    return ready;
  const TempFolder making;
  { const db::EmbeddedPostgres first{{making.path() / "postgres", {{"fsync", "off"}}, 120s}}; }
  const auto mine = ready.string() + ".of-" + std::to_string(::getpid());
  copy_folder(making.path() / "postgres" / "data", mine);
  std::error_code lost;
  fs::rename(mine, ready, lost);
  if (lost)
    fs::remove_all(mine);
  return ready;
}

/// For tests: everybody on this machine's loopback, and standbys.
constexpr const char* kTrust = "local all all trust\n"
                               "local replication all trust\n"
                               "host all all 127.0.0.1/32 trust\n";

/// With the WAL that it needs and the settings of a standby (pg_basebackup -R). As root this makes
/// root's files: they go to the owner of the folder that they are in.
void copy_of_running(const Postgres& primary, const fs::path& data) {
  const auto program = db::find_postgres_programs().postgres.parent_path() / "pg_basebackup";
  run(program, {"--pgdata=" + data.string(), "--dbname=" + primary.url(), "--write-recovery-conf",
                "--wal-method=stream", "--checkpoint=fast", "--no-sync"});
  if (::geteuid() != 0)
    return;
  run("chown", {"-R", "postgres:", data});
}

/// In small segments, so that little is written before a new one is asked for.
void move_wal(const fs::path& data, const fs::path& folder) {
  const auto resetwal = db::find_postgres_programs().postgres.parent_path() / "pg_resetwal";
  std::vector<std::string> reset{resetwal, "--wal-segsize=1", "--pgdata=" + data.string()};
  if (::geteuid() == 0) {
    run("chown", {"postgres:", folder});
    reset.insert(reset.begin(), {"runuser", "-u", "postgres", "--"}); // it refuses to run as root
  }
  run(reset.front(), {reset.begin() + 1, reset.end()});
  run("cp", {"-a", data / "pg_wal" / ".", folder});
  fs::remove_all(data / "pg_wal");
  fs::create_directory_symlink(folder, data / "pg_wal");
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : fs::directory_iterator{"/proc"}) {
    const auto name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos)
      continue;
    // "123 (name with spaces) S 1 ...", or nothing when the process has just ended: reading by
    // iterators would throw then.
    std::ostringstream read;
    read << std::ifstream{entry.path() / "stat"}.rdbuf();
    const std::string text = read.str();
    std::istringstream after_name{text.substr(std::min(text.rfind(')') + 1, text.size()))};
    char state = 0;
    pid_t ppid = 0;
    if (after_name >> state >> ppid && ppid == parent)
      children.push_back(std::stoi(name));
  }
  return children;
}

} // namespace

Postgres::Postgres() : Postgres(Options{}) {}

Postgres::Postgres(const Options& options) {
  const auto directory = folder_.path() / "postgres";
  fs::create_directory(directory);
  if (options.standby_of)
    copy_of_running(*options.standby_of, directory / "data");
  else
    copy_initialised_data(directory / "data");
  if (!options.wal_folder.empty())
    move_wal(directory / "data", options.wal_folder);
  std::ofstream hba{directory / "data" / "pg_hba.conf"};
  hba << kTrust;
  if (!options.trusted_network.empty())
    hba << "host all all " << options.trusted_network << " trust\n";
  hba.close(); // the server reads it
  options_ = {directory, {{"max_connections", "200"}, {"shared_buffers", "64MB"}}, 60s};
  if (!options.durable)
    options_.settings.merge(
        std::map<std::string, std::string>{{"fsync", "off"}, {"full_page_writes", "off"}});
  if (options.tcp) {
    tcp_port_ = free_port();
    options_.settings["listen_addresses"] = "127.0.0.1";
    options_.settings["port"] = std::to_string(tcp_port_);
  }
  for (const auto& [name, value] : options.settings)
    options_.settings[name] = value;
  start();
}

Postgres::~Postgres() {
  if (!server_)
    return;
  continue_signal();
  ::kill(server_->pid(), SIGQUIT); // nothing in it is needed any more
}

void Postgres::start() {
  server_.emplace(options_);
  url_ = server_->url("");
  url_.erase(url_.size() - 2); // the quotes of the empty name
}

std::string Postgres::url(const std::string& database) const { return url_ + database; }

std::string Postgres::create_database() {
  const auto name = "test_" + std::to_string(++databases_);
  Sql{url()}.exec("CREATE DATABASE " + name);
  return url(name);
}

void Postgres::restart() {
  server_.reset();
  start();
}

void Postgres::kill9() {
  if (!server_)
    return;
  ::kill(server_->pid(), SIGKILL);
  server_.reset(); // waits for the end
}

void Postgres::kill9_all() {
  if (!server_)
    return;
  stop_signal(); // none of them may notice another's end
  signal_all(SIGKILL);
  kill9();
}

void Postgres::stop_signal() { signal_all(SIGSTOP); }

void Postgres::continue_signal() { signal_all(SIGCONT); }

void Postgres::signal_all(int number) const {
  if (number == SIGSTOP)
    ::kill(pid(), number); // the postmaster first: stopped, it makes no more children
  for (const auto child : children_of(pid()))
    ::kill(child, number);
  if (number != SIGSTOP)
    ::kill(pid(), number);
}

pid_t Postgres::pid() const {
  if (!server_)
    throw std::logic_error{"this PostgreSQL was killed"};
  return server_->pid();
}

std::string Postgres::log() const {
  std::ifstream file{options_.directory / "server.log"};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void copy_initialised_data(const fs::path& data) { copy_folder(template_folder(), data); }

} // namespace regroup::test
