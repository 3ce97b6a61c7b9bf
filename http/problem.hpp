#pragma once
#include "http/message.hpp"

#include <string_view>

namespace regroup::http {

/// Whether an `Accept` field asks for RFC 9457: it names `application/problem+json`, and
/// `application/json` with no higher weight. `*/*` alone does not ask for it.
bool wants_problem(std::string_view accept);

/// The same error as RFC 9457 says it: `title` is the status in words, `detail` the message; `code`
/// and `details` stay as they are.
void to_problem(Reply& error, std::string_view title);

} // namespace regroup::http
