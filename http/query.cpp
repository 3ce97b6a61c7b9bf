#include "http/query.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
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

/// Takes one parameter of a list; what is wrong with it, or nothing.
std::string take(std::string_view name, std::string_view text, ListQuery& list) {
  constexpr std::int64_t kLastPage = 1'000'000'000;
  constexpr std::int64_t kMostPerPage = 100;
  constexpr std::array<std::string_view, 4> kRoles{"owner", "admin", "member", "viewer"};
  if (name == "page" || name == "per_page") {
    const auto most = name == "page" ? kLastPage : kMostPerPage;
    const auto number = whole_number(text, most);
    if (number)
      (name == "page" ? list.page.page : list.page.per_page) = *number;
    return number ? "" : "must be a whole number from 1 to " + std::to_string(most);
  }
  if (name == "role") {
    list.role = std::string{text};
    const bool known = std::find(kRoles.begin(), kRoles.end(), text) != kRoles.end();
    return known ? "" : "must be owner, admin, member or viewer";
  }
  if (name == "device_id") {
    list.device_id = domain::Uuid::parse(text);
    return list.device_id ? "" : "must be a UUID";
  }
  return text == "true" || text == "false" ? "" : "must be true or false";
}

} // namespace

std::variant<ListQuery, domain::Refusal> parse_list(std::string_view query,
                                                    std::initializer_list<std::string_view> more) {
  ListQuery list;
  std::set<std::string_view> given;
  domain::Refusal refusal{domain::Refused::invalid_request};
  for_each_parameter(query, [&](std::string_view name, std::string_view text) {
    const bool known = name == "page" || name == "per_page" ||
                       std::find(more.begin(), more.end(), name) != more.end();
    if (!known)
      refusal.fields.push_back(unknown(name));
    else if (!given.insert(name).second)
      refusal.fields.push_back({std::string{name}, "is there twice"});
    else if (auto wrong = take(name, text, list); !wrong.empty())
      refusal.fields.push_back({std::string{name}, std::move(wrong)});
  });
  if (!refusal.fields.empty())
    return refusal;
  return list;
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
