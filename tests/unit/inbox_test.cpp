// From the bytes of a connection to its requests, however they are cut.
#include "http/server/body_decoder.hpp"
#include "http/server/inbox.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace regroup;
using namespace regroup::http;
using domain::Refused;

namespace {

const std::string kStart = "POST / HTTP/1.1\r\nHost: x\r\n";

/// A connection that is read, as "path body" for each request; "!" and the refusal's number at the
/// end, "~" where a body is malformed, "^" where what is around it is too long.
class Reading {
public:
  void give(std::string_view bytes) {
    while (!bytes.empty() && !over_) {
      const auto room = inbox_.room();
      const auto count = std::min(room.size(), bytes.size());
      std::copy_n(bytes.data(), count, room.data());
      inbox_.received(count);
      bytes.remove_prefix(count);
      go_on();
    }
  }
  const std::vector<std::string>& found() const { return found_; }

private:
  void go_on() {
    while (!over_ && (in_body_ ? read_body() : read_head())) {
    }
  }

  bool read_head() {
    const auto head = inbox_.next_head();
    if (!head)
      return false;
    if (head->refused()) {
      end("!" + std::to_string(static_cast<int>(*head->refused())));
      return false;
    }
    found_.push_back(std::string{head->path()} + " ");
    body_ = BodyDecoder{*head};
    in_body_ = true;
    return true;
  }

  bool read_body() {
    using Found = BodyDecoder::Found;
    const auto step = body_.step(inbox_.bytes());
    if (step.found == Found::malformed)
      end("~");
    else if (step.found == Found::too_long)
      end("^");
    found_.back() += step.content;
    inbox_.use(step.used);
    in_body_ = step.found != Found::end;
    return step.found != Found::nothing;
  }

  void end(const std::string& why) {
    found_.push_back(why);
    over_ = true;
  }

  Inbox inbox_;
  BodyDecoder body_;
  bool in_body_ = false;
  bool over_ = false;
  std::vector<std::string> found_;
};

using Found = std::vector<std::string>;

Found whole(const std::string& bytes) {
  Reading reading;
  reading.give(bytes);
  return reading.found();
}

Found chunked(const std::string& body) {
  return whole(kStart + "Transfer-Encoding: chunked\r\n\r\n" + body);
}

std::string refused(Refused why) { return "!" + std::to_string(static_cast<int>(why)); }

} // namespace

TEST_CASE("requests are the same wherever their bytes are cut") {
  const std::string bytes =
      "\r\n\r\nGET /1 HTTP/1.1\r\nHost: x\r\n\r\n" + kStart + "Content-Length: 5\r\n\r\nhello" +
      kStart + "Transfer-Encoding: chunked\r\n\r\nA;q=\"x\"\r\n0123456789\r\n1 ;y\r\n!\r\n000\r\n" +
      "Trailer: 1\r\nb:\r\n\r\n\r\nGET /4 HTTP/1.1\r\nHost: x\r\n\r\n" + kStart +
      "Content-Length: 0\r\n\r\nGET /6 HTTP/1.1\r\n\r\nGET";
  const Found expected{"/1 ", "/ hello", "/ 0123456789!", "/4 ", "/ ", refused(Refused::malformed)};
  CHECK(whole(bytes) == expected);
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    Reading reading;
    reading.give(std::string_view{bytes}.substr(0, cut));
    reading.give(std::string_view{bytes}.substr(cut));
    REQUIRE(reading.found() == expected);
  }
  Reading reading;
  for (const char each : bytes)
    reading.give({&each, 1});
  CHECK(reading.found() == expected);
}

TEST_CASE("a line ends with CRLF, and an odd one is refused before the head is complete") {
  for (const char* bytes : {"GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: x\n", "\n", "\x16\x03\x01",
                            " ", "\r\r", "\rGET", "GET / HTTP/1.1\r\nHost: x\r\n\n"})
    CHECK(whole(bytes) == Found{refused(Refused::malformed)});
  CHECK(whole("GET / HTTP/1.1\r\nHost: x\r\n\rA: b\r\n\r\n") == Found{refused(Refused::malformed)});
  CHECK(whole("GET / HTTP/1.1\r\nHost: x\r\n\rG").empty()); // its line is not there yet
  CHECK(whole("\r").empty());
}

TEST_CASE("a head that does not end is refused when it is longer than one may be") {
  CHECK(whole("GET /" + std::string(9000, 'a')) == Found{refused(Refused::uri_too_long)});
  CHECK(whole(std::string(100'000, 'a')) == Found{refused(Refused::uri_too_long)});
  std::string fields = "GET / HTTP/1.1\r\nHost: x\r\n";
  CHECK(whole(fields + "a: " + std::string(33'000, 'a')) ==
        Found{refused(Refused::header_too_large)});
  while (fields.size() < 40'000)
    fields += std::string(300, 'a') + ": b\r\n";
  CHECK(whole(fields) == Found{refused(Refused::header_too_large)});
  CHECK(whole(fields + "\r\n") == Found{refused(Refused::header_too_large)});
}

TEST_CASE("a chunk is its size, CRLF, as many bytes, and CRLF") {
  CHECK(chunked("5\r\nhello\r\n0\r\n\r\n") == Found{"/ hello"});
  CHECK(chunked("00000005\r\nhello\r\n00\r\n\r\n") == Found{"/ hello"});
  CHECK(chunked("5\r\nhe") == Found{"/ he"});
  for (const char* body : {"\r\n",
                           "g\r\n",
                           "-1\r\n",
                           "+1\r\n",
                           "0x5\r\nhello\r\n",
                           " 5\r\nhello",
                           "5 \r\nhello",
                           "5\nhello\r\n",
                           "5\rhello",
                           "1000000000000000\r\n",
                           "5;\n",
                           "5;a\x01\r\n",
                           "5\t\r\n",
                           "0\r\nA B: x\r\n\r\n",
                           "0\r\n: x\r\n\r\n",
                           "0\r\nA\r\n\r\n",
                           "0\r\n A: b\r\n\r\n",
                           "0\r\nA: b\n\r\n",
                           "0\r\n\n",
                           "0\r\n\rx",
                           "0\r\nA: \x7f\r\n\r\n",
                           "5;a\rb\r\nhello"})
    CHECK(chunked(body) == Found{"/ ", "~"});
  for (const char* end : {"X\r\n0\r\n\r\n", "\n0\r\n\r\n", "\rX0\r\n\r\n", "0\r\n\r\n"})
    CHECK(chunked(std::string{"5\r\nhello"} + end) == Found{"/ hello", "~"});
}

TEST_CASE("what is not content of a chunked body is bounded") {
  CHECK(chunked("5;" + std::string(20'000, 'a')) == Found{"/ ", "^"});
  CHECK(chunked("0\r\na: " + std::string(20'000, 'a')) == Found{"/ ", "^"});
  std::string many;
  while (many.size() < 30'000)
    many += "1;aaaaaaaaaaaaaaaa\r\nx\r\n";
  CHECK(chunked(many).back() == "^");
}

TEST_CASE("an inbox asks for no more than a head may have, and forgets what it used") {
  Inbox inbox;
  std::size_t most = 0;
  for (int i = 0; i < 100; ++i) {
    const auto room = inbox.room();
    most = std::max(most, inbox.bytes().size() + room.size());
    std::fill(room.begin(), room.end(), 'a');
    inbox.received(room.size());
    if (inbox.next_head())
      break;
  }
  CHECK(most <= kMaxHeadBytes);
  inbox.use(inbox.bytes().size());
  CHECK(inbox.empty());
  CHECK(inbox.room().size() <= 8192);
}
