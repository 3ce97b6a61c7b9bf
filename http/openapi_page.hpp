#pragma once
#include <string_view>

namespace regroup::http {

// openapi_page.py generates the definition from openapi.yaml at build time.

/// The service's OpenAPI 3.1 description.
std::string_view openapi_json();

} // namespace regroup::http
