// The command line as people meet it: help, mistakes, completions, and what a terminal shows.
#include "tests/service/admin_support.hpp"
#include "tests/service/command.hpp"
#include "tests/support/jwt_setup.hpp"
#include "tests/support/temp_folder.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

const std::vector<Words> kSubcommands{{"serve"},
                                      {"schema", "status"},
                                      {"schema", "apply"},
                                      {"doctor"},
                                      {"token"},
                                      {"api-key", "create"},
                                      {"api-key", "list"},
                                      {"api-key", "revoke"},
                                      {"migrations", "list"},
                                      {"migrations", "show"},
                                      {"migrations", "cancel"},
                                      {"live"},
                                      {"demo"},
                                      {"completion"},
                                      {"version"}};

std::size_t lines_of(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// Runs it where nothing may be left behind: an embedded PostgreSQL would make this folder.
Said run_idle(const Words& words) {
  const TempFolder folder;
  const auto database = folder.path() / "postgres";
  const auto said = run_command(words, {{"REGROUP_DATABASE_EMBEDDED_DIR", database.string()}});
  CHECK_FALSE(std::filesystem::exists(database));
  return said;
}

/// What `line` completes to in bash, whose last word is the one at the cursor.
std::vector<std::string> completed(const Words& line) {
  std::string words;
  for (const auto& word : line)
    words += "'" + word + "' ";
  const auto script = run_command({"completion", "bash"}).output + "COMP_WORDS=(" + words +
                      ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_regroup\n"
                      "printf '%s\\n' \"${COMPREPLY[@]}\"\n";
  Process bash{"bash", {"-c", script}};
  REQUIRE(bash.wait(30s) == 0);
  CHECK(bash.errors().empty());
  std::vector<std::string> found;
  std::istringstream lines{bash.output()};
  for (std::string each; std::getline(lines, each);)
    found.push_back(each);
  return found;
}

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

} // namespace

TEST_CASE("help of every subcommand shows an example within 80 columns, and runs nothing") {
  for (const auto& subcommand : kSubcommands)
    for (const char* flag : {"-h", "--help"}) {
      auto words = subcommand;
      words.emplace_back(flag);
      const auto said = run_idle(words);
      auto other = subcommand;
      other.insert(other.begin(), "help");
      INFO(said.text());
      CHECK(said.status == 0);
      CHECK(said.errors.empty());
      CHECK(said.output == run_idle(other).output);
      std::string name = "regroup";
      for (const auto& word : subcommand)
        name += " " + word;
      CHECK(said.output.find("Usage: " + name) != std::string::npos);
      CHECK(said.output.find("Example:\n  " + name) != std::string::npos);
      std::istringstream lines{said.output};
      for (std::string line; std::getline(lines, line);)
        CHECK(line.size() <= 80);
    }
  for (const Words& words : {Words{"-h"}, {"--help"}, {"help"}}) {
    const auto said = run_idle(words);
    CHECK(said.status == 0);
    for (const auto& subcommand : kSubcommands)
      CHECK(said.output.find("\n  " + subcommand.front() + " ") != std::string::npos);
  }
  CHECK(run_idle({"help", "settings"}).output.find("--http.port ") != std::string::npos);
  for (const Words& words : {Words{"-V"}, {"--version"}, {"version"}})
    CHECK_THAT(run_idle(words).output, Catch::Matches("regroup [0-9.]+\n"));
}

