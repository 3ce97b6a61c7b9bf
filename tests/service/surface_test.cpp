// What is reached from outside, and how: paths, the headers of every answer, the secret that an
// embedded PostgreSQL's folder keeps.
#include "tests/service/admin_support.hpp"
#include "tests/service/command.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <pwd.h>
#include <unistd.h>

using namespace regroup;
using namespace regroup::test;

namespace fs = std::filesystem;

namespace {

/// Other spellings of paths that a proxy may have rules for.
const std::vector<std::string> kSpellings{"/METRICS",
                                          "/Metrics",
                                          "/metrics/",
                                          "/%6detrics",
                                          "/metric%73",
                                          "/metrics%2f",
                                          "//metrics",
                                          "/./metrics",
                                          "/api/../metrics",
                                          "/metrics/.",
                                          "/api//admin/v1/migrations",
                                          "/x/../metrics",
                                          "/metrics;x",
                                          "/metrics%00",
                                          "/metrics%3f",
                                          "/API/admin/v1/migrations",
                                          "/api/ADMIN/v1/migrations",
                                          "/api/admin/v1/migrations/",
                                          "/api/%61dmin/v1/migrations",
                                          "/api/admin%2fv1/migrations",
                                          "/API/admin/v1/webhooks",
                                          "/Admin",
                                          "/admin/",
                                          "/%61dmin",
                                          "/API/health/live",
                                          "/api/health/live/",
                                          "/DOCS",
                                          "/docs/",
                                          "/api/openapi.JSON"};

/// A folder of the user `postgres`, as an embedded PostgreSQL's is where Regroup runs as root.
class PostgresFolder {
public:
  PostgresFolder() {
    if (::geteuid() != 0)
      return;
    const auto* account = ::getpwnam("postgres"); // NOLINT(concurrency-mt-unsafe)
    REQUIRE(account != nullptr);
    uid_ = account->pw_uid;
    give(path());
  }

  const fs::path& path() const { return folder_.path(); }
  fs::path secret() const { return path() / "jwt_secret"; }

  /// As the owner of the folder would have put it there.
  void give(const fs::path& what) const {
    if (::geteuid() == 0)
      REQUIRE(::lchown(what.c_str(), uid_, uid_) == 0);
  }
  void put(const fs::path& file, const std::string& text, mode_t mode) const {
    std::ofstream{file} << text;
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    give(file);
  }

