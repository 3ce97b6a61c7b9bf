#pragma once
#include "domain/outcome.hpp"
#include "http/server/message.hpp"
#include "text/json_text.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace regroup::http {

/// One row of the contract's table "Errors".
struct OutcomeRow {
  domain::Refused reason;
  int status;
  std::string_view code;
  std::string_view message;
  int retry_after = 0; // seconds; 0: no Retry-After header
};

/// The whole table, in the order of the enum.
std::span<const OutcomeRow> outcome_table();

const OutcomeRow& row_of(domain::Refused reason);

/// The table's code and message with the refusal's details.
text::JsonObject error_of(const domain::Refusal& refusal,
                          std::optional<int> retry_after = std::nullopt);

/// A 401 with the reason (RFC 6750, 3.1), a text with static lifetime that fits into a
/// quoted-string. Empty: the request had neither a token nor a key.
Reply unauthorized(std::string_view reason);

/// The reason of a 401 that the database gives, for a user and for a key.
inline constexpr std::string_view kNoSuchUser = "the user of the token is not known, or not active";
inline constexpr std::string_view kNoSuchKey =
    "the API key is not known, was revoked, or has expired";

/// The 404 for a path that is no route.
Reply no_such_route(std::string_view method, std::string_view path);

/// The error response: the table's status and code, the refusal's details, and the headers that go
/// with them. `retry_after`, in seconds, overrides the table's.
Reply to_reply(const domain::Refusal& refusal, std::optional<int> retry_after = std::nullopt);

} // namespace regroup::http
