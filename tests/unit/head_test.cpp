// What is a request's head, and what is none: RFC 9112, 2 to 6, and RFC 9110, 5.
#include "http/server/head.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace regroup;
using namespace regroup::http;
using domain::Refused;

namespace {

const std::string kHost = "Host: example.com\r\n";

std::string get(const std::string& fields, const std::string& target = "/a") {
  return "GET " + target + " HTTP/1.1\r\n" + fields + "\r\n";
}

std::optional<Refused> refusal_of(const std::string& bytes) { return Head{bytes}.refused(); }

} // namespace

TEST_CASE("a head is taken apart, and its values have no white space around them") {
  const Head head{
      "POST /a/b?c=d&e HTTP/1.1\r\nhOST:\texample.com:8080 \r\nAuthorization:  Bearer x "
      "\t\r\nX-API-Key:k\r\nempty:\r\nAccept: text/plain\r\naccept:\r\nACCEPT: */*\r\n"
      "Content-Length: 007\r\nExpect: 100-Continue\r\n\r\n"};
  REQUIRE_FALSE(head.refused());
  CHECK(head.method() == "POST");
  CHECK(head.path() == "/a/b");
  CHECK(head.query() == "c=d&e");
  CHECK(head[Field::authorization] == "Bearer x");
  CHECK(head[Field::api_key] == "k");
  CHECK(head[Field::accept] == "text/plain, , */*");
  CHECK(head.framing() == Framing::length);
  CHECK(head.content_length() == 7);
  CHECK(head.expects_continue());
  CHECK(head.keep_alive());
  CHECK_FALSE(head.has(Field::device_id));
}

TEST_CASE("a connection is kept as the head says") {
  const auto keeps = [](const std::string& version, const std::string& connection) {
    const Head head{"GET / HTTP/" + version + "\r\nHost: x\r\n" + connection + "\r\n"};
    REQUIRE_FALSE(head.refused());
    return head.keep_alive();
  };
  CHECK(keeps("1.1", ""));
  CHECK(keeps("1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"));
  CHECK_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: CLOSE\r\n"));
  CHECK_FALSE(keeps("1.0", ""));
  CHECK(keeps("1.0", "Connection: Keep-Alive\r\n"));
  CHECK_FALSE(keeps("1.0", "Connection: close, keep-alive\r\n"));
}

TEST_CASE("a target may name a host, which every route has") {
  const auto path_of = [](const std::string& method, const std::string& target) {
    const Head head{method + " " + target + " HTTP/1.1\r\n" + kHost + "\r\n"};
    return head.refused() ? "refused" : std::string{head.path()} + "?" + std::string{head.query()};
  };
  CHECK(path_of("GET", "http://any/api?x") == "/api?x");
  CHECK(path_of("GET", "HTTPS://any:8080/api") == "/api?");
  CHECK(path_of("GET", "http://[::1]") == "/?");
  CHECK(path_of("GET", "http://any?x=1") == "/?x=1");
  CHECK(path_of("OPTIONS", "*") == "*?");
  CHECK(path_of("OPTIONS", "http://any") == "*?");
  CHECK(path_of("GET", "/a|b?\"{}") == "/a|b?\"{}"); // browsers send it
  for (const char* target : {"*", "a", "ftp://any/", "http:///a", "http://:80/", "http://a@b/",
                             "http://a b/", "/a#b", "/\x80", "http://a:b/", "any:443"})
    CHECK(path_of("GET", target) == "refused");
}

TEST_CASE("a request line is a method, a target and a version, with one space between") {
  const auto refused = [](const std::string& line) {
    return refusal_of(line + "\r\n" + kHost + "\r\n");
  };
  for (const char* line : {"GET",
                           "GET /",
                           "GET / ",
                           "GET  / HTTP/1.1",
                           "GET /  HTTP/1.1",
                           " GET / HTTP/1.1",
                           "GET / HTTP/1.1 ",
                           "GET\t/ HTTP/1.1",
                           "GET / a HTTP/1.1",
                           "G@T / HTTP/1.1",
                           " / HTTP/1.1",
                           "GET / http/1.1",
                           "GET / HTTP/1",
                           "GET / HTTP/1.1.1",
                           "GET / HTTP/11.1",
                           "GET / HTTP/a.b",
                           "GET / HTP/1.1",
                           "GET /\x01 HTTP/1.1",
                           "GET /\r HTTP/1.1",
                           "GET /\x7f HTTP/1.1",
                           "Extra"})
    CHECK(refused(line) == Refused::malformed);
  CHECK(refused(std::string{"GET /\0 HTTP/1.1", 15}) == Refused::malformed);
  for (const char* version : {"HTTP/9.9", "HTTP/2.0", "HTTP/1.2", "HTTP/0.9", "HTTP/3.0"})
    CHECK(refused(std::string{"GET / "} + version) == Refused::version_not_supported);
  for (const char* method : {"BREW", "get", "CONNECT", "PROPFIND", "M-SEARCH", "GETT"})
    CHECK(refused(std::string{method} + " /a HTTP/1.1") == Refused::not_implemented);
  CHECK_FALSE(refused("GET / HTTP/1.0"));
}

