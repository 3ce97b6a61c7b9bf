#include "http/problem.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

namespace regroup::http {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos)
    return {};
  return text.substr(from, text.find_last_not_of(" \t") - from + 1);
}

std::string lower(std::string_view text) {
  std::string copy{text};
  std::transform(copy.begin(), copy.end(), copy.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return copy;
}

/// Takes the text up to the separator off the front.
std::string_view next(std::string_view& rest, char separator) {
  const auto end = std::min(rest.find(separator), rest.size());
  const auto part = trimmed(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

/// Of the first media range with this name, from 0 to 1 (RFC 9110, 12.5.1); nothing when there is
/// none. A weight that is no number counts as 0.
std::optional<double> weight_of(std::string_view accept, std::string_view media_type) {
  while (!accept.empty()) {
    std::string_view range = next(accept, ',');
    if (lower(next(range, ';')) != media_type)
      continue;
    double weight = 1;
    while (!range.empty()) {
      const auto parameter = lower(next(range, ';'));
      if (!parameter.starts_with("q="))
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