TEST_CASE("a word or a flag that is not known runs nothing, and the nearest one is proposed") {
  const std::vector<std::pair<Words, std::string>> mistakes{
      {{"serv"}, "did you mean serve?"},
      {{"schema", "stauts"}, "did you mean status?"},
      {{"schema"}, "say status or apply"},
      {{"serve", "my.toml"}, "--config FILE"},
      {{"serve", "-p", "26031"}, "no such flag: -p"},
      {{"serve", "--http.prot", "1"}, "did you mean --http.port?"},
      {{"serve", "--port=1"}, "did you mean --http.port?"},
      {{"-v"}, "did you mean -V?"},
      {{"nonsense", "--help"}, "no such subcommand: nonsense"},
      {{"help", "nonsense"}, "no such subcommand: nonsense"},
      {{"demo", "--admin"}, "`regroup api-key create`"},
      {{"serve", "--json"}, "it takes no --json"},
      {{"schema", "apply", "--json"}, "it takes no --json"},
      {{"doctor", "--check-config"}, "it takes no --check-config"},
      {{"token"}, "--user is required"},
      {{"token", "--user"}, "--user needs a value"},
      {{"token", "--user", "chen"}, "--user must be a UUID"},
      {{"serve", "--http.port", "--http.threads", "1"}, "--http.port needs a value"},
      {{"serve", "--http.port", "many"}, "http.port"},
      {{"serve", "--check-config=yes"}, "takes no value"},
      {{"api-key", "revoke"}, "ID is required"},
      {{"api-key", "revoke", "1", "2"}, "a word too many"},
      {{"completion", "tcsh"}, "bash, zsh or fish"},
      {{"migrations", "show", "one"}, "UUID"},
      {{"migrations", "list", "--status", "done"}, "success, partial, failed or rolled_back"}};
  for (const auto& [words, expected] : mistakes) {
    const auto said = run_idle(words);
    INFO(said.text());
    CHECK(said.status == 2);
    CHECK(said.output.empty());
    CHECK(lines_of(said.errors) == 1);
    CHECK(said.errors.find(expected) != std::string::npos);
  }
  const auto nothing = run_idle({});
  CHECK(nothing.status == 2);
  CHECK(nothing.output.empty());
  CHECK(nothing.errors.find("Usage: regroup") != std::string::npos);
}

TEST_CASE("no message of the command line repeats a value, which may be part of a secret") {
  for (const Words& words : {Words{"serve", "--auth.jwt_secret", "a", "hunter2"},
                             {"serve", "--secret=hunter2"},
                             {"serve", "--auth.jwt_secret=hunter2"},
                             {"serve", "--database.url=hunter2 x"}}) {
    const auto said = run_idle(words);
    INFO(said.text());
    CHECK(said.status != 0);
    CHECK(said.text().find("hunter2") == std::string::npos);
  }
}

TEST_CASE("an empty value of a flag is a value, and a setting before the subcommand counts") {
  const auto said = run_idle({"--http.port=0", "serve", "--http.cors_origins=", "--check-config",
                              "--auth.jwt_issuer", ""});
  CHECK(said.status == 0);
  CHECK_THAT(said.output, Catch::Matches("(.|\n)*http.port = 0 +# flag --http.port\n(.|\n)*"));
  CHECK_THAT(
      said.output,
      Catch::Matches("(.|\n)*http.cors_origins = \"\" +# flag --http.cors_origins\n(.|\n)*"));
}

TEST_CASE("the completions know every subcommand, its flags, the settings and their values") {
  const auto first = completed({"regroup", ""});
  for (const auto& subcommand : kSubcommands)
    CHECK(has(first, subcommand.front()));
  CHECK(completed({"regroup", "api-key", "re"}) == Words{"revoke"});
  CHECK(completed({"regroup", "api-key", "create", "--ad"}) == Words{"--admin"});
  CHECK(completed({"regroup", "serve", "--http.po"}) == Words{"--http.port"});
  CHECK(completed({"regroup", "serve", "--log.level", "w"}) == Words{"warning"});
  CHECK_FALSE(has(completed({"regroup", "demo", "--"}), "--admin"));
  CHECK(completed({"regroup", "token", "--user", ""}) == Words{""}); // bash prints one empty line
  const TempFolder folder;
  const auto file = (folder.path() / "my.toml").string();
  std::ofstream{file} << "";
  CHECK(completed({"regroup", "serve", "--config", folder.path().string() + "/m"}) == Words{file});

  for (const char* shell : {"zsh", "fish"}) {
    const auto script = folder.path() / shell;
    std::ofstream{script} << run_command({"completion", shell}).output;
    Process check{shell, {"-n", script.string()}};
    CHECK(check.wait(30s) == 0);
    CHECK(check.errors().empty());
    CHECK(text_of(script).find("http.port") != std::string::npos);
  }
}

