// Who comes in, in which order, and how much of them is kept: pipelines, bodies, clients.
#include "tests/service/front_door_support.hpp"
#include "tests/support/process.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <regex>
#include <thread>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

long resident_kib(pid_t pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string word; status >> word;)
    if (long kib = 0; word == "VmRSS:" && status >> kib)
      return kib;
  return 0;
}

/// Clients that send what they can and read nothing, each the same.
class Crowd {
public:
  Crowd(unsigned port, int count, std::string head, std::string unit, std::size_t most)
      : head_(std::move(head)), unit_(std::move(unit)), most_(most) {
    while (unit_.size() < 65536)
      unit_ += unit_;
    for (int each = 0; each < count; ++each)
      clients_.push_back({RawConnection{port}, 0, {}});
    for (auto& client : clients_)
      client.connection.send(head_);
  }

  /// Until each has sent all of it, or is refused.
  void send_all() {
    REQUIRE(eventually(
        [&] {
          bool all = true;
          for (auto& client : clients_) {
            client.heard += client.connection.receive_some();
            if (client.sent == most_ || !client.heard.empty())
              continue;
            all = false;
            client.sent += client.connection.send_some(
                std::string_view{unit_}.substr(client.sent % unit_.size(), most_ - client.sent));
          }
          return all;
        },
        60s));
  }

  std::map<int, int> answers() {
    std::map<int, int> tally;
    for (auto& client : clients_)
      ++tally[status_in(client.heard += client.connection.receive_some())];
    return tally;
  }

private:
  struct Client {
    RawConnection connection;
    std::size_t sent;
    std::string heard;
  };

  std::string head_;
  std::string unit_;
  std::size_t most_;
  std::vector<Client> clients_;
};

constexpr long kMiB = 1024; // KiB

const char* other_origin = "https://app.example.com";

} // namespace

TEST_CASE("two thousand pipelined requests are answered in order, each that ran among them") {
  FrontDoor test;
  constexpr int kCount = 2000;
  std::string all;
  for (int i = 0; i < kCount; ++i) {
    const std::string id = "X-Request-Id: r" + std::to_string(i) + "\r\n";
    const std::string group = "group-" + std::to_string(i);
    if (i % 5 == 0)
      test.world.add_devices(group, 1, test.user);
    const auto body = ServiceTest::body(group);
    std::ostringstream size;
    size << std::hex << body.size();
    if (i % 5 < 2) // 201 or no devices
      all += test.head(id + "Content-Length: " + std::to_string(body.size()) + "\r\n") + body;
    else if (i % 5 == 2)
      all += test.head(id + "Transfer-Encoding: chunked\r\n") + size.str() + "\r\n" + body +
             "\r\n0\r\n\r\n";
    else
      all += "GET /api/health/" + std::string{i % 2 == 0 ? "live" : "ready"} +
             " HTTP/1.1\r\nHost: x\r\n" + id + "\r\n";
  }
  RawConnection client{test.service.port()};
  std::size_t sent = 0;
  for (int i = 0; i < kCount; ++i) {
    std::optional<std::string> answer;
    while (!(answer = client.receive_answer(1ms)) && sent < all.size())
      sent += client.send_some(std::string_view{all}.substr(sent));
    if (!answer)
      answer = client.receive_answer(20s);
    REQUIRE(answer);
    REQUIRE(says(*answer, "X-Request-Id: r" + std::to_string(i) + "\r\n"));
    REQUIRE(status_in(*answer) == (i % 5 == 0 ? 201 : i % 5 < 3 ? 400 : 200));
  }
  CHECK(sent == all.size());
  CHECK(test.world.audits("success") == kCount / 5);
}

