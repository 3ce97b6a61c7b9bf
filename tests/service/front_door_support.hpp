#pragma once
#include "tests/service/support.hpp"
#include "tests/support/raw_connection.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace regroup::test {

/// Requests byte by byte.
class FrontDoor : public ServiceTest {
public:
  explicit FrontDoor(Replica::Settings settings = {}, bool haproxy = false)
      : ServiceTest(with(std::move(settings), haproxy)), user(world.add_user()) {}

  /// The head of a POST to migrate, up to its framing.
  std::string head(const std::string& fields, bool with_token = true) const {
    return std::string{"POST "} + kMigrate + " HTTP/1.1\r\nHost: x\r\n" +
           "Content-Type: application/json\r\n" +
           (with_token ? "Authorization: Bearer " + token_for(user) + "\r\n" : "") + fields +
           "\r\n";
  }
  std::string post(const std::string& text) const {
    return head("Content-Length: " + std::to_string(text.size()) + "\r\n") + text;
  }

  domain::Uuid user;

private:
  static Service::Options with(Replica::Settings settings, bool haproxy) {
    settings.insert({"limits.requests_per_minute", "0"});
    Service::Options options;
    options.settings = std::move(settings);
    options.haproxy = haproxy;
    return options;
  }
};

inline const std::string kLive = "GET /api/health/live HTTP/1.1\r\nHost: x\r\n\r\n";

/// Of an answer as it came; 0 where there is none.
inline int status_in(std::string_view answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(std::string{answer.substr(9, 3)}) : 0;
}
inline bool says(std::string_view answer, std::string_view what) {
  return answer.find(what) != answer.npos;
}

} // namespace regroup::test
