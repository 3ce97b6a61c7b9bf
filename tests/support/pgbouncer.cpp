#include "tests/support/pgbouncer.hpp"

#include "tests/support/eventually.hpp"
#include "tests/support/sql.hpp"

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <unistd.h>

namespace regroup::test {

using namespace std::chrono_literals;

Pgbouncer::Pgbouncer(const Postgres& server, const std::string& pool_mode,
                     const std::string& settings, unsigned server_port)
    : port_{free_port()} {
  const auto file = folder_.path() / "pgbouncer.ini";
  std::ofstream{file} << "[databases]\n* = host=127.0.0.1 port="
                      << (server_port != 0 ? server_port : server.tcp_port())
                      << " user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = "
                      << port_ << "\nunix_socket_dir =\nauth_type = any\npool_mode = " << pool_mode
                      << "\n"
                      << settings << "\n";
  arguments_ = {file};
  if (::geteuid() == 0) // it refuses to run as root
    arguments_.insert(arguments_.begin(), {"-u", "postgres"});
  start();
}

void Pgbouncer::start() {
  process_.emplace("pgbouncer", arguments_);
  const bool answers = eventually(
      [&] {
        try {
          Sql{url("postgres")}.exec("SELECT 1");
          return true;
        } catch (const pqxx::failure&) {
          return false;
        }
      },
      30s);
  if (!answers)
    throw std::runtime_error{"PgBouncer does not answer: " + log()};
}

std::string Pgbouncer::without_prepared_statements() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> output{::popen("pgbouncer --version", "r"),
                                                               &::pclose};
  int major = 0;
  int minor = 0;
  if (!output || std::fscanf(output.get(), "PgBouncer %d.%d", &major, &minor) != 2)
    throw std::runtime_error{"PgBouncer does not say its version"};
  return major == 1 && minor < 21 ? "" : "max_prepared_statements = 0";
}

std::string Pgbouncer::url(const std::string& database) const {
  return "host=127.0.0.1 port=" + std::to_string(port_) + " user=postgres dbname=" + database;
}

} // namespace regroup::test