  /// Makes the secret where there is none; starts no server.
  Said token() const {
    return run_command({"token", "--user", domain::Uuid::random().text(),
                        "--database.embedded_dir=" + path().string()});
  }

private:
  TempFolder folder_;
  uid_t uid_ = ::geteuid();
};

std::string text_of(const fs::path& file) {
  std::ifstream stream{file};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

} // namespace

TEST_CASE("a path is served as it is written and in no other spelling") {
  AdminServiceTest test;
  REQUIRE(status_of(test.service.client().get("/metrics")) == 200);
  REQUIRE(status_of(test.service.client().get("/api/admin/v1/migrations", test.admin())) == 200);
  for (const auto& path : kSpellings) {
    INFO(path);
    const auto status = status_of(test.service.client().get(path, test.admin()));
    CHECK((status == 404 || status == 400)); // 400: it is no path at all
  }
  for (const char* path : {"/metrics#x", "/api/admin/v1/migrations#", "/#/metrics"}) {
    INFO(path);
    CHECK(raw_exchange(test.service.port(), std::string{"GET "} + path +
                                                " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
              .starts_with("HTTP/1.1 4"));
  }
  CHECK(status_of(test.service.client().post("/api/v1/Groups/migrate", "{}")) == 404);
  CHECK(status_of(test.service.client().request("PUT", "/METRICS")) == 404);
}

TEST_CASE("HAProxy as deployed keeps metrics from everybody and admin paths from other machines") {
  Service::Options options;
  options.haproxy = true;
  AdminServiceTest test{options};
  CHECK(status_of(test.service.client().get("/metrics")) == 404);
  for (const auto& path : kSpellings) {
    INFO(path);
    CHECK(status_of(test.service.client().get(path, test.admin())) >= 400);
  }
  CHECK(status_of(test.service.client().get("/api/health/live")) == 200);
  CHECK(status_of(test.service.client().get("/api/admin/v1/migrations", test.admin())) == 200);
  const auto from_elsewhere = [&](const std::string& path) {
    Process curl{"curl",
                 {"-s", "-o", "/dev/null", "-w", "%{http_code}", "--path-as-is", "--interface",
                  "127.0.0.2", "-H", "X-API-Key: " + test.admin_key,
                  "http://127.0.0.1:" + std::to_string(test.service.port()) + path}};
    REQUIRE(curl.wait(std::chrono::seconds{60}) == 0);
    return curl.output();
  };
  CHECK(from_elsewhere("/api/health/live") == "200");
  for (const char* path : {"/api/admin/v1/migrations", "/admin", "/API/ADMIN/v1/migrations",
                           "/api/%61dmin/v1/migrations", "/%41dmin"}) {
    INFO(path);
    CHECK(from_elsewhere(path) == "403");
  }
}

TEST_CASE("no cache keeps what a user or a key is answered, and no page frames it") {
  AdminServiceTest test;
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 2, user);
  const auto client = [&] { return test.service.client(); };
  const std::vector<std::pair<Answered, int>> private_answers{
      {test.migrate(test.service.port(), user, test.body("camping-2025")), 201},
      {test.migrate(test.service.port(), user, test.body("camping-2025")), 409},
      {client().get("/api/v1/devices/me", bearer(user)), 200},
      {client().get("/api/v1/groups", bearer(user)), 200},
      {client().get("/api/v1/groups"), 401},
      {client().get("/api/admin/v1/migrations", test.admin()), 200},
      {client().get("/api/admin/v1/webhooks", test.admin()), 200},
      {client().get("/api/health/ready"), 200},
      {client().get("/metrics"), 200},
      {client().get("/nowhere"), 404},
      {client().request("PUT", "/api/v1/groups"), 405}};
  for (const auto& [answer, status] : private_answers) {
    REQUIRE(status_of(answer) == status);
    INFO(answer->body);
    CHECK(answer->headers.at("Cache-Control") == "no-store");
    CHECK(answer->headers.at("Vary") == "Accept");
    CHECK(answer->headers.at("X-Content-Type-Options") == "nosniff");
  }
  for (const char* page : {"/docs", "/admin"}) {
    const auto answer = client().get(page);
    REQUIRE(status_of(answer) == 200);
    INFO(page);
    CHECK(answer->headers.at("Content-Security-Policy").find("frame-ancestors 'none'") !=
          std::string::npos);
    CHECK(answer->headers.at("X-Content-Type-Options") == "nosniff");
    CHECK(answer->headers.at("Cache-Control") == "no-cache");
  }
}

TEST_CASE("links that PostgreSQL's user plants for the secret's draft lead to no file of ours") {
  const PostgresFolder folder;
  const TempFolder elsewhere;
  const auto victim = elsewhere.path() / "victim";
  std::ofstream{victim} << "untouched";
  for (int pid = ::getpid(); pid < ::getpid() + 2000; ++pid) {
    const auto link = folder.secret().string() + "." + std::to_string(pid);
    fs::create_symlink(victim, link);
    folder.give(link);
  }
  CHECK(folder.token().status == 0);
  CHECK(text_of(victim) == "untouched");
  struct stat status {};
  REQUIRE(::lstat(folder.secret().c_str(), &status) == 0);
  CHECK(S_ISREG(status.st_mode));
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(status.st_uid == ::geteuid());
  const auto first = text_of(folder.secret());
  CHECK(folder.token().status == 0);
  CHECK(text_of(folder.secret()) == first);
}

TEST_CASE("a secret that others may know, or that is no file of ours, is not used") {
  const PostgresFolder folder;
  const TempFolder elsewhere;
  const std::string known(43, 'k');
  const auto refused_with = [&](const std::string& words) {
    const auto said = folder.token();
    INFO(said.text());
    CHECK(said.status == 1);
    CHECK(said.output.empty());
    CHECK(said.errors.find(words) != std::string::npos);
    fs::remove(folder.secret());
  };
  folder.put(folder.secret(), known, 0644);
  refused_with(::geteuid() == 0 ? "belongs to user id" : "is open to other users");
  if (::geteuid() == 0) {
    folder.put(folder.secret(), known, 0600);
    refused_with("belongs to user id");
  }
  std::ofstream{folder.secret()} << known;
  REQUIRE(::chmod(folder.secret().c_str(), 0640) == 0);
  refused_with("is open to other users");
  const auto ours = elsewhere.path() / "ours";
  std::ofstream{ours} << known;
  REQUIRE(::chmod(ours.c_str(), 0600) == 0);
  fs::create_symlink(ours, folder.secret());
  refused_with("is a link");
  CHECK(text_of(ours) == known);
  REQUIRE(::mkfifo(folder.secret().c_str(), 0600) == 0);
  refused_with("is no plain file");
  fs::create_directory(folder.secret());
  refused_with("is no plain file");
  CHECK(folder.token().status == 0);
}
