#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace regroup::http {

/// Base64url without padding (RFC 4648 section 5, as RFC 7515 section 2 uses it).
std::string base64url_encode(std::string_view bytes);

/// Decodes a canonical text, else returns nothing: it refuses padding, characters outside the
/// alphabet, a length that no encoder produces, and non-zero unused bits, so that two different
/// texts never decode to the same bytes.
std::optional<std::string> base64url_decode(std::string_view text);

} // namespace regroup::http
