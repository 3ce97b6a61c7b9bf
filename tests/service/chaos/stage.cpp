#include "tests/service/chaos/stage.hpp"

#include "tests/support/eventually.hpp"

#include <stdexcept>

namespace regroup::chaos {
namespace {

/// A COMMIT that takes its time, as on a disk that is busy: what strikes at random then strikes a
/// COMMIT often. It stands in every COMMIT, since no other transaction is asked for (0 siblings).
constexpr const char* kCommitDelayMicroseconds = "40000";

constexpr auto kEndLimit = std::chrono::seconds{60};

/// The one database that create_database() makes on a fresh server.
constexpr const char* kDatabase = "test_1";

test::Postgres::Options postgres_options(const Stage::Options& options) {
  test::Postgres::Options result;
  result.durable = true;
  result.tcp = true;
  result.settings = {{"commit_siblings", "0"}};
  if (options.network) {
    std::string addresses;
    for (std::size_t index = 0; index < options.replicas; ++index)
      addresses += (index == 0 ? "" : ",") + Network::database_address(index);
    result.settings["listen_addresses"] = addresses;
    result.trusted_network = Network::all_addresses();
  }
  return result;
}

std::string tcp_url(std::size_t replica, const std::string& hosts, const std::string& ports) {
  return "host=" + hosts + " port=" + ports + " user=postgres dbname=" + kDatabase +
         " sslmode=disable gssencmode=disable application_name=regroup" +
         std::to_string(replica + 1);
}

} // namespace

Stage::Stage(const Options& options) {
  if (options.network)
    network_ = std::make_unique<Network>(options.replicas);
  auto server = postgres_options(options);
  if (options.small_disk) {
    wal_disk_ = std::make_unique<SmallDisk>();
    server.wal_folder = wal_disk_->folder();
    // Each segment is a new file, and an old one is not used again.
    server.settings.insert({{"wal_recycle", "off"}, {"max_wal_size", "4MB"}});
  }
  {
    const Namespace::Inside inside{network_ ? &network_->database() : nullptr};
    primary_ = std::make_unique<test::Postgres>(server);
  }
  database_url_ = primary_->create_database();
  if (options.standby)
    start_standby(server);
  if (options.cutter || options.pooler)
    cutter_ = std::make_unique<test::CommitCutter>(primary_->tcp_port());
  if (options.pooler) {
    pooler_ = std::make_unique<test::Pgbouncer>(*primary_, "transaction",
                                                test::Pgbouncer::without_prepared_statements() +
                                                    "\nserver_login_retry = 1\n",
                                                cutter_->port());
    front_ = std::make_unique<test::CommitCutter>(pooler_->port());
  }
  std::vector<unsigned> ports;
  for (std::size_t index = 0; index < options.replicas; ++index) {
    const auto* where = network_ ? &network_->replica(index) : nullptr;
    const Namespace::Inside inside{where};
    auto& replica =
        *replicas_.emplace_back(std::make_unique<test::Replica>(url_for(index), options.settings));
    ports.push_back(replica.port());
    each_replica_.push_back({"replica" + std::to_string(index + 1), replica.port(), where});
  }
  for (std::size_t index = 0; index < replicas_.size(); ++index)
    wait_until_ready(index);
  slow_commits_down(); // not before: the schema takes many
  targets_ = each_replica_;
  if (options.haproxy) {
    haproxy_.emplace(ports);
    haproxy_->wait_until_ready();
    targets_ = {{"haproxy", haproxy_->port(), nullptr}};
  }
}

void Stage::slow_commits_down() const {
  auto database = sql();
  database.exec(std::string{"ALTER SYSTEM SET commit_delay = "} + kCommitDelayMicroseconds);
  database.exec("SELECT pg_reload_conf()");
}

void Stage::start_standby(const test::Postgres::Options& options) {
  // Before the copy is made, so that it has the setting too: as in a real pair.
  test::Sql primary{primary_->url()};
  primary.exec("ALTER SYSTEM SET synchronous_standby_names = '*'");
  primary.exec("SELECT pg_reload_conf()");
  auto copy = options;
  copy.standby_of = primary_.get();
  standby_ = std::make_unique<test::Postgres>(copy);
  if (!test::eventually([&] {
        return primary.value<int>(
                   "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == 1;
      }))
    throw std::runtime_error{"the standby does not stream: " + standby_->log()};
}

std::string Stage::url_for(std::size_t replica) const {
  const auto port = std::to_string(primary_->tcp_port());
  if (network_) // keepalives that notice a dead cable within 3 s
    return tcp_url(replica, Network::database_address(replica), port) +
           " keepalives_idle=1 keepalives_interval=1 keepalives_count=2";
  if (front_)
    return tcp_url(replica, "127.0.0.1", std::to_string(front_->port()));
  if (cutter_)
    return tcp_url(replica, "127.0.0.1", std::to_string(cutter_->port()));
  if (standby_)
    return tcp_url(replica, "127.0.0.1,127.0.0.1",
                   port + "," + std::to_string(standby_->tcp_port())) +
           " target_session_attrs=read-write";
  return tcp_url(replica, "127.0.0.1", port);
}

void Stage::kill_replica(std::size_t index) {
  replica(index).signal(SIGKILL);
  replica(index).wait(std::chrono::seconds{10});
  logs_of_killed_ += replica(index).log();
}

void Stage::restart_replica(std::size_t index) { replica(index).restart(); }

void Stage::wait_until_ready(std::size_t index) {
  const Namespace::Inside inside{each_replica_.at(index).inside};
  replica(index).wait_until_ready();
}

void Stage::end_replicas() {
  for (auto& replica : replicas_) {
    replica->signal(SIGTERM);
    test::eventually([&] { return replica->log().find("\"leaving\"") != std::string::npos; });
    replica->signal(SIGTERM);
    const auto status = replica->wait(kEndLimit);
    if (status != 0)
      throw std::runtime_error{"a replica ended with " +
                               (status ? std::to_string(*status) : "nothing but SIGKILL") + ": " +
                               test::sanitizer_report(replica->log())};
  }
}

void Stage::promote_standby() {
  database_url_ = standby_->url(kDatabase);
  test::Sql promoted{standby_->url()};
  if (!promoted.value<bool>("SELECT pg_promote()"))
    throw std::runtime_error{"the standby was not promoted"};
  // It has inherited the name of a standby that it does not have: its first COMMIT would wait for
  // ever.
  if (promoted.value<std::string>("SHOW synchronous_standby_names").empty())
    throw std::runtime_error{"the standby was to inherit synchronous_standby_names"};
  promoted.exec("ALTER SYSTEM RESET synchronous_standby_names");
  promoted.exec("SELECT pg_reload_conf()");
}

std::string Stage::logs() const {
  auto all = logs_of_killed_;
  for (const auto& replica : replicas_)
    all += replica->log();
  return all;
}

} // namespace regroup::chaos
