#pragma once
#include "http/server/message.hpp"

#include <string_view>

namespace regroup::http {

/// Whether an `Accept` field asks for RFC 9457: it names `application/problem+json`, and gives
/// `application/json` no higher weight. `*/*` alone does not ask for it.
bool wants_problem(std::string_view accept);

/// Rewrites the error in RFC 9457's form: `title` becomes the status in words, `detail` the
/// message; `code` and `details` stay as they are.
void to_problem(Reply& error, std::string_view title);

} // namespace regroup::http
