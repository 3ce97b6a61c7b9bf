#pragma once
#include <string_view>

namespace regroup::http {

/// Whether events can be sent to this URL: an absolute https URL (RFC 3986), or http if allowed,
/// with a host and without a fragment, user or password. A password would appear in lists and logs.
bool is_webhook_url(std::string_view url, bool allow_http);

} // namespace regroup::http
