// What an operator sets, asks about, and changes in a running service.
#include "tests/service/command.hpp"
#include "tests/service/support.hpp"
#include "tests/support/jwt_setup.hpp"

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <ctime>
#include <filesystem>
#include <fstream>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

Said check_config(const std::vector<std::string>& flags, const Process::Environment& environment) {
  std::vector<std::string> arguments{"serve", "--check-config"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  return run_command(arguments, environment);
}

/// A service with a settings file and a key file, each written anew by the test.
class Reloaded {
  TempFolder folder_;
  std::filesystem::path keys_{folder_.path() / "keys"};
  std::filesystem::path toml_{folder_.path() / "regroup.toml"};

public:
  Reloaded(const std::string& key_setting, const std::string& keys, const std::string& toml)
      : deployed{[&] {
          write_keys(keys);
          write_toml(toml);
          Service::Options options;
          options.settings = {{"config", toml_.string()},
                              {"auth.jwt_algorithm", "RS256"},
                              {"auth.jwt_" + key_setting, keys_.string()}};
          return options;
        }()},
        user(deployed.world.add_user()) {}

  void write_keys(const std::string& text) const { replace(keys_, text); }
  void write_toml(const std::string& text) const { replace(toml_, text); }

  /// Sends SIGHUP; the line of the log that says what came of it.
  json reload() {
    const auto before = lines("reload.").size();
    deployed.service.replica().signal(SIGHUP);
    eventually([&] { return lines("reload.").size() > before; });
    const auto now = lines("reload.");
    REQUIRE(now.size() > before);
    return now.at(before);
  }

  /// The log's lines whose event begins so.
  std::vector<json> lines(const std::string& event) {
    std::vector<json> found;
    std::istringstream log{deployed.service.replica().log()};
    for (std::string line; std::getline(log, line);)
      if (const auto parsed = json::parse(line, nullptr, false); parsed.is_object())
        if (parsed.at("event").get<std::string>().starts_with(event))
          found.push_back(parsed);
    return found;
  }

  std::string token(const Key& key) const {
    const json claims{{"sub", user.text()}, {"exp", std::time(nullptr) + 600}};
    return forge(R"({"alg":"RS256"})", claims.dump(), key_signer(key));
  }
  /// The status of a request that needs a token and nothing else.
  int ask(const std::string& bearer) {
    return status_of(deployed.service.client().get("/api/v1/devices/me/registration-group",
                                                   {{"Authorization", "Bearer " + bearer}}));
  }
  int ask(const Key& key) { return ask(token(key)); }
  bool takes(const Key& key) { return ask(key) != 401; }
  bool takes(const std::string& bearer) { return ask(bearer) != 401; }
  std::string migrate(const Key& key, const std::string& group) {
    return code_of(deployed.service.client().post(kMigrate, ServiceTest::body(group),
                                                  {{"Authorization", "Bearer " + token(key)}}));
  }

  ServiceTest deployed;
  domain::Uuid user;

private:
  /// As operators should: the file is there at every moment, old or new.
  static void replace(const std::filesystem::path& path, const std::string& text) {
    const std::filesystem::path draft = path.string() + ".new";
    std::ofstream{draft} << text;
    std::filesystem::rename(draft, path);
  }
};

std::string jwks(const std::vector<Key>& keys) {
  json list = json::array();
  for (const auto& key : keys)
    list.push_back(jwt::rsa_jwk(key));
  return json{{"keys", list}}.dump();
}

} // namespace

TEST_CASE("serve --check-config prints every setting and its source, and starts nothing") {
  const TempFolder folder;
  const auto database = folder.path() / "postgres";
  const auto checked =
      check_config({"--http.port=0", "--database.embedded_dir=" + database.string()},
                   {{"REGROUP_LOG_LEVEL", "debug"}});
  CHECK(checked.status == 0);
  CHECK(checked.errors.empty());
  CHECK_THAT(checked.output, Catch::Matches("(.|\n)*http.port = 0 +# flag --http.port\n(.|\n)*"));
  CHECK_THAT(
      checked.output,
      Catch::Matches("(.|\n)*log.level = \"debug\" +# environment REGROUP_LOG_LEVEL\n(.|\n)*"));
  CHECK_FALSE(std::filesystem::exists(database));
}