TEST_CASE("a field line is a name, a colon and a value, and nothing else") {
  for (const char* line :
       {"A B: x", "A : x", "A\t: x", ": x", "A", " A: x", "\tA: x", "A\x01: x", "A[]: x",
        "A: x\x01", "A: x\ry", "A: \x7f", "A: x\r", "\rA: x", "A(: x", "\x80: x"})
    CHECK(refusal_of(get(kHost + line + "\r\n")) == Refused::malformed);
  CHECK(refusal_of(get(kHost + std::string{"A: x\0y\r\n", 8})) == Refused::malformed);
  CHECK(refusal_of(get(kHost + "A: x\r\n b\r\n")) == Refused::malformed); // obs-fold
  CHECK(refusal_of(get(" Host: x\r\n")) == Refused::malformed);
  CHECK_FALSE(refusal_of(get(kHost + "A: \x80\xff\t x\r\n!#$%&'*+-.^_`|~9: y\r\n")));
}

TEST_CASE("there is one Host, and it is a host") {
  CHECK(refusal_of(get("")) == Refused::malformed);
  CHECK_FALSE(refusal_of("GET / HTTP/1.0\r\n\r\n"));
  for (const char* host :
       {"a b", "a/b", "a@b", "a:b", "a:1:2", "[::1", "[]", "a?", "a#", "\x80", "a\\b", "[::1]x"})
    CHECK(refusal_of(get(std::string{"Host: "} + host + "\r\n")) == Refused::malformed);
  CHECK(refusal_of("GET / HTTP/1.0\r\nHost: a b\r\n\r\n") == Refused::malformed);
  for (const char* host : {"", "a", "a:", "a:80", "[::1]:80", "[v1.a]", "a%20b", "A-1_2.b~"})
    CHECK_FALSE(refusal_of(get(std::string{"Host: "} + host + "\r\n")));
}

TEST_CASE("a field that has one value stands there once") {
  for (const char* name :
       {"Host", "Content-Length", "Content-Type", "Authorization", "X-API-Key", "Idempotency-Key",
        "X-Device-Id", "X-Request-Id", "traceparent", "Origin", "Access-Control-Request-Method"}) {
    const std::string line = std::string{name} + ": 1\r\n";
    const std::string host = name == std::string{"Host"} ? "" : kHost;
    CHECK_FALSE(refusal_of(get(host + line)));
    CHECK(refusal_of(get(host + line + line)) == Refused::malformed);
  }
}

TEST_CASE("a body is delimited in one way, which is known") {
  const auto refused = [](const std::string& fields) {
    return refusal_of("POST /a HTTP/1.1\r\n" + kHost + fields + "\r\n");
  };
  for (const char* length : {"", "-1", "+1", "1 1", "1,1", "0x1", "a", "1;", "1.0", "\xb2"})
    CHECK(refused(std::string{"Content-Length: "} + length + "\r\n") == Refused::malformed);
  CHECK(Head{"POST / HTTP/1.1\r\n" + kHost + "Content-Length: 99999999999999999999999\r\n\r\n"}
            .content_length() == ~std::uint64_t{0});
  for (const char* coding :
       {"", "gzip", "identity", "chunked, gzip", "chunked, chunked", "xchunked", "chunkedx",
        "chunked;a=b", "chunked\x0b", "\"chunked\"", "chunked, ;"})
    CHECK(refused(std::string{"Transfer-Encoding: "} + coding + "\r\n") == Refused::malformed);
  CHECK(refused("Transfer-Encoding: gzip, chunked\r\n") == Refused::not_implemented);
  CHECK(refused("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") ==
        Refused::not_implemented);
  CHECK(refused("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") ==
        Refused::malformed);
  CHECK(refused("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n") == Refused::malformed);
  CHECK(refusal_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == Refused::malformed);
  CHECK_FALSE(refused("Transfer-Encoding:\t, CHUNKED ,\r\n"));
}

