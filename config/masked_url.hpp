#pragma once
#include <string>
#include <string_view>

namespace regroup::config {

/// Shown in place of a secret.
inline constexpr std::string_view kMask = "***";

/// Makes a libpq connection string (a URI or key=value pairs) fit for display: masks the values of
/// `password` and `sslpassword`. Never throws. In a malformed string it masks too much rather than
/// too little.
std::string masked_url(const std::string& url);

} // namespace regroup::config
