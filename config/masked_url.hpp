#pragma once
#include <string>
#include <string_view>

namespace regroup::config {

/// What stands where a secret was.
inline constexpr std::string_view kMask = "***";

/// A libpq connection string, a URI or key=value pairs, that people may see: the values of
/// `password` and `sslpassword` are masked. Never throws; where the string is malformed rather too
/// much is masked than too little.
std::string masked_url(const std::string& url);

} // namespace regroup::config
