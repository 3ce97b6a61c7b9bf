#pragma once
#include "domain/outcome.hpp"

#include <cstdint>
#include <string_view>
#include <variant>

namespace regroup::http {

struct PageQuery {
  std::int64_t page = 1;
  std::int64_t per_page = 50;
};

/// `page` (from 1) and `per_page` (1 to 100) of a query string; `invalid_request` names what is
/// unknown, twice there, or no such number.
std::variant<PageQuery, domain::Refusal> parse_page(std::string_view query);

/// `dry_run` of a query string: `true`, `false`, or absent, which is false; `invalid_request` as
/// for a page.
std::variant<bool, domain::Refusal> parse_dry_run(std::string_view query);

} // namespace regroup::http
