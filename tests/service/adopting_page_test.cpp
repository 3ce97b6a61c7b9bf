// docs/adopting.md, followed to the letter on the original backend's database: its commands, its
// table of paths, and its configurations of nginx and HAProxy.
#include "tests/service/command.hpp"
#include "tests/service/documented.hpp"
#include "tests/service/support.hpp"
#include "tests/support/jwt_forge.hpp"
#include "tests/support/other_program.hpp"
#include "tests/support/phone_manager.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

std::string page() {
  std::ifstream file{REGROUP_SOURCE_DIR "/docs/adopting.md"};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// What is in the page's blocks of one kind, one after the other.
std::string blocks(const std::string& kind) {
  std::istringstream lines{page()};
  std::string text;
  bool inside = false;
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("```"))
      inside = line == "```" + kind;
    else if (inside)
      text += line + "\n";
  return text;
}

std::string replaced(std::string text, const std::map<std::string, std::string>& words) {
  for (const auto& [word, with] : words) {
    INFO(word);
    REQUIRE(text.find(word) != text.npos);
    for (auto at = text.find(word); at != text.npos; at = text.find(word, at + with.size()))
      text.replace(at, word.size(), with);
  }
  return text;
}

struct Row {
  std::string method, path, served_by, send_to;
};

std::vector<Row> table_of_paths() {
  const std::string text = page();
  const std::regex row{R"(\| `([A-Z]+) (/[^`]*)` \| ([^|]*) \| ([^|]*) \|)"};
  std::vector<Row> rows;
  for (std::sregex_iterator each{text.begin(), text.end(), row}, end; each != end; ++each)
    rows.push_back({(*each)[1], (*each)[2], (*each)[3], (*each)[4]});
  return rows;
}

/// Asks for each row of the table, and says where the request ended up, unless it is the place that
/// the table names.
std::vector<std::string> sent_elsewhere(unsigned port) {
  std::vector<std::string> wrong;
  for (const auto& row : table_of_paths()) {
    const auto path =
        std::regex_replace(row.path, std::regex{R"(\{[a-z_]+\})"}, domain::Uuid::random().text());
    const auto answer = HttpClient{port}.request(row.method, path);
    const bool by_backend = answer && answer->headers.contains("X-Program");
    const bool by_regroup = answer && answer->headers.contains("X-Request-Id");
    if (row.send_to.starts_with("the backend") ? !by_backend : !by_regroup)
      wrong.push_back(row.method + " " + path + " by " +
                      (by_backend   ? "the backend"
                       : by_regroup ? "Regroup"
                                    : "neither"));
  }
  return wrong;
}

struct TwoPrograms : ServiceTest {
  /// The page's configuration with the ports of this test.
  std::string configuration(const std::string& kind) const {
    return replaced(blocks(kind), {{"127.0.0.1:8000", address(backend.port())},
                                   {"127.0.0.1:8080", address(service.port())},
                                   {"127.0.0.1:8090", address(port)}});
  }
  static std::string address(unsigned of_port) { return "127.0.0.1:" + std::to_string(of_port); }

  void check_paths() const {
    REQUIRE(eventually([this] { return HttpClient{port}.get("/api/v1/users/me").has_value(); }));
    CHECK(sent_elsewhere(port) == std::vector<std::string>{});
  }

  OtherProgram backend;
  unsigned port = free_port();
  TempFolder folder;
};

} // namespace

