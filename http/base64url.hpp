#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace regroup::http {

/// Base64url without padding (RFC 4648 section 5, as RFC 7515 section 2 uses it).
std::string base64url_encode(std::string_view bytes);

/// The bytes of a canonical text, else nothing: padding, characters outside the alphabet, a
/// length that no encoder gives and unused bits that are not zero are all refused, so that two
/// different texts never mean the same bytes.
std::optional<std::string> base64url_decode(std::string_view text);

} // namespace regroup::http
