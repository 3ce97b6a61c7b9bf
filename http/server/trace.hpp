#pragma once
#include <string_view>

namespace regroup::http {

/// The trace id of a W3C `traceparent` field, 32 hex digits. Empty if the field is absent or does
/// not conform to Trace Context (version 00, or a later one that begins like it).
std::string_view trace_id_of(std::string_view traceparent);

} // namespace regroup::http