TEST_CASE("serve --check-config shows no secret, and refuses what the start would refuse") {
  const std::string secret = "hunter2 and thirty bytes more, at least";
  const Process::Environment environment{
      {"REGROUP_DATABASE_URL", "postgresql://u:hunter2@nowhere/db"},
      {"REGROUP_AUTH_JWT_ALGORITHM", "HS256"},
      {"REGROUP_AUTH_JWT_SECRET", secret}};
  const auto checked = check_config({}, environment);
  CHECK(checked.status == 0);
  CHECK(checked.text().find("hunter2") == std::string::npos);
  CHECK(checked.output.find("postgresql://u:***@nowhere/db") != std::string::npos);

  auto short_secret = environment;
  short_secret["REGROUP_AUTH_JWT_SECRET"] = "hunter2";
  auto bad_url = environment;
  bad_url["REGROUP_DATABASE_URL"] = "postgresql://u:hunter2@nowhere/db?nonsense=1";
  for (const auto& [each, named] :
       {std::pair{short_secret, "auth.jwt_secret"}, std::pair{bad_url, "database.url"}}) {
    const auto refused = check_config({}, each);
    CHECK(refused.status == 1);
    CHECK(refused.output.empty());
    CHECK(refused.errors.find(named) != std::string::npos);
    CHECK(std::count(refused.errors.begin(), refused.errors.end(), '\n') == 1);
    CHECK(refused.errors.find("hunter2") == std::string::npos);
  }
}

TEST_CASE(
    "SIGHUP reads the key set anew: a key that went away verifies no token, remembered or not") {
  const Key before = rsa_key(2048);
  const Key after = rsa_key(2048);
  Reloaded test{"jwks_file", jwks({before}), ""};
  CHECK(test.takes(before));
  CHECK_FALSE(test.takes(after));

  test.write_keys(jwks({before, after}));
  CHECK(test.reload().at("token_keys") == 2);
  const auto remembered = test.token(before);
  CHECK(test.takes(remembered));
  CHECK(test.takes(remembered));
  CHECK(test.takes(after));

  test.write_keys(jwks({after}));
  CHECK(test.reload().at("token_keys") == 1);
  CHECK_FALSE(test.takes(remembered));
  CHECK(test.takes(after));
}

TEST_CASE("SIGHUP with a bad key file keeps the old key and everything else, and the log says so") {
  const Key before = rsa_key(2048);
  const Key after = rsa_key(2048);
  Reloaded test{"public_key_file", public_pem(before), "[limits]\nmax_devices_per_group = 3\n"};
  test.deployed.world.add_devices("camping-2025", 3, test.user);
  test.write_toml("[limits]\nmax_devices_per_group = 2\n");
  for (const std::string& bad : {std::string{"no key"}, public_pem(rsa_key(1024)), std::string{}}) {
    test.write_keys(bad);
    const auto said = test.reload();
    CHECK(said.at("event") == "reload.refused");
    CHECK(said.at("level") == "error");
    CHECK(said.at("error").get<std::string>().find("auth.jwt_public_key_file") == 0);
    CHECK(test.takes(before));
  }
  test.write_keys(public_pem(before));
  test.write_toml("[limits]\nmax_devices_per_group = none\n");
  CHECK(test.reload().at("event") == "reload.refused");
  CHECK(test.migrate(before, "camping-2025").empty()); // 201: no limit was lowered

  test.write_keys(public_pem(after));
  test.write_toml("");
  CHECK(test.reload().at("event") == "reload.done");
  CHECK_FALSE(test.takes(before));
  CHECK(test.takes(after));
}

