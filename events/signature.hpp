#pragma once
#include <chrono>
#include <string>
#include <string_view>

namespace regroup::events {

/// The header `Regroup-Signature` for a body sent at this time (docs/events.md has a test vector):
/// `t=<Unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>" by the endpoint's secret>`. Throws
/// std::runtime_error if OpenSSL cannot compute it.
std::string signature(std::string_view secret, std::chrono::sys_seconds at, std::string_view body);

} // namespace regroup::events