TEST_CASE("serve on a terminal prints where it is, and a stop says what it waits for") {
  Postgres postgres;
  const auto port = std::to_string(free_port());
  Process terminal{"script",
                   {"--quiet", "--command",
                    "echo pid=$$; exec " + regroup_binary() +
                        " serve --http.drain_delay=1s --http.port=" + port + " 2>/dev/null",
                    "/dev/null"},
                   {{"REGROUP_DATABASE_URL", postgres.create_database()},
                    {"REGROUP_AUTH_JWT_ALGORITHM", "HS256"},
                    {"REGROUP_AUTH_JWT_SECRET", std::string(40, 's')}}};
  const auto pid = terminal.wait_for_output("pid=([0-9]+)", 30s);
  REQUIRE(pid);
  const std::string url = "http://127.0.0.1:" + port;
  CHECK(terminal.wait_for_output("documentation +" + url + "/docs", 30s));
  CHECK(terminal.wait_for_output("console +" + url + "/admin", 30s));
  CHECK(terminal.wait_for_output("Ctrl-C stops it", 30s));
  CHECK(terminal.output().find(std::string(40, 's')) == std::string::npos);
  REQUIRE(::kill(std::stoi(*pid), SIGINT) == 0);
  CHECK(terminal.wait_for_output("load balancers notice .http.drain_delay.", 30s));
  CHECK(terminal.wait_for_output("Stopped", 30s));
}

TEST_CASE("findings are coloured on a terminal, unless NO_COLOR or a pipe forbids it") {
  Postgres postgres;
  const auto url = postgres.create_database();
  const auto on_terminal = [&](Process::Environment environment) {
    environment["TERM"] = "xterm";
    std::string words = regroup_binary();
    for (const auto& word : with_settings({"doctor"}, url))
      words += " '" + word + "'";
    Process terminal{"script", {"--quiet", "--command", words, "/dev/null"}, environment};
    REQUIRE(terminal.wait(60s));
    return terminal.output();
  };
  CHECK(on_terminal({}).find("\033[31merror") != std::string::npos);
  CHECK(on_terminal({{"NO_COLOR", "1"}}).find('\033') == std::string::npos);
  CHECK(run_command(with_settings({"doctor"}, url)).output.find('\033') == std::string::npos);
}

TEST_CASE("demo asks before it writes into a database that is not its own") {
  Postgres postgres;
  const auto url = postgres.create_database();
  const auto refused = run_command(with_settings({"demo"}, url));
  CHECK(refused.status == 2);
  CHECK(refused.errors.find("--yes") != std::string::npos);
  Sql sql{url};
  CHECK(sql.value<int>("SELECT count(*) FROM pg_class WHERE relname = 'devices'") == 0);

  REQUIRE(run_command(with_settings({"schema", "apply"}, url)).status == 0);
  // As the operations page makes it: the address is taken, under another id.
  sql.exec("INSERT INTO users (email) VALUES ('chen@example.com')");
  const auto made = run_command(with_settings({"demo", "--yes"}, url));
  INFO(made.text());
  CHECK(made.status == 0);
  CHECK(made.output.find("curl -i -X POST") != std::string::npos);
  CHECK(sql.value<int>("SELECT count(*) FROM devices d JOIN users u ON u.id = d.owner_user_id "
                       "WHERE u.email = 'chen@example.com'") == 1);
  CHECK(run_command(with_settings({"demo", "--yes"}, url)).status == 0);

  // Keys that cannot sign: nothing is written either.
  const auto devices = [&] { return sql.value<int>("SELECT count(*) FROM devices"); };
  sql.exec("DELETE FROM devices");
  const TempFolder folder;
  const auto key = folder.path() / "key.pem";
  std::ofstream{key} << public_pem(rsa_key(2048));
  const auto unsigned_ =
      run_command({"demo", "--yes", "--database.url=" + url, "--auth.jwt_algorithm=RS256",
                   "--auth.jwt_public_key_file=" + key.string()});
  CHECK(unsigned_.status == 1);
  CHECK(unsigned_.errors.find("auth.jwt_private_key_file") != std::string::npos);
  CHECK(devices() == 0);
}