TEST_CASE("docs/adopting.md's commands run from top to bottom, by the owner and by the role") {
  Postgres::Options durable;
  durable.durable = true; // else the doctor has something to say
  Postgres server{durable};
  Sql{server.url()}.exec("CREATE ROLE owner LOGIN");
  Sql{server.url()}.exec("CREATE ROLE regroup LOGIN");
  Sql{server.url()}.exec("CREATE DATABASE phones OWNER owner");
  const auto url_of = [&](const std::string& role) {
    auto url =
        std::regex_replace(server.url("phones"), std::regex{"user='?postgres'?"}, "user=" + role);
    std::erase(url, '\'');
    return url;
  };
  Sql{url_of("owner")}.exec(original_backend_schema() + original_people());
  const KeyFolder keys;
  const auto key = keys.file(public_pem(rsa_key(2048)));
  const unsigned port = free_port();
  const std::string health = "http://127.0.0.1:" + std::to_string(port) + "/api/health/ready";
  auto script = replaced(
      blocks("sh"), {{"postgresql://owner@db.example.com/phones", url_of("owner")},
                     {"postgresql://regroup@db.example.com/phones", url_of("regroup")},
                     {"/etc/regroup/jwt.pem", key},
                     {"/usr/share/regroup/grants.sql", REGROUP_SOURCE_DIR "/deploy/grants.sql"}});
  const std::regex serve{R"((^|\n)regroup serve[^\n]*)"};
  REQUIRE(std::distance(std::sregex_iterator{script.begin(), script.end(), serve}, {}) == 2);
  script = std::regex_replace(script, serve,
                              "$1regroup serve --http.port=" + std::to_string(port) +
                                  " & pid=$$!\n" + "until curl -fsS " + health +
                                  "; do kill -0 $$pid; sleep 0.1; done\nkill $$pid; wait $$pid");
  script =
      std::regex_replace(script, std::regex{R"((^|\n)regroup )"}, "$1" + regroup_binary() + " ");
  Process process{"sh", {"-eux", "-c", script}};
  const auto status = process.wait(180s);
  INFO(process.output() << process.errors());
  CHECK(status == 0);
  CHECK_THAT(process.output(), Catch::Contains("ok      rehearsal/undo: an undo passes"));
  const auto after_apply = process.output().rfind("will change in the database: nothing");
  CHECK(after_apply != std::string::npos);
}

TEST_CASE("docs/adopting.md's table of paths names every route of Regroup's") {
  std::set<std::string> named;
  for (const auto& row : table_of_paths())
    named.insert(row.method + " " + row.path);
  const std::set<std::string> of_each{
      "/api/health/live", "/api/health/ready", "/metrics", "/docs", "/docs/{file}", "/",
      "/api/openapi.json"};
  for (const auto& [path, item] : documentation().at("paths").items())
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters" || of_each.contains(path))
        continue;
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(), ::toupper);
      INFO(upper << " " << path);
      CHECK(named.contains(upper + " " + path));
    }
  for (const auto& row : table_of_paths()) {
    INFO(row.method << " " << row.path);
    const auto& paths = documentation().at("paths");
    auto lower = row.method;
    std::transform(lower.begin(), lower.end(), lower.begin(), ::tolower);
    const bool ours = paths.contains(row.path) && paths.at(row.path).contains(lower);
    CHECK(ours == (row.served_by != "the backend"));
  }
}

TEST_CASE_METHOD(TwoPrograms, "nginx sends each path to the program that docs/adopting.md names") {
  const auto place = folder.path().string();
  std::string config = "daemon off; pid " + place +
                       "/pid; error_log stderr; events {}\nhttp {\n"
                       "access_log off;\n";
  for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    config += std::string{kind} + "_temp_path " + place + "/" + kind + ";\n";
  std::ofstream{folder.path() / "nginx.conf"} << config + configuration("nginx") + "}\n";
  Process nginx{"nginx", {"-p", place, "-e", "stderr", "-c", place + "/nginx.conf"}};
  check_paths();
}

TEST_CASE_METHOD(TwoPrograms,
                 "HAProxy sends each path to the program that docs/adopting.md names") {
  const auto file = folder.path() / "haproxy.cfg";
  std::ofstream{file} << "defaults\n  mode http\n  timeout connect 5s\n  timeout client 65s\n"
                         "  timeout server 65s\n" +
                             configuration("haproxy");
  Process haproxy{"haproxy", {"-db", "-f", file}};
  check_paths();
}