TEST_CASE("a head has its limits, each with its own answer") {
  const auto limit_of = [](const std::string& bytes) {
    const Head head{bytes};
    return std::pair{head.refused().value_or(Refused::internal), head.limit()};
  };
  CHECK(limit_of(get(kHost, "/" + std::string(8192, 'a'))) ==
        std::pair{Refused::uri_too_long, std::int64_t{8192}});
  CHECK_FALSE(refusal_of(get(kHost, "/" + std::string(8191, 'a'))));
  CHECK(limit_of(get(kHost + std::string(257, 'a') + ": x\r\n")).first ==
        Refused::header_too_large);
  CHECK_FALSE(refusal_of(get(kHost + std::string(256, 'a') + ": x\r\n")));
  CHECK(limit_of(get(kHost + "a: " + std::string(16385, 'a') + "\r\n")) ==
        std::pair{Refused::header_too_large, std::int64_t{16384}});
  CHECK_FALSE(refusal_of(get(kHost + "a: " + std::string(16384, 'a') + "\r\n")));
  std::string many = kHost;
  for (int i = 0; i < 99; ++i)
    many += "a: b\r\n";
  CHECK_FALSE(refusal_of(get(many)));
  CHECK(limit_of(get(many + "a: b\r\n")).first == Refused::header_too_large);
}

TEST_CASE("a head that is refused shows the fields that are well-formed, and its first fault") {
  const std::string fields = "Accept: a\r\nOrigin: o\r\naccept: b\r\n";
  for (const auto& bytes :
       {get(kHost + "A B: x\r\n" + fields), get(fields), "GET / HTTP/1.1 \r\n" + fields + "\r\n",
        get(kHost + fields + "Origin: p\r\n" + std::string(300, 'a') + ": b\r\n")}) {
    const Head head{bytes};
    CHECK(head.refused() == Refused::malformed);
    CHECK(head[Field::accept] == "a, b");
    CHECK(head[Field::origin] == "o");
    CHECK(head.framing() == Framing::none);
    CHECK_FALSE(head.keep_alive());
    CHECK_FALSE(head.expects_continue());
  }
  const Head late{Refused::request_timeout, 0,
                  "HEAD / HTTP/1.1\nHost: x\r\nOrigin: o\r\nAccept: a"};
  CHECK(late.refused() == Refused::request_timeout);
  CHECK(late.method() == "HEAD");
  CHECK(late[Field::origin] == "o");
  CHECK_FALSE(late.has(Field::accept)); // not there whole
  CHECK(Head{Refused::uri_too_long, 1, "HEAD /aaa"}.method() == "HEAD");
}

TEST_CASE("a list of many lines is joined in one text") {
  std::string fields = kHost;
  std::string expected;
  for (int i = 0; i < 45; ++i) {
    fields += "Accept: a" + std::to_string(i) + "\r\nConnection: b\r\n";
    expected += (i == 0 ? "a" : ", a") + std::to_string(i);
  }
  const Head head{get(fields)};
  REQUIRE_FALSE(head.refused());
  CHECK(head[Field::accept] == expected);
  CHECK(head[Field::connection].size() == 45 * 3 - 2);
}

TEST_CASE("a value is checked byte for byte, wherever in it a byte stands") {
  for (std::size_t length = 1; length <= 20; ++length)
    for (std::size_t at = 0; at < length; ++at)
      for (int byte = 0; byte < 256; ++byte) {
        std::string value(length, 'a');
        value[at] = static_cast<char>(byte);
        const bool is_fine = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        // Around it what is close to the ends of what may stand there.
        for (const char beside : {'a', ' ', '~', '\x80', '\xff'}) {
          if (at + 1 < length)
            value[at + 1] = beside;
          const bool refused = byte == '\n' || refusal_of(get(kHost + "A: \"" + value + "\"\r\n"));
          if (refused == is_fine)
            FAIL("byte " << byte << " at " << at << " of " << length);
        }
      }
}
