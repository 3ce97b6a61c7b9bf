// How messages are framed (RFC 9112), seen from outside: alone and behind HAProxy.
#include "tests/service/front_door_support.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <utility>
#include <vector>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

struct Vector {
  std::string request;
  int status;
};

std::string get(const std::string& fields,
                const std::string& line = "GET /api/health/live HTTP/1.1") {
  return line + "\r\n" + fields + "\r\n";
}

/// What must be refused, and as what; each is followed by a request that must not be answered.
std::vector<Vector> refused_vectors() {
  const std::string host = "Host: x\r\n";
  std::vector<Vector> all;
  for (const char* line : {"A B: x",
                           "Content-Length : 7",
                           "Transfer-Encoding : chunked",
                           " A: x",
                           "X-Invalid[]: x",
                           "A",
                           ": x",
                           "A: x\x07",
                           "A: b\rC: d",
                           "Host: y",
                           "Content-Length: -1234",
                           "Content-Length: abc",
                           "Content-Length: +5",
                           "Content-Length: 0x5",
                           "Content-Length: 5 0",
                           "Content-Length:",
                           "Transfer-Encoding: \"chunked\"",
                           "Transfer-Encoding: \x0b"
                           "chunked",
                           "Content-Length: 5, 5",
                           "Content-Length: 5\r\nContent-Length: 5",
                           "A: b\r\n c: d",
                           "Content-Length: -123456789123456789123456789",
                           "Content-Length: 5\r\nTransfer-Encoding: chunked",
                           "Transfer-Encoding: xchunked",
                           "Transfer-Encoding: chunked, identity",
                           "Authorization: a\r\nAuthorization: b"})
    all.push_back({get(host + line + "\r\n"), 400});
  for (const char* line : {"GET /", "GET / ", "GET  / HTTP/1.1", "Extra lineGET / HTTP/1.1",
                           "GET / HTTP/1.1 ", "GET /\t HTTP/1.1", "GET a HTTP/1.1"})
    all.push_back({get(host, line), 400});
  for (const char* version : {"HTTP/9.9", "HTTP/2.0", "HTTP/1.2"})
    all.push_back({get(host, std::string{"GET / "} + version), 505});
  for (const std::string nul : {"A", "Content-Length", "Host"})
    all.push_back({get(host + nul + std::string{"\0: 5\r\n", 6}), 400});
  all.push_back({get(host, "GET \\metrics HTTP/1.1"), 400});
  all.push_back({get(host, "GET http://a@b/metrics HTTP/1.1"), 400});
  all.push_back({get(host, "CONNECT x:80 HTTP/1.1"), 501});
  all.push_back({get(host, "get / HTTP/1.1"), 501});
  all.push_back({get(""), 400});
  all.push_back({get("Content-Length: 5\r\n"), 400});
  all.push_back({get("Host: a b\r\n"), 400});
  all.push_back({"GET /api/health/live HTTP/1.1\nHost: x\n\n", 400});
  all.push_back({get(host + "\rSome-Header: Test\r\n"), 400});
  all.push_back({get(host, "BREW /api/health/live HTTP/1.1"), 501});
  all.push_back({get(host + "Transfer-Encoding: gzip, chunked\r\n"), 501});
  all.push_back({get(host, "GET /" + std::string(9000, 'a') + " HTTP/1.1"), 414});
  all.push_back({get(host + std::string(300, 'a') + ": x\r\n"), 431});
  all.push_back({get(host + "a: " + std::string(17'000, 'a') + "\r\n"), 431});
  std::string many = host;
  for (int i = 0; i < 101; ++i)
    many += "a: b\r\n";
  all.push_back({get(many), 431});
  return all;
}

const std::array<std::pair<int, const char*>, 5> kCodes{{{400, "request/malformed"},
                                                         {414, "request/uri-too-long"},
                                                         {431, "request/header-too-large"},
                                                         {501, "request/not-implemented"},
                                                         {505, "request/version-not-supported"}}};

const char* code_for(int status) {
  return std::find_if(kCodes.begin(), kCodes.end(),
                      [status](const auto& each) { return each.first == status; })
      ->second;
}

} // namespace

TEST_CASE("what is not HTTP/1.1 is refused with our own error, and nothing after it is answered") {
  FrontDoor test;
  for (const auto& [request, status] : refused_vectors()) {
    INFO(request.substr(0, 200));
    RawConnection client{test.service.port()};
    client.send(request + kLive);
    const auto answer = client.receive_answer(10s).value_or("");
    CHECK(status_in(answer) == status);
    CHECK(says(answer, code_for(status)));
    CHECK(says(answer, "Connection: close"));
    CHECK(says(answer, "X-Request-Id: "));
    CHECK_FALSE(client.receive_answer(5s));
    CHECK(client.closed_by_peer());
  }
}

TEST_CASE("what is refused from its head is refused in the form that its client asks for") {
  const std::string origin = "https://app.example.com";
  FrontDoor test{{{"http.cors_origins", origin}}};
  const std::string fields = "Accept: application/problem+json\r\nOrigin: " + origin +
                             "\r\nX-Request-Id: from-outside\r\n";
  const auto check = [&](const std::string& request, int status) {
    INFO(request.substr(0, 200));
    RawConnection client{test.service.port()};
    client.send(request);
    const auto answer = client.receive_answer(10s).value_or("");
    CHECK(status_in(answer) == status);
    CHECK(says(answer, "Content-Type: application/problem+json\r\n"));
    CHECK(says(answer, "\"type\":\"urn:regroup:problem:request/"));
    CHECK(says(answer, "X-Request-Id: from-outside\r\n"));
    CHECK(says(answer, "Access-Control-Allow-Origin: " + origin + "\r\n"));
    CHECK(says(answer, "Access-Control-Expose-Headers: "));
  };
  for (const auto& [request, status] : refused_vectors()) {
    const auto line_end = request.find('\n') + 1;
    check(request.substr(0, line_end) + fields + request.substr(line_end), status); // before it
    const bool is_complete = request.ends_with("\r\n\r\n");
    const bool is_too_many = std::count(request.begin(), request.end(), '\n') > 100;
    if (is_complete && !is_too_many) // behind it
      check(request.substr(0, request.size() - 2) + fields + "\r\n", status);
  }
  check("GET / HTTP/1.1\r\n" + fields + "A: " + std::string(40'000, 'a'), 431);
  check("POST / HTTP/1.1\nHost: x\n" + fields + "\n", 400);
  check(" GET / HTTP/1.1\r\n" + fields + "\r\n", 400);
  // What the reader of a body refuses, as well.
  const auto body = "Transfer-Encoding: chunked\r\n" + fields;
  check(test.head(body) + "x\r\n", 400);
  check(test.head("Content-Length: 1048577\r\n" + fields), 413);
  check(test.head(body) + "0\r\na: " + std::string(20'000, 'a'), 431);
}

TEST_CASE("a head that does not come in time is refused in the form that was asked for") {
  FrontDoor test{{{"http.read_timeout", "300ms"}, {"http.cors_origins", "*"}}};
  RawConnection client{test.service.port()};
  client.send("GET / HTTP/1.1\r\nAccept: application/problem+json\r\nX-Request-Id: late\r\nHos");
  const auto answer = client.receive_answer(10s).value_or("");
  CHECK(status_in(answer) == 408);
  CHECK(says(answer, "application/problem+json"));
  CHECK(says(answer, "X-Request-Id: late\r\n"));
  CHECK(says(answer, "Access-Control-Allow-Origin: *\r\n"));
  RawConnection cut{test.service.port()}; // a line that is not there whole is none
  cut.send("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: half");
  const auto other = cut.receive_answer(10s).value_or("");
  CHECK(status_in(other) == 408);
  CHECK_FALSE(says(other, "half"));
}

TEST_CASE("a chunked body that is framed otherwise is refused, and nothing after it is answered") {
  FrontDoor test;
  const auto head = test.head("Transfer-Encoding: chunked\r\n");
  for (const char* body :
       {"2\r\n{}X\r\n0\r\n\r\n", "2\r\n{}\n0\r\n\r\n", "2\n{}\r\n0\r\n\r\n", "g\r\n", "-2\r\n",
        "2 \r\n{}\r\n0\r\n\r\n", "0x2\r\n{}\r\n", "10000000000000000\r\n{}",
        "2\r\n{}\r\n0\r\nA B: x\r\n\r\n", "2;\x01\r\n{}\r\n0\r\n\r\n", "+2\r\n{}\r\n0\r\n\r\n",
        "2_\r\n{}\r\n0\r\n\r\n", "ffffffffffffffff2\r\n{}\r\n0\r\n\r\n", "2\r\n{}0\r\n\r\n"}) {
    INFO(body);
    RawConnection client{test.service.port()};
    client.send(head + body + kLive);
    const auto answer = client.receive_answer(10s).value_or("");
    CHECK(status_in(answer) == 400);
    CHECK(says(answer, "request/malformed"));
    CHECK_FALSE(client.receive_answer(5s));
    CHECK(client.closed_by_peer());
  }
}

TEST_CASE("HAProxy never says 502 for what the service was sent") {
  Service::Options options;
  options.haproxy = true;
  ServiceTest test{options};
  for (const auto& [request, status] : refused_vectors()) {
    INFO(request.substr(0, 200));
    RawConnection client{test.service.port()};
    client.send(request);
    const auto answer = client.receive_until("\r\n\r\n", 15s).value_or("");
    CHECK(status_in(answer) != 0);
    CHECK(status_in(answer) != 502);
  }
}

TEST_CASE("behind HAProxy too a body that is refused before it has come gets its answer") {
  FrontDoor test{{}, true};
  const auto answer_to = [&](const std::string& head, const std::string& unit, std::size_t count) {
    RawConnection client{test.service.port()};
    client.send(head);
    std::string body;
    for (std::size_t i = 0; i < count; ++i)
      body += unit;
    std::string heard;
    std::size_t sent = 0;
    CHECK(eventually([&] {
      if (sent < body.size())
        sent += client.send_some(std::string_view{body}.substr(sent));
      heard += client.receive_some();
      return says(heard, "\r\n\r\n");
    }));
    return status_in(heard);
  };
  const std::string length = "Content-Length: 3000000\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::string chunk = "3e8\r\n" + std::string(1000, ' ') + "\r\n";
  for (int round = 0; round < 10; ++round) {
    CHECK(answer_to(test.head(length), std::string(1000, ' '), 3000) == 413);
    CHECK(answer_to(test.head(length, false), std::string(1000, ' '), 3000) == 401);
    CHECK(answer_to(test.head(chunked), chunk, 3000) == 413);
    CHECK(answer_to(test.head(chunked, false), chunk, 3000) == 401);
    CHECK(answer_to(test.head("Expect: 100-continue\r\n" + length), "", 0) == 413);
  }
}

TEST_CASE("what is unusual and allowed is answered") {
  FrontDoor test;
  const auto status_of_raw = [&](const std::string& request) {
    RawConnection client{test.service.port()};
    client.send(request);
    return status_in(client.receive_answer(10s).value_or(""));
  };
  CHECK(status_of_raw("\r\n\r\n" + kLive) == 200);
  CHECK(status_of_raw(get("hoSt:\texample.com\r\nempty:\r\nX-Empty: \r\n")) == 200);
  CHECK(status_of_raw(get("Host: x\r\n", "GET http://any/api/health/live HTTP/1.1")) == 200);
  CHECK(status_of_raw(get("", "GET /api/health/live HTTP/1.0")) == 200);
  CHECK(status_of_raw(get("Host: x\r\nExpect: 100-continue\r\n")) == 200);
  CHECK(status_of_raw(test.post("{}")) == 400);
  CHECK(status_of_raw(test.head("Transfer-Encoding: Chunked\r\n") +
                      "1;a=\"b c\"\r\n{\r\n01\r\n}\r\n0\r\nTrailer: x\r\n\r\n") == 400);
  CHECK(status_of_raw(
            "POST /nope HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}") == 404);
  CHECK(status_of_raw(test.head("Content-Length: 0002\r\n") + "{}") == 400); // the JSON
  CHECK(status_of_raw(get("Host: x\r\nConnection: host, authorization\r\n")) == 200);
  CHECK(status_of_raw(get("Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")) == 200);
  CHECK(status_of_raw("GET /" + std::string(8000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n") == 404);
}

TEST_CASE("an offer of HTTP/2 costs no connection") {
  FrontDoor test;
  RawConnection client{test.service.port()};
  for (int i = 0; i < 3; ++i) {
    client.send(get("Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"));
    const auto answer = client.receive_answer(10s).value_or("");
    CHECK(status_in(answer) == 200);
    CHECK(says(answer, "Connection: keep-alive"));
  }
}

TEST_CASE("white space around a value is no part of it, and between two words there may be more") {
  FrontDoor test;
  test.world.add_devices("camping-2025", 1, test.user);
  const auto ask = [&](const std::string& fields) {
    RawConnection client{test.service.port()};
    client.send("GET /api/v1/devices/me/registration-group HTTP/1.1\r\nHost: x\r\n" + fields +
                "\r\n");
    return status_in(client.receive_answer(10s).value_or(""));
  };
  const auto token = token_for(test.user);
  CHECK(ask("Authorization: Bearer " + token + "\r\n") == 200);
  CHECK(ask("Authorization:Bearer " + token + " \t\r\n") == 200);
  CHECK(ask("Authorization: \t bearer   " + token + "\r\n") == 200);
  CHECK(ask("Authorization: Bearer" + token + "\r\n") == 401);
  CHECK(ask("Authorization: Bearer " + token + " x\r\n") == 401);
  CHECK(ask("Authorization: Bearer " + token + "\r\nX-Device-Id: " +
            test.world.add_devices("lake", 1, test.user)[0].text() + " \r\n") == 200);
}
