#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <string_view>
#include <variant>

namespace regroup::http {

/// `page` (from 1) and `per_page` (1 to 100) of a query string. `invalid_request` names the
/// parameters that are unknown, given twice, or out of range.
std::variant<domain::PageNumber, domain::Refusal> parse_page(std::string_view query);

/// `dry_run` of a query string: `true` or `false`, which is the default; `invalid_request` as for
/// parse_page().
std::variant<bool, domain::Refusal> parse_dry_run(std::string_view query);

} // namespace regroup::http
