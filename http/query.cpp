#include "http/query.hpp"

#include <charconv>
#include <optional>
#include <string>
#include <utility>

namespace regroup::http {
namespace {

std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool good = error == std::errc{} && end == text.data() + text.size() && !text.empty();
  return good && value >= 1 && value <= most ? std::optional{value} : std::nullopt;
}

template <class Take> void for_each_parameter(std::string_view query, Take take) {
  while (!query.empty()) {
    const auto ampersand = query.find('&');
    const std::string_view pair = query.substr(0, ampersand);
    query = ampersand == std::string_view::npos ? std::string_view{} : query.substr(ampersand + 1);
    const auto equals = pair.find('=');
    if (!pair.empty())
      take(pair.substr(0, equals),
           equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1));
  }
}

domain::FieldError unknown(std::string_view name) {
  constexpr std::size_t kShown = 100;
  return {std::string{name.substr(0, kShown)}, "is unknown"};
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
  for_each_parameter(query, [&](std::string_view name, std::string_view text) {
    if (name == "page")
      take(name, text, page.page, kLastPage, page_given);
    else if (name == "per_page")
      take(name, text, page.per_page, kMostPerPage, per_page_given);
    else
      refusal.fields.push_back(unknown(name));
  });
  if (!refusal.fields.empty())
    return refusal;
  return page;
}

std::variant<bool, domain::Refusal> parse_dry_run(std::string_view query) {
  bool dry_run = false;
  bool given = false;
  domain::Refusal refusal{domain::Refused::invalid_request};
  for_each_parameter(query, [&](std::string_view name, std::string_view text) {
    if (name != "dry_run")
      refusal.fields.push_back(unknown(name));
    else if (std::exchange(given, true))
      refusal.fields.push_back({"dry_run", "is there twice"});
    else if (text != "true" && text != "false")
      refusal.fields.push_back({"dry_run", "must be true or false"});
    else
      dry_run = text == "true";
  });
  if (!refusal.fields.empty())
    return refusal;
  return dry_run;
}

} // namespace regroup::http
