// libFuzzer's target over the framing check (http/server/inbox.hpp, http/server/body_decoder.hpp).
// Whatever the bytes are: the requests in them are the same however they are cut, what is kept is
// bounded, and Node's http_parser, which is lenient, sees the same requests in what the check has
// let through.
#include "http/server/body_decoder.hpp"
#include "http/server/field_text.hpp"
#include "http/server/inbox.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <http_parser.h>
#include <string>
#include <string_view>
#include <vector>

using namespace regroup::http;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

struct Message {
  std::string method;
  std::string body;
  bool whole = false;
  bool operator==(const Message&) const = default;
};

/// Reads a connection as http/server/connection.cpp does.
class Reading {
public:
  std::vector<Message> messages;
  bool refused = false;

  void give(std::string_view bytes) {
    while (!bytes.empty() && !refused) {
      const auto room = inbox_.room();
      require(!room.empty() && inbox_.bytes().size() + room.size() <= kMaxHeadBytes);
      const auto count = bytes.copy(room.data(), room.size());
      inbox_.received(count);
      bytes.remove_prefix(count);
      while (!refused && (messages.empty() || messages.back().whole ? head() : body())) {
      }
    }
  }

private:
  bool head() {
    const auto head = inbox_.next_head();
    if (!head)
      return false;
    refused = head->refused().has_value();
    if (!refused) {
      require(!head->path().empty() && head->path().find_first_of(" \r\n?") == std::string::npos);
      messages.push_back({std::string{head->method()}, {}, false});
      body_ = BodyDecoder{*head};
    }
    return true;
  }

  bool body() {
    const auto step = body_.step(inbox_.bytes());
    refused =
        step.found == BodyDecoder::Found::malformed || step.found == BodyDecoder::Found::too_long;
    messages.back().body += step.content;
    messages.back().whole = step.found == BodyDecoder::Found::end;
    require(messages.back().whole == (body_.at_end() && step.content.empty() && !refused));
    inbox_.use(step.used);
    return step.found != BodyDecoder::Found::nothing;
  }

  Inbox inbox_;
  BodyDecoder body_;
};

/// The messages that http_parser sees. It stops at an offer to speak another protocol, and at what
/// it refuses itself, such as a Content-Length among the trailer fields.
struct Lenient {
  std::vector<Message> messages;
  bool stopped = false;

  explicit Lenient(std::string_view bytes) {
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = this;
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_message_begin = [](http_parser* at) {
      of(at).messages.emplace_back();
      return 0;
    };
    settings.on_body = [](http_parser* at, const char* text, std::size_t size) {
      of(at).messages.back().body.append(text, size);
      return 0;
    };
    settings.on_message_complete = [](http_parser* at) {
      auto& message = of(at).messages.back();
      message.method = http_method_str(static_cast<http_method>(at->method));
      message.whole = true;
      of(at).stopped = at->upgrade != 0;
      return 0;
    };
    http_parser_execute(&parser, &settings, bytes.data(), bytes.size());
    stopped = stopped || HTTP_PARSER_ERRNO(&parser) != HPE_OK;
  }

private:
  static Lenient& of(http_parser* parser) { return *static_cast<Lenient*>(parser->data); }
};

/// http_parser 2.9.4 takes any name that begins with it for `Transfer-Encoding`.
bool misleads_http_parser(std::string_view bytes) {
  constexpr std::string_view kName = "transfer-encoding";
  for (std::size_t at = 0; at + kName.size() < bytes.size(); ++at)
    if (same_ignoring_case(bytes.substr(at, kName.size()), kName) &&
        bytes[at + kName.size()] != ':')
      return true;
  return false;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  Reading whole;
  whole.give(bytes);

  Reading in_two; // at a place that the bytes themselves choose
  const auto cut = size == 0 ? 0 : (data[size / 2] * 256U + data[size - 1]) % size;
  in_two.give(bytes.substr(0, cut));
  in_two.give(bytes.substr(cut));
  Reading by_byte;
  for (const char& each : bytes)
    by_byte.give({&each, 1});
  for (const auto* other : {&in_two, &by_byte})
    require(other->messages == whole.messages && other->refused == whole.refused);

  if (misleads_http_parser(bytes))
    return 0;
  const Lenient lenient{bytes};
  for (std::size_t at = 0; at < whole.messages.size() && whole.messages[at].whole; ++at) {
    if (lenient.stopped && (at >= lenient.messages.size() || !lenient.messages[at].whole))
      break;
    require(at < lenient.messages.size() && lenient.messages[at] == whole.messages[at]);
  }
  return 0;
}
