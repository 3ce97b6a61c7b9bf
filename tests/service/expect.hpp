#pragma once
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace regroup::test {

/// What every answer has, and what every one that is not 2xx has besides.
inline void is_error(const Answered& answer, int status, const std::string& code) {
  REQUIRE(answer);
  INFO(answer->body);
  CHECK(answer->status == status);
  CHECK(answer->headers.at("Content-Type") == "application/json");
  CHECK_FALSE(answer->headers.at("X-Request-Id").empty());
  const auto body = json::parse(answer->body);
  REQUIRE(body.size() == 1);
  const auto& error = body.at("error");
  CHECK(error.size() == 3);
  CHECK(error.at("code") == code);
  CHECK(error.at("message").is_string());
  CHECK(error.at("details").is_object());
}

inline json details_of(const Answered& answer) {
  return json::parse(answer->body).at("error").at("details");
}

inline std::vector<std::string> fields_of(const Answered& answer) {
  std::vector<std::string> names;
  const auto details = details_of(answer);
  for (const auto& field : details.at("fields"))
    names.push_back(field.at("field"));
  return names;
}

} // namespace regroup::test
