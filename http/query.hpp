#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace regroup::http {

/// What a list can be asked for in its query string.
struct ListQuery {
  domain::PageNumber page;         // `page` (from 1) and `per_page` (1 to 100)
  std::optional<std::string> role; // `role`
  std::optional<domain::Uuid> device_id;
};

/// The parameters of a list: `page`, `per_page`, and those of `more` that it has too. `role` and
/// `device_id` are read; `include_devices` and `include_location`, which the original backend's
/// clients send, may be true or false and change nothing. `invalid_request` names the parameters
/// that are unknown, given twice, or invalid.
std::variant<ListQuery, domain::Refusal> parse_list(std::string_view query,
                                                    std::initializer_list<std::string_view> more);

/// `dry_run` of a query string: `true` or `false`, which is the default; `invalid_request` as for
/// parse_list().
std::variant<bool, domain::Refusal> parse_dry_run(std::string_view query);

} // namespace regroup::http
