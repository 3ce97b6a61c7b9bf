// What an operator is given beside the program: it names what there is.
#include "tests/service/command.hpp"
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

const std::filesystem::path kRoot = REGROUP_SOURCE_DIR;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file{kRoot / path};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  INFO(path);
  REQUIRE_FALSE(text.empty());
  return text;
}

std::set<std::string> matches(const std::string& text, const std::string& expression) {
  const std::regex compiled{expression};
  std::set<std::string> found;
  for (std::sregex_iterator each{text.begin(), text.end(), compiled}, end; each != end; ++each)
    found.insert((*each)[1]);
  return found;
}

} // namespace

TEST_CASE("systemd's exposure level of the service is 1.2 at most, and the unit is well formed") {
  const auto unit = (kRoot / "deploy" / "systemd" / "regroup.service").string();
  // In tenths; the status says whether it is above.
  Process security{"systemd-analyze", {"security", "--offline=true", "--threshold=12", unit}};
  const auto status = security.wait(60s);
  INFO(security.output() << security.errors());
  CHECK(status == 0);
  CHECK(security.output().find("Overall exposure level") != std::string::npos);
  CHECK(text_of("deploy/systemd/regroup.service").find("Type=notify") != std::string::npos);
}

TEST_CASE(
    "the containers are given settings that there are, and HAProxy's deployed configuration") {
  const auto compose = text_of("deploy/docker/compose.yml");
  const auto dockerfile = text_of("deploy/docker/Dockerfile");
  Process::Environment environment;
  for (const auto& name : matches(compose + dockerfile, "(REGROUP_[A-Z_]+)"))
    environment[name] = "";
  REQUIRE(environment.size() == 4);
  environment["REGROUP_DATABASE_URL"] = "postgresql://regroup@postgres/regroup";
  environment["REGROUP_AUTH_JWT_ALGORITHM"] = "HS256";
  environment["REGROUP_AUTH_JWT_SECRET"] = std::string(32, 's');
  environment["REGROUP_HTTP_ADDRESS"] = "0.0.0.0";
  const auto checked = run_command({"serve", "--check-config"}, environment);
  CHECK(checked.status == 0);
  CHECK(checked.errors.empty());

  CHECK(compose.find("./haproxy.cfg:") != std::string::npos);
  auto expected = text_of("deploy/haproxy.cfg");
  expected = expected.substr(expected.find("\nglobal"));
  expected =
      std::regex_replace(expected, std::regex{R"(127\.0\.0\.1:808([123]))"}, "replica$1:8080");
  expected = std::regex_replace(expected, std::regex{R"(bind 127\.0\.0\.1:)"}, "bind :");
  const auto container = text_of("deploy/docker/haproxy.cfg");
  CHECK(container.substr(container.find("\nglobal")) == expected);
  const auto replicas = matches(container, "server (replica[0-9])");
  CHECK(replicas == matches(compose, "\n  (replica[0-9]): "));
}

TEST_CASE("the containers' replicas are no superusers, and own nothing of the database") {
  Postgres postgres;
  Sql{postgres.url()}.exec("DROP DATABASE regroup"); // the container's PostgreSQL has none
  const auto url_of = [&](const std::string& role) {
    return std::regex_replace(postgres.url("regroup"), std::regex{"user=postgres"}, "user=" + role);
  };
  const auto socket = matches(postgres.url(), "host='([^']*)'");
  const auto port = matches(postgres.url(), "port='([^']*)'");
  REQUIRE(socket.size() + port.size() == 2);
  Process roles{"sh",
                {(kRoot / "deploy/docker/roles.sh").string()},
                {{"PGHOST", *socket.begin()},
                 {"PGPORT", *port.begin()},
                 {"POSTGRES_USER", "postgres"},
                 {"DATABASE_OWNER_PASSWORD", "it's the owner's"},
                 {"DATABASE_PASSWORD", "secret"}}};
  const auto made = roles.wait(60s);
  INFO(roles.errors());
  REQUIRE(made == 0);
  REQUIRE(run_command(with_settings({"schema", "apply"}, url_of("regroup_owner"))).status == 0);
  Sql{url_of("regroup_owner")}.exec(text_of("deploy/grants.sql"));

  Replica replica{url_of("regroup")};
  replica.wait_until_ready();
  World world{postgres.url("regroup")};
  const auto user = world.add_user();
  world.add_devices("camping-2025", 2, user);
  CHECK(status_of(HttpClient{replica.port()}.post(kMigrate, ServiceTest::body("camping-2025"),
                                                  bearer(user))) == 201);
  CHECK(world.sql.value<int>("SELECT count(*) FROM pg_roles WHERE rolname = 'regroup' AND "
                             "(rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls)") == 0);
  CHECK(world.sql.value<int>("SELECT count(*) FROM pg_class WHERE relowner = "
                             "'regroup'::regrole") == 0);
  CHECK_THROWS(Sql{url_of("regroup")}.exec("ALTER TABLE users ADD COLUMN mine int"));
}

TEST_CASE("what is installed is there, and what the package's files name is installed") {
  const auto install = text_of("cmake/install.cmake");
  for (const auto& name : matches(install, R"(((?:config|deploy|docs|http)/[a-z./-]+[a-z]))")) {
    INFO(name);
    CHECK(std::filesystem::exists(kRoot / name));
  }
  const auto unit = text_of("deploy/systemd/regroup.service");
  CHECK(unit.find("/usr/bin/regroup serve --config /etc/regroup/regroup.toml\n") !=
        std::string::npos);
  CHECK(text_of("deploy/debian/conffiles") == "/etc/regroup/regroup.toml\n");
}

TEST_CASE("cmake --install puts the program on a machine, with a unit that names it") {
  const TempFolder machine;
  const auto build = std::filesystem::path{regroup_binary()}.parent_path().parent_path();
  Process install{"cmake", {"--install", build}, {{"DESTDIR", machine.path()}}};
  const auto status = install.wait(60s);
  INFO(install.output() << install.errors());
  REQUIRE(status == 0);
  std::set<std::string> installed;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{machine.path()})
    if (entry.is_regular_file())
      installed.insert("/" + entry.path().lexically_relative(machine.path()).string());
  const auto path_of = [&](const std::string& name) {
    const auto found = std::find_if(installed.begin(), installed.end(),
                                    [&](const auto& path) { return path.ends_with("/" + name); });
    REQUIRE(found != installed.end());
    return *found;
  };
  const auto program = path_of("bin/regroup");
  Process version{machine.path().string() + program, {"--version"}};
  CHECK(version.wait(60s) == 0);
  std::ifstream file{machine.path().string() + path_of("regroup.service")};
  const std::string unit{std::istreambuf_iterator<char>{file}, {}};
  CHECK(unit.find("ExecStart=" + program + " serve --config " + path_of("regroup.toml") + "\n") !=
        std::string::npos);
  for (const char* name : {"grants.sql", "haproxy.cfg", "operations.md", "regroup-rules.yml"})
    CHECK_FALSE(path_of(name).empty());
}

TEST_CASE("docs/operations.md says what to do for every alert") {
  const auto page = text_of("docs/operations.md");
  const auto alerts = matches(text_of("deploy/prometheus/regroup-rules.yml"), R"(alert: (\w+))");
  CHECK(alerts.size() >= 6);
  for (const auto& alert : alerts) {
    INFO(alert);
    CHECK(page.find("| `" + alert + "` | ") != std::string::npos);
  }
}