TEST_CASE("schema apply says each thing once, and schema status is there as JSON") {
  Postgres postgres;
  const auto url = postgres.create_database();
  const auto status = run_command(with_settings({"schema", "status", "--json"}, url));
  const auto report = json::parse(status.output);
  CHECK(report.at("can_be_applied") == true);
  CHECK_FALSE(report.at("changes").empty());
  const auto said = run_command(with_settings({"schema", "apply"}, url));
  CHECK(said.status == 0);
  std::istringstream lines{said.text()};
  std::vector<std::string> seen;
  for (std::string line; std::getline(lines, line); seen.push_back(line)) {
    INFO(line);
    CHECK_FALSE(has(seen, line));
  }
  CHECK(said.errors.empty());
  CHECK(json::parse(run_command(with_settings({"schema", "status", "--json"}, url)).output)
            .at("changes")
            .empty());
}

TEST_CASE("an operator lists, reads and cancels migrations without a key or a browser") {
  Service::Options options;
  options.settings = {{"database.lock_timeout", "30s"}, {"database.statement_timeout", "40s"}};
  AdminServiceTest test{options};
  const auto command = [&](const Words& words) {
    return run_command(with_settings(words, test.service.database_url()));
  };
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  const auto done = test.migrate(test.service.port(), user, ServiceTest::body("camping-2025"));
  REQUIRE(status_of(done) == 201);
  const auto id = json::parse(done->body).at("migration_id").get<std::string>();

  const auto listed = json::parse(command({"migrations", "list", "--json"}).output);
  REQUIRE(listed.size() == 1);
  CHECK(listed == test.read("/migrations").at("migrations"));
  CHECK(command({"migrations", "list"}).output.find(id) != std::string::npos);
  CHECK(command({"migrations", "list", "--status", "failed", "--json"}).output == "[]\n");
  CHECK(command({"migrations", "list", "--group", "camping-2025", "--user", user.text(), "--from",
                 "2020-01-01", "--limit", "1", "--json"})
            .output.find(id) != std::string::npos);
  CHECK(json::parse(command({"migrations", "show", id, "--json"}).output) ==
        test.read("/migrations/" + id));
  CHECK(command({"migrations", "show", id}).output.find("committed") != std::string::npos);
  CHECK(command({"migrations", "show", domain::Uuid::random().text()}).status == 1);
  CHECK(command({"live"}).output == "no migration runs\n");
  CHECK(command({"migrations", "cancel", id}).status == 1);

  const auto devices = test.world.add_devices("sailing", 2, user);
  HeldTransaction other{test.service.database_url()};
  other.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
  auto answer = test.asking_now(test.service.port(), user, ServiceTest::body("sailing"));
  json running;
  REQUIRE(eventually([&] {
    running = json::parse(command({"live", "--json"}).output);
    return running.size() == 1 && running[0]["state"] == "waiting";
  }));
  const auto shown = command({"live"}).output;
  CHECK(shown.find("sailing") != std::string::npos);
  CHECK(shown.find("held up by") != std::string::npos);
  const auto running_id = running[0]["migration_id"].get<std::string>();
  CHECK(command({"migrations", "cancel", running_id}).status == 0);
  other.rollback();
  const auto outcome = answer.get();
  CHECK((status_of(outcome) == 202 || code_of(outcome) == "migration/cancelled"));
  CHECK(eventually([&] {
    return command({"migrations", "list", "--status", "failed"})
               .output.find("migration/cancelled") != std::string::npos;
  }));
}
