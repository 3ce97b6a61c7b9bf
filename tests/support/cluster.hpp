#pragma once
#include "domain/uuid.hpp"
#include "tests/support/http_client.hpp"
#include "tests/support/pgbouncer.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/process.hpp"
#include "tests/support/sql.hpp"
#include "tests/support/temp_folder.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regroup::test {

/// The program under test: the environment variable REGROUP_BINARY, else the one of this build.
std::string regroup_binary();

/// A bearer token that every Replica takes, valid for 15 minutes.
std::string token_for(const domain::Uuid& user);

/// `{"Authorization": "Bearer ..."}`
Headers bearer(const domain::Uuid& user);

/// One `regroup serve`, killed by the destructor.
class Replica {
public:
  using Settings = std::map<std::string, std::string>; // "http.threads" -> "2"; given as flags

  /// Starts it on a free loopback port, and does not wait. Unless `settings` have keys of `auth.`,
  /// it takes the tokens of token_for(). `binary`: a test build of the program, else
  /// regroup_binary().
  explicit Replica(std::string database_url, Settings settings = {}, std::string binary = {});

  /// Waits for 200 from /api/health/ready; throws std::runtime_error with its log when it ends
  /// before, or when that takes longer than `limit`.
  void wait_until_ready(std::chrono::milliseconds limit = std::chrono::seconds{60});

  /// Waits for a line of the log that the expression is found in, within half a minute.
  bool wait_for_log(const std::string& expression) {
    return process_->wait_for_output(expression, std::chrono::seconds{30}).has_value();
  }

  /// Starts it again on the same port, after SIGKILL where it still runs. Does not wait.
  void restart();

  unsigned port() const { return port_; }
  pid_t pid() const { return process_->pid(); }
  void signal(int number) { process_->signal(number); }
  std::optional<int> wait(std::chrono::milliseconds limit) { return process_->wait(limit); }

  /// What it has written to stdout and stderr since its last start.
  std::string log() const { return process_->output() + process_->errors(); }

private:
  std::string binary_;
  unsigned port_;
  std::vector<std::string> arguments_;
  Process::Environment environment_;
  std::optional<Process> process_;
};

/// What a sanitizer has to say in a replica's log, from its first line on; empty when nothing.
std::string sanitizer_report(const std::string& log);

/// `deploy/haproxy.cfg`, with other ports, in front of one to three replicas.
class Haproxy {
public:
  explicit Haproxy(const std::vector<unsigned>& replica_ports);

  /// Waits until a replica answers through it; throws std::runtime_error with its log.
  void wait_until_ready(std::chrono::milliseconds limit = std::chrono::seconds{30});

  unsigned port() const { return port_; }
  pid_t pid() const { return process_->pid(); }
  void signal(int number) { process_->signal(number); }
  std::string log() const { return process_->output() + process_->errors(); }

private:
  TempFolder folder_;
  unsigned port_;
  std::optional<Process> process_;
};

/// A whole deployment: a PostgreSQL, an empty database on it, ready replicas, and HAProxy when
/// asked.
class Service {
public:
  struct Options {
    unsigned replicas = 1;
    bool haproxy = false;
    Replica::Settings settings; // of every replica
    Postgres::Options postgres;
    bool as_owner = false; // else as the role of deploy/grants.sql, which has no other rights
    std::string binary;    // empty: regroup_binary()
    std::string pool_mode; // not empty: they connect through a PgBouncer in this mode, as the owner
  };

  Service();
  explicit Service(const Options& options);

  Postgres& postgres() { return postgres_; }
  /// Directly, whatever the replicas use.
  const std::string& database_url() const { return database_url_; }
  Replica& replica(std::size_t index = 0) { return *replicas_.at(index); }
  std::size_t replica_count() const { return replicas_.size(); }
  Haproxy& haproxy() { return haproxy_.value(); }

  /// Where clients go: HAProxy where there is one, else the first replica.
  unsigned port() const { return haproxy_ ? haproxy_->port() : replicas_.front()->port(); }
  HttpClient client() const { return HttpClient{port()}; }
  Sql sql() const { return Sql{database_url_}; }

private:
  Postgres postgres_;
  std::string database_url_;
  std::optional<Pgbouncer> pooler_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::optional<Haproxy> haproxy_;
};

} // namespace regroup::test
