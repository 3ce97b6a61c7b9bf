#pragma once
#include <string_view>

namespace regroup::http {

// openapi_page.py generates the definitions from openapi.yaml at build time.

/// The service's OpenAPI 3.1 description.
std::string_view openapi_json();

/// The same as an HTML page, without scripts and without resources from other hosts.
std::string_view openapi_html();

} // namespace regroup::http
