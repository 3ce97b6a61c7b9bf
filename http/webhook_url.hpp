#pragma once
#include <string_view>

namespace regroup::http {

/// Whether events can be sent there: an absolute https URL (RFC 3986) with a host and without a
/// user, a password, which would be in lists and logs, or a fragment; an http one where that is
/// allowed.
bool is_webhook_url(std::string_view url, bool allow_http);

} // namespace regroup::http
