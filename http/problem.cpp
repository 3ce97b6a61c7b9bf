#include "http/problem.hpp"

#include "http/server/field_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace regroup::http {
namespace {

/// The weight, from 0 to 1, of the first media range with this name (RFC 9110, 12.5.1); nothing if
/// there is none. A weight that is not a number counts as 0.
std::optional<double> weight_of(std::string_view accept, std::string_view media_type) {
  while (!accept.empty()) {
    std::string_view range = next_part(accept, ',');
    if (!same_ignoring_case(next_part(range, ';'), media_type))
      continue;
    double weight = 1;
    while (!range.empty()) {
      const auto parameter = next_part(range, ';');
      if (!same_ignoring_case(parameter.substr(0, 2), "q="))
        continue;
      const char* end = parameter.data() + parameter.size();
      if (std::from_chars(parameter.data() + 2, end, weight).ec != std::errc{})
        weight = 0;
    }
    return weight;
  }
  return std::nullopt;
}

} // namespace

bool wants_problem(std::string_view accept) {
  const auto weight = weight_of(accept, "application/problem+json");
  return weight && *weight > 0 && *weight >= weight_of(accept, "application/json").value_or(0);
}

void to_problem(Reply& error, std::string_view title) {
  const auto body = nlohmann::ordered_json::parse(error.body);
  const auto& said = body.at("error");
  error.body =
      nlohmann::ordered_json{{"type", "urn:regroup:problem:" + said.at("code").get<std::string>()},
                             {"title", title},
                             {"status", error.status},
                             {"detail", said.at("message")},
                             {"code", said.at("code")},
                             {"details", said.at("details")}}
          .dump();
  error.content_type = "application/problem+json";
}

} // namespace regroup::http
