#include "http/query.hpp"

#include <charconv>
#include <optional>
#include <string>

namespace regroup::http {
namespace {

std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  return good && value >= 1 && value <= most ? std::optional{value} : std::nullopt;
}

} // namespace

std::variant<domain::PageNumber, domain::Refusal> parse_page(std::string_view query) {
  constexpr std::int64_t kLastPage = 1'000'000'000;
  constexpr std::int64_t kMostPerPage = 100;
  domain::PageNumber page;
  bool page_given = false;
  bool per_page_given = false;
  domain::Refusal refusal{domain::Refused::invalid_request};
  const auto take = [&](std::string_view name, std::string_view text, std::int64_t& into,
                        std::int64_t most, bool& given) {
    const auto number = whole_number(text, most);
    if (given || !number)
      refusal.fields.push_back(
          {std::string{name},
           given ? "is there twice" : "must be a whole number from 1 to " + std::to_string(most)});
    else
      into = *number;
    given = true;
  };
  while (!query.empty()) {
    const auto ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view{} : query.substr(ampersand + 1);
    const auto equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    const std::string_view text =
        equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    if (name == "page")
      take(name, text, page.page, kLastPage, page_given);
    else if (name == "per_page")
      take(name, text, page.per_page, kMostPerPage, per_page_given);
    else if (!pair.empty())
      refusal.fields.push_back({std::string{name.substr(0, 100)}, "is unknown"});
  }
  if (!refusal.fields.empty())
    return refusal;
  return page;
}

} // namespace regroup::http
