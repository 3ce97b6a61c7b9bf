#pragma once
#include "tests/service/chaos/network.hpp"
#include "tests/service/chaos/small_disk.hpp"
#include "tests/support/cluster.hpp"
#include "tests/support/commit_cutter.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regroup::chaos {

/// Where a client can send a request.
struct Target {
  std::string name; // "replica1", "haproxy"
  unsigned port = 0;
  const Namespace* inside = nullptr; // the client has to be in there too
};

/// The deployment that a fault strikes: a PostgreSQL that keeps what it promised (fsync), replicas
/// of the real program, and what the fault needs beside them. To be used by the main thread alone.
class Stage {
public:
  struct Options {
    std::size_t replicas = 2;
    bool haproxy = false; // the only target then
    bool cutter = false;  // the replicas reach PostgreSQL through a CommitCutter
    bool pooler = false;  // ... through a PgBouncer, with a CommitCutter before it and one behind
    bool small_disk = false; // the WAL has a file system of its own
    bool standby = false;    // synchronous; the replicas know both servers
    bool network = false;    // a namespace for PostgreSQL, and one for each replica
    test::Replica::Settings settings;
  };
  explicit Stage(const Options& options);

  test::Postgres& primary() { return *primary_; }
  test::Postgres& standby() { return *standby_; }
  /// In front of PostgreSQL.
  test::CommitCutter& cutter() { return *cutter_; }
  test::Pgbouncer& pooler() { return *pooler_; }
  /// In front of the pooler.
  test::CommitCutter& front() { return *front_; }
  SmallDisk& wal_disk() { return *wal_disk_; }
  Network& network() { return *network_; }
  test::Replica& replica(std::size_t index) { return *replicas_.at(index); }
  std::size_t replica_count() const { return replicas_.size(); }

  const std::vector<Target>& targets() const { return targets_; }
  /// Each replica, also where clients go through HAProxy.
  const std::vector<Target>& replicas() const { return each_replica_; }

  /// The database as its superuser, on the server that is the primary now.
  const std::string& database_url() const { return database_url_; }
  test::Sql sql() const { return test::Sql{database_url_}; }

  void kill_replica(std::size_t index);
  void restart_replica(std::size_t index);
  void wait_until_ready(std::size_t index);

  /// Ends every replica by two SIGTERMs, which does without http.drain_delay. Throws
  /// std::runtime_error when one does not end, or not with 0: a leak sanitizer speaks at the end.
  void end_replicas();

  /// Makes the standby the primary, as an operator would: docs/guarantees.md, "Failover".
  void promote_standby();

  /// What all replicas have logged, those that were killed as well.
  std::string logs() const;

private:
  void slow_commits_down() const;
  void start_standby(const test::Postgres::Options& options);
  std::string url_for(std::size_t replica) const;

  std::unique_ptr<Network> network_;
  std::unique_ptr<SmallDisk> wal_disk_; // unmounted when the server has ended
  std::unique_ptr<test::Postgres> primary_;
  std::unique_ptr<test::Postgres> standby_;
  std::unique_ptr<test::CommitCutter> cutter_;
  std::unique_ptr<test::Pgbouncer> pooler_;
  std::unique_ptr<test::CommitCutter> front_;
  std::string database_url_;
  std::vector<std::unique_ptr<test::Replica>> replicas_;
  std::optional<test::Haproxy> haproxy_;
  std::vector<Target> targets_, each_replica_;
  std::string logs_of_killed_;
};

} // namespace regroup::chaos