TEST_CASE("SIGHUP takes over limits and the log's level, and names what needs a restart") {
  const Key key = rsa_key(2048);
  Reloaded test{"public_key_file", public_pem(key), "[log]\nlevel = \"error\"\n"};
  test.deployed.world.add_devices("camping-2025", 3, test.user);
  CHECK(test.takes(key));
  CHECK(test.lines("request").empty());

  test.write_toml("[limits]\nmax_devices_per_group = 2\n[database]\npool_size = 3\n"
                  "[http]\nthreads = 1\n");
  const auto said = test.reload();
  CHECK(said.at("event") == "reload.done");
  CHECK(said.at("changed") == "limits.max_devices_per_group, log.level");
  eventually([&] { return !test.lines("reload.needs_restart").empty(); });
  REQUIRE(test.lines("reload.needs_restart").size() == 1);
  CHECK(test.lines("reload.needs_restart")[0].at("keys") == "http.threads, database.pool_size");
  CHECK(test.migrate(key, "camping-2025") == "validation/too-many-devices");
  CHECK(eventually([&] { return !test.lines("request").empty(); }));

  test.write_toml("[limits]\nrequests_per_minute = 1\n[log]\nlevel = \"error\"\n");
  CHECK(test.reload().at("event") == "reload.done");
  CHECK(
      eventually([&] { return test.ask(key) == 429; })); // after a minute's worth, if any was left
  test.write_toml("[limits]\nrequests_per_minute = 0\n");
  CHECK(test.reload().at("event") == "reload.done");
  CHECK(test.migrate(key, "camping-2025").empty());
}

TEST_CASE("a service that was started on a terminal ends in order when the terminal goes") {
  Postgres postgres;
  const TempFolder folder;
  const auto log = folder.path() / "log";
  const auto port = free_port();
  Process terminal{"script",
                   {"--quiet", "--command",
                    "exec " + regroup_binary() + " serve --http.drain_delay=0s --http.port=" +
                        std::to_string(port) + " 2>" + log.string(),
                    "/dev/null"},
                   {{"REGROUP_DATABASE_URL", postgres.create_database()},
                    {"REGROUP_AUTH_JWT_ALGORITHM", "HS256"},
                    {"REGROUP_AUTH_JWT_SECRET", std::string(40, 's')}}};
  const auto said = [&](const std::string& event) {
    std::ifstream file{log};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    return text.find('"' + event + '"') != std::string::npos;
  };
  REQUIRE(eventually([&] { return said("serving"); }));
  terminal.signal(SIGKILL);
  CHECK(eventually([&] { return said("stopped"); }));
}

TEST_CASE("a service manager is told when it serves, reloads, drains, and that it is alive") {
  Postgres postgres;
  const TempFolder folder;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto path = (folder.path() / "notify").string();
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const db::FileDescriptor socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const timeval patience{30, 0};
  REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
  const auto hears = [&](const std::string& state) {
    std::string heard(1000, '\0');
    for (int i = 0; i < 1000; ++i) { // heartbeats come in between
      const auto length = ::recv(socket.get(), heard.data(), heard.size(), 0);
      if (length < 0)
        return false;
      if (heard.substr(0, static_cast<std::size_t>(length)).starts_with(state))
        return true;
    }
    return false;
  };
  Process service{regroup_binary(),
                  {"serve", "--http.port=0", "--http.drain_delay=0s"},
                  {{"NOTIFY_SOCKET", path},
                   {"WATCHDOG_USEC", "200000"},
                   {"REGROUP_DATABASE_URL", postgres.create_database()},
                   {"REGROUP_AUTH_JWT_ALGORITHM", "HS256"},
                   {"REGROUP_AUTH_JWT_SECRET", std::string(40, 's')}}};
  CHECK(hears("READY=1"));
  CHECK(hears("WATCHDOG=1"));
  CHECK(hears("WATCHDOG=1"));
  service.signal(SIGHUP);
  CHECK(hears("RELOADING=1\nMONOTONIC_USEC="));
  CHECK(hears("READY=1"));
  service.signal(SIGTERM);
  CHECK(hears("STOPPING=1"));
  CHECK(service.wait(60s) == 0);
}