TEST_CASE(
    "a pipeline is answered the same wherever its bytes are cut, and after the client's end") {
  FrontDoor test;
  const auto body = ServiceTest::body("nobody");
  const auto all = kLive + test.post(body) + test.head("Transfer-Encoding: chunked\r\n") +
                   "2;a=b\r\n{}\r\n0\r\nA: b\r\n\r\n" +
                   "GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  for (std::size_t cut = 1; cut < all.size(); ++cut) {
    RawConnection client{test.service.port()};
    client.send(all.substr(0, cut));
    std::vector<int> statuses;
    if (cut >= kLive.size()) // the server has read as far as that
      statuses.push_back(status_in(client.receive_answer(10s).value_or("")));
    client.send(all.substr(cut));
    if (cut % 2 == 0)
      client.end();
    while (const auto answer = client.receive_answer(10s))
      statuses.push_back(status_in(*answer));
    INFO(cut);
    REQUIRE(statuses == std::vector{200, 400, 400, 404});
  }
}

TEST_CASE("a body is asked for where it will be read, and else answered at once") {
  FrontDoor test;
  const auto body = ServiceTest::body("nobody");
  const std::string expecting = "Expect: 100-continue\r\nContent-Length: ";
  const auto ask = [&](const std::string& head) {
    RawConnection client{test.service.port()};
    client.send(head);
    return client.receive_until("\r\n\r\n", 10s).value_or("");
  };
  RawConnection client{test.service.port()};
  for (int i = 0; i < 3; ++i) {
    client.send(test.head(expecting + std::to_string(body.size()) + "\r\n"));
    REQUIRE(client.receive_until("\r\n\r\n", 10s) == "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body);
    CHECK(status_in(client.receive_answer(10s).value_or("")) == 400);
  }
  client.send(test.head("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"));
  REQUIRE(client.receive_until("\r\n\r\n", 10s) == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("2\r\n{}\r\n0\r\n\r\n");
  CHECK(status_in(client.receive_answer(10s).value_or("")) == 400);

  CHECK(status_in(ask(test.head(expecting + "40\r\n", false))) == 401);
  CHECK(status_in(ask(test.head(expecting + "1048577\r\n"))) == 413);
  CHECK(status_in(ask(test.head(expecting + "40\r\nContent-Encoding: gzip\r\n"))) == 415);
  const auto refused = ask("POST /nope HTTP/1.1\r\nHost: x\r\n" + expecting + "40\r\n\r\n");
  CHECK(status_in(refused) == 404);
  CHECK(says(refused, "Connection: close")); // the body may come all the same
}

TEST_CASE("a body that is too large is refused before it has come") {
  FrontDoor test{{{"http.max_body_bytes", "1000"}}};
  RawConnection client{test.service.port()};
  client.send(test.head("Content-Length: 1001\r\n"));
  const auto from_head = client.receive_answer(10s).value_or("");
  CHECK(status_in(from_head) == 413);
  CHECK(says(from_head, "\"limit_bytes\":1000"));
  CHECK(says(from_head, "Connection: close"));
  CHECK(eventually([&] { return client.closed_by_peer(); }));

  RawConnection chunks{test.service.port()};
  chunks.send(test.head("Transfer-Encoding: chunked\r\n") + "3e8\r\n" + std::string(1000, ' ') +
              "\r\n1\r\nx");
  CHECK(status_in(chunks.receive_answer(10s).value_or("")) == 413);
  RawConnection fits{test.service.port()};
  fits.send(test.head("Transfer-Encoding: chunked\r\n") + "3e8\r\n" + std::string(1000, ' ') +
            "\r\n0\r\n\r\n" + kLive);
  CHECK(status_in(fits.receive_answer(10s).value_or("")) == 400);
  CHECK(status_in(fits.receive_answer(10s).value_or("")) == 200);
}

TEST_CASE("a connection stays in step where a body was not asked for") {
  FrontDoor test;
  RawConnection client{test.service.port()};
  const auto unread = [&](const std::string& head, const std::string& body, int status) {
    client.send(head);
    const auto answer = client.receive_answer(10s).value_or("");
    CHECK(status_in(answer) == status);
    CHECK(says(answer, "Connection: keep-alive"));
    client.send(body + kLive);
    CHECK(status_in(client.receive_answer(10s).value_or("")) == 200);
  };
  unread(test.head("Content-Length: 60000\r\n", false), std::string(60'000, ' '), 401);
  unread("GET /api/health/live HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "hello", 200);
  unread("DELETE /nope HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
         "5\r\nhello\r\n0\r\n\r\n", 404);
}

TEST_CASE("a stranger's bodies are not kept, and others are served meanwhile") {
  FrontDoor test;
  const auto rest = resident_kib(test.service.replica().pid());
  for (const auto& framing : {"Content-Length: 8000000\r\n", "Content-Length: 1000000\r\n",
                              "Transfer-Encoding: chunked\r\n"}) {
    const bool chunked = framing[0] == 'T';
    Crowd crowd{test.service.port(), 60, test.head(framing, false), chunked ? "1\r\na\r\n" : "x",
                7'800'000};
    crowd.send_all();
    CHECK(status_of(test.service.client().get("/api/health/ready")) == 200);
    CHECK(eventually([&] { return crowd.answers() == std::map{std::pair{401, 60}}; }));
    CHECK(resident_kib(test.service.replica().pid()) < rest + 16 * kMiB);
  }
}

TEST_CASE("bodies that are coming in take no more than max_buffered_bytes, and then 503") {
  FrontDoor test{{{"http.max_buffered_bytes", "33554432"}, {"http.read_timeout", "10m"}}};
  const auto rest = resident_kib(test.service.replica().pid());
  for (const auto& framing : {"Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"}) {
    const bool chunked = framing[0] == 'T';
    Crowd crowd{test.service.port(), 60, test.head(framing), chunked ? "1\r\na\r\n" : "x",
                chunked ? 5'900'000UL : 990'000UL};
    crowd.send_all();
    long most = 0;
    CHECK(eventually([&] { // what was sent has still to be read
      most = std::max(most, resident_kib(test.service.replica().pid()));
      return crowd.answers()[503] >= 25;
    }));
    CHECK(most < rest + 48 * kMiB);
    auto answers = crowd.answers();
    CHECK(answers[0] >= 16); // that are still asked for the rest
    CHECK(answers[0] + answers[503] == 60);
    CHECK(status_in([&] {
            RawConnection client{test.service.port()};
            client.send(test.post(ServiceTest::body("nobody")));
            return client.receive_answer(10s).value_or("");
          }()) == 400);
  }
  CHECK(eventually([&] { // and all of it is given back
    RawConnection client{test.service.port()};
    client.send(test.head("Content-Length: 100000\r\n") + std::string(50'000, ' '));
    client.send(std::string(50'000, ' '));
    return status_in(client.receive_answer(10s).value_or("")) == 400;
  }));
}

TEST_CASE("a request that does not come in time is 408, and an idle connection is closed") {
  FrontDoor test{{{"http.read_timeout", "400ms"}, {"http.idle_timeout", "1200ms"}}};
  const auto ask = [&](const std::string& bytes) {
    RawConnection client{test.service.port()};
    client.send(bytes);
    const auto answer = client.receive_answer(20s).value_or("");
    CHECK(eventually([&] { return client.closed_by_peer(); }));
    return answer;
  };
  for (const auto& bytes : {std::string{"G"}, std::string{"GET / HTTP/1.1\r\nHost: x\r\n"},
                            test.head("Content-Length: 5\r\n"),
                            test.head("Transfer-Encoding: chunked\r\n") + "5\r\nhel"}) {
    const auto answer = ask(bytes);
    CHECK(status_in(answer) == 408);
    CHECK(says(answer, "request/timeout"));
    CHECK(says(answer, "Connection: close"));
  }
  CHECK(ask("").empty());
  RawConnection kept{test.service.port()};
  for (int i = 0; i < 2; ++i) { // each answer begins the time anew
    kept.send(kLive);
    CHECK(status_in(kept.receive_answer(10s).value_or("")) == 200);
  }
  CHECK_FALSE(kept.closed_by_peer());
  CHECK(eventually([&] { return kept.closed_by_peer(); }));
}

TEST_CASE("a refused body that goes on for too long does not cost its client the answer") {
  FrontDoor test;
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  for (int round = 0; round < 10; ++round) {
    RawConnection client{test.service.port()};
    client.send(test.head("Transfer-Encoding: chunked\r\n", false));
    for (int sent = 0; sent < 80; ++sent)
      client.send(chunk);
    CHECK(status_in(client.receive_answer(10s).value_or("")) == 401);
  }
}

TEST_CASE("a connection whose request had a body that was not asked for is idle behind it") {
  FrontDoor test{{{"http.read_timeout", "500ms"}, {"http.idle_timeout", "60s"}}};
  RawConnection refused{test.service.port()};
  refused.send(test.head("Content-Length: 30000\r\n", false) + std::string(30000, 'x'));
  CHECK(status_in(refused.receive_answer(10s).value_or("")) == 401);
  RawConnection blank{test.service.port()};
  blank.send("\r");
  blank.send("\n");
  RawConnection late{test.service.port()}; // its end tells that the time for reading is over
  late.send("G");
  REQUIRE(status_in(late.receive_answer(10s).value_or("")) == 408);
  for (auto* client : {&refused, &blank}) {
    client->send(kLive);
    CHECK(status_in(client->receive_answer(10s).value_or("")) == 200);
  }
}

TEST_CASE("a HEAD that is refused gets no content, whatever it is refused for") {
  FrontDoor test;
  for (const auto& bytes :
       {std::string{"HEAD / HTTP/1.3\r\nHost: x\r\n\r\n"},
        std::string{"HEAD / HTTP/1.1\nHost: x\n\n"}, std::string{"HEAD / HTTP/1.1\r\n\r\n"},
        std::string{"HEAD /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
        "HEAD / HTTP/1.1\r\nHost: x\r\nA: " + std::string(40000, 'a') + "\r\n\r\n",
        "HEAD /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    RawConnection client{test.service.port()};
    client.send(bytes);
    const auto head = client.receive_until("\r\n\r\n", 10s).value_or("");
    INFO(bytes.substr(0, 30) << ": " << head);
    CHECK(status_in(head) >= 400);
    CHECK(client.receive_exactly(1, 10s).empty()); // up to the end of the connection
  }
}

TEST_CASE("HEAD is answered on every route of GET as GET is, without the content") {
  FrontDoor test;
  RawConnection client{test.service.port()};
  const auto ask = [&](const std::string& method, const std::string& path) {
    client.send(method + " " + path + " HTTP/1.1\r\nHost: x\r\nX-Request-Id: 1\r\n\r\n");
    auto head = client.receive_until("\r\n\r\n", 10s).value_or("");
    static const std::regex length{"Content-Length: (\\d+)"}, date{"Date: [^\r]*"};
    std::smatch found;
    if (method == "GET" && std::regex_search(head, found, length))
      client.receive_exactly(std::stoul(found[1]), 10s);
    return std::regex_replace(head, date, "Date");
  };
  for (const char* path :
       {"/api/health/live", "/api/health/ready", "/api/openapi.json", "/docs", "/admin", "/nope",
        "/api/v1/groups", "/api/v1/devices/me", "/api/admin/v1/migrations",
        "/api/admin/v1/migrations/live/events", "/api/v1/groups/migrations/x"}) {
    INFO(path);
    const auto get = ask("GET", path);
    CHECK(ask("HEAD", path) == get);
    CHECK(says(get, "Date"));
  }
  CHECK(status_in(ask("HEAD", "/metrics")) == 200);
  CHECK(status_in(ask("HEAD", kMigrate)) == 405);
}

TEST_CASE("OPTIONS says which methods a path has, and every answer has a Date") {
  FrontDoor test;
  const auto allow = [&](const std::string& path) {
    const auto answer = test.service.client().request("OPTIONS", path);
    REQUIRE(answer);
    CHECK(answer->status == 204);
    CHECK(answer->body.empty());
    CHECK_FALSE(answer->headers.contains("Content-Length"));
    CHECK_FALSE(answer->headers.contains("Access-Control-Allow-Origin"));
    return answer->headers.at("Allow");
  };
  CHECK(allow(kMigrate) == "POST, OPTIONS");
  CHECK(allow("/api/health/ready") == "GET, HEAD, OPTIONS");
  CHECK(allow("/api/v1/groups/x/devices") == "GET, HEAD, POST, OPTIONS");
  CHECK(status_of(test.service.client().request("OPTIONS", "/nope")) == 404);
  RawConnection client{test.service.port()};
  client.send("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(status_in(client.receive_until("\r\n\r\n", 10s).value_or("")) == 204);
  const auto date = test.service.client().get("/nope")->headers.at("Date");
  CHECK(std::regex_match(
      date, std::regex{R"([A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)"}));
}

TEST_CASE("pages of the origins that are set may call, and of no other") {
  FrontDoor test{{{"http.cors_origins", std::string{"http://localhost:3000, "} + other_origin}}};
  const auto ask = [&](const std::string& method, const std::string& path, Headers headers) {
    return test.service.client().request(method, path, headers).value().headers;
  };
  auto asked = ask("OPTIONS", kMigrate,
                   {{"Origin", other_origin},
                    {"Access-Control-Request-Method", "POST"},
                    {"Access-Control-Request-Headers", "authorization,content-type"}});
  CHECK(asked.at("Access-Control-Allow-Origin") == other_origin);
  CHECK(asked.at("Access-Control-Allow-Methods") == "POST, OPTIONS");
  CHECK(says(asked.at("Access-Control-Allow-Headers"), "Authorization, Content-Type"));
  auto answer = ask("GET", "/api/v1/groups", {{"Origin", other_origin}});
  CHECK(answer.at("Access-Control-Allow-Origin") == other_origin);
  CHECK(answer.at("Access-Control-Expose-Headers") ==
        "X-Request-Id, Location, Retry-After, Idempotency-Replayed");
  CHECK(answer.at("Vary") == "Origin");
  for (const char* origin : {"https://app.example.com.evil", "http://app.example.com", "null"}) {
    answer =
        ask("OPTIONS", kMigrate, {{"Origin", origin}, {"Access-Control-Request-Method", "POST"}});
    CHECK_FALSE(answer.contains("Access-Control-Allow-Origin"));
    CHECK_FALSE(answer.contains("Access-Control-Allow-Methods"));
    CHECK(answer.at("Vary") == "Origin");
  }
}

TEST_CASE("clients as they are: curl with an offer of HTTP/2, wget --spider, Node's with Expect") {
  FrontDoor test;
  const auto url = "http://127.0.0.1:" + std::to_string(test.service.port());
  const auto run = [](const std::string& program, const std::vector<std::string>& arguments) {
    Process process{program, arguments};
    const auto status = process.wait(30s);
    INFO(process.output() << process.errors());
    CHECK(status == 0);
    return process.output() + process.errors();
  };
  const auto live = url + "/api/health/live";
  const auto curl = run("curl", {"-sv", "--http2", "--max-time", "20", live, live});
  CHECK(says(curl, "Re-using existing connection"));
  run("wget", {"--spider", "-T", "20", "-t", "1", "-q", url + "/api/health/ready"});
  run("node", {(std::filesystem::path{REGROUP_SOURCE_DIR} / "tests/browser/expect.mjs").string(),
               url + kMigrate, token_for(test.user)});
}

TEST_CASE("a page of another origin migrates in a browser, and one that may not does not") {
  const auto page_port = std::to_string(free_port());
  FrontDoor test{{{"http.cors_origins", "http://localhost:" + page_port}}};
  test.world.add_devices("camping-2025", 3, test.user);
  Process browser{
      "node",
      {(std::filesystem::path{REGROUP_SOURCE_DIR} / "tests/browser/other_origin.mjs").string()},
      {{"SERVICE_URL", "http://127.0.0.1:" + std::to_string(test.service.port())},
       {"SERVICE_TOKEN", token_for(test.user)},
       {"PAGE_PORT", page_port}}};
  const auto status = browser.wait(120s);
  INFO(browser.output() << browser.errors());
  CHECK(status == 0);
  CHECK(test.world.audits("success") == 1);
}
