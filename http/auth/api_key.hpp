#pragma once
#include <string>
#include <string_view>

namespace regroup::http {

/// The SHA-256 of the bytes as 64 lower-case hex digits. Throws std::runtime_error if OpenSSL
/// cannot compute it.
std::string sha256_hex(std::string_view bytes);

/// A new API key: "rgk_" and 256 random bits as 43 characters of base64url. Only its hash is
/// stored (contract, "The program", `api-key create`). Throws std::runtime_error if the system
/// has no random bytes.
std::string new_api_key();

} // namespace regroup::http
