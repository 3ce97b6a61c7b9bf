#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"

#include <string_view>
#include <variant>

namespace regroup::http {

/// `page` (from 1) and `per_page` (1 to 100) of a query string; `invalid_request` names what is
/// unknown, twice there, or no such number.
std::variant<domain::PageNumber, domain::Refusal> parse_page(std::string_view query);

/// `dry_run` of a query string: `true`, `false`, or absent, which is false; `invalid_request` as
/// for a page.
std::variant<bool, domain::Refusal> parse_dry_run(std::string_view query);

} // namespace regroup::http
