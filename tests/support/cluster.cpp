#include "tests/support/cluster.hpp"

#include "db/schema/schema.hpp"
#include "http/auth/jwt.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/phone_manager.hpp"
#include "tests/support/silent_log.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace regroup::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSecret = "a secret of the tests, known to everybody";
constexpr std::array<unsigned, 3> kReplicaPorts{8081, 8082, 8083}; // of deploy/haproxy.cfg

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file{path};
  if (!file)
    throw std::runtime_error{"cannot read " + path.string()};
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::string address(unsigned port) { return "127.0.0.1:" + std::to_string(port); }

/// The deployed configuration with these ports; replicas that are not there lose their line.
std::string haproxy_config(unsigned port, const std::vector<unsigned>& replica_ports) {
  std::istringstream deployed{
      read_file(std::filesystem::path{REGROUP_SOURCE_DIR} / "deploy" / "haproxy.cfg")};
  std::map<std::string, std::string> replacements{{address(8080), address(port)}};
  for (std::size_t index = 0; index < kReplicaPorts.size(); ++index)
    replacements[address(kReplicaPorts[index])] =
        index < replica_ports.size() ? address(replica_ports[index]) : "";
  const std::regex pattern{R"(^ +(bind|server) .*(127\.0\.0\.1:\d+))"};
  std::string result;
  for (std::string line; std::getline(deployed, line);) {
    if (std::smatch match; std::regex_search(line, match, pattern)) {
      const auto& replacement = replacements.at(match[2]);
      if (replacement.empty())
        continue;
      line.replace(static_cast<std::size_t>(match.position(2)), match[2].str().size(), replacement);
    }
    result += line + "\n";
  }
  return result;
}

bool is_ready(unsigned port) {
  const auto answer =
      HttpClient{port, HttpClient::Connections::one_each, 5s}.get("/api/health/ready");
  return answer && answer->status == 200;
}

void wait_for_ready(Process& process, unsigned port, std::chrono::milliseconds limit) {
  bool ended = false;
  eventually([&] { return is_ready(port) || (ended = process.wait(0ms).has_value()); }, limit);
  if (ended || !is_ready(port))
    throw std::runtime_error{"nothing is ready on port " + std::to_string(port) + ": " +
                             process.output() + process.errors()};
}

/// PgBouncer connects over TCP.
Postgres::Options reachable_by_pooler(const Service::Options& options) {
  auto postgres = options.postgres;
  postgres.tcp = postgres.tcp || !options.pool_mode.empty();
  return postgres;
}

} // namespace

std::string regroup_binary() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
  if (const char* named = std::getenv("REGROUP_BINARY"))
    return named;
  return REGROUP_BINARY;
}

std::string token_for(const domain::Uuid& user) {
  http::JwtSettings settings;
  settings.algorithm = "HS256";
  settings.secret = kSecret;
  return http::mint_token(settings, user, std::chrono::minutes{15},
                          http::JwtVerifier::Clock::now());
}

Headers bearer(const domain::Uuid& user) {
  return {{"Authorization", "Bearer " + token_for(user)}};
}

Replica::Replica(std::string database_url, Settings settings, std::string binary)
    : binary_{binary.empty() ? regroup_binary() : std::move(binary)}, port_{free_port()} {
  settings.insert({"http.port", std::to_string(port_)});
  settings.insert({"database.url", std::move(database_url)});
  port_ = static_cast<unsigned>(std::stoul(settings.at("http.port")));
  arguments_ = {"serve"};
  for (const auto& [name, value] : settings)
    arguments_.push_back("--" + name + "=" + value);
  const bool own_keys = std::any_of(settings.begin(), settings.end(), [](const auto& setting) {
    return setting.first.starts_with("auth.");
  });
  if (!own_keys)
    environment_ = {{"REGROUP_AUTH_JWT_ALGORITHM", "HS256"}, {"REGROUP_AUTH_JWT_SECRET", kSecret}};
  restart();
}

void Replica::wait_until_ready(std::chrono::milliseconds limit) {
  wait_for_ready(*process_, port_, limit);
}

void Replica::restart() {
  process_.reset(); // the port must be free first
  process_.emplace(binary_, arguments_, environment_);
}

std::string sanitizer_report(const std::string& log) {
  constexpr std::size_t kMost = 8000;
  for (const char* words : {"ERROR: AddressSanitizer", "WARNING: ThreadSanitizer",
                            "runtime error:", "ERROR: LeakSanitizer"})
    if (const auto at = log.find(words); at != log.npos)
      return log.substr(log.rfind('\n', at) + 1, kMost);
  return {};
}

Haproxy::Haproxy(const std::vector<unsigned>& replica_ports) : port_{free_port()} {
  if (replica_ports.empty() || replica_ports.size() > kReplicaPorts.size())
    throw std::invalid_argument{"one to three replicas"};
  const auto file = folder_.path() / "haproxy.cfg";
  std::ofstream{file} << haproxy_config(port_, replica_ports);
  process_.emplace("haproxy", std::vector<std::string>{"-db", "-f", file});
}

void Haproxy::wait_until_ready(std::chrono::milliseconds limit) {
  wait_for_ready(*process_, port_, limit);
}

Service::Service() : Service(Options{}) {}

Service::Service(const Options& options)
    : postgres_{reachable_by_pooler(options)}, database_url_{postgres_.create_database()} {
  std::string url = database_url_;
  if (!options.as_owner && options.pool_mode.empty()) {
    config::Settings::Database owner;
    owner.url = database_url_;
    SilentLog log;
    db::apply_schema(owner, log);
    url = granted_role_url(database_url_);
  }
  if (!options.pool_mode.empty()) {
    // Fewer sessions than a replica has connections: what they share changes hands all the time.
    pooler_.emplace(postgres_, options.pool_mode, "default_pool_size = 6");
    url = pooler_->url(sql().value<std::string>("SELECT current_database()"));
  }
  std::vector<unsigned> ports;
  for (unsigned index = 0; index < options.replicas; ++index) {
    replicas_.push_back(std::make_unique<Replica>(url, options.settings, options.binary));
    ports.push_back(replicas_.back()->port());
  }
  for (auto& replica : replicas_)
    replica->wait_until_ready();
  if (options.haproxy) {
    haproxy_.emplace(ports);
    haproxy_->wait_until_ready();
  }
}

} // namespace regroup::test
