#pragma once
#include <string_view>

namespace regroup::http {

// Made of openapi.yaml by openapi_page.py when the program is built.

/// What the service offers, in OpenAPI 3.1.
std::string_view openapi_json();

/// The same to read, in HTML: without a script, and without anything of another host's.
std::string_view openapi_html();

} // namespace regroup::http
