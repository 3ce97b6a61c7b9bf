#pragma once
#include "http/auth/openssl.hpp"

#include <string>
#include <string_view>

namespace regroup::http {

// Keys for RS256, ES256 and HS256 (RFC 7518 section 3.1). Each function throws std::runtime_error
// with what is wrong with the key, in words that can follow "auth.jwt_…: ". A key is typed, so that
// an RSA key can never be used as an HMAC secret.

/// RS256: 2048 to 16384 bits, which is OpenSSL's maximum. The numbers are unsigned, big-endian.
Openssl<EVP_PKEY> rsa_public_key(std::string_view modulus, std::string_view exponent);

/// ES256: a point of P-256. The numbers are unsigned, big-endian.
Openssl<EVP_PKEY> ec_public_key(std::string_view x, std::string_view y);

/// HS256: at least 32 bytes (RFC 7518 section 3.2).
Openssl<EVP_PKEY> secret_key(std::string_view secret);

/// The first public key or certificate in a PEM text; other blocks are skipped. `algorithm` is
/// RS256 or ES256, and the key must be of its type.
Openssl<EVP_PKEY> public_key_of_pem(const std::string& pem, std::string_view algorithm);

/// The unencrypted private key in a PEM text, to sign with. `algorithm` as above.
Openssl<EVP_PKEY> private_key_of_pem(const std::string& pem, std::string_view algorithm);

/// Verifies signatures with one key. It computes once what is the same for every signature, such as
/// the key schedule of a secret. Thread-safe.
class JwsVerifier {
public:
  /// `key`: a public key or a secret. Throws std::runtime_error if OpenSSL cannot verify with it.
  explicit JwsVerifier(const Openssl<EVP_PKEY>& key);

  /// Whether `signature`, in JWS's binary form, is the key's signature of `text`.
  bool verifies(std::string_view text, std::string_view signature) const;

private:
  enum class Type { rsa, ec, secret };

  Type type_;
  Openssl<EVP_MD_CTX> prepared_; // holds the key; copied for each signature
};

/// Signs `text` with a private key or a secret; returns the signature in JWS's binary form. Throws
/// std::runtime_error if OpenSSL cannot sign with it.
std::string jws_sign(const Openssl<EVP_PKEY>& key, std::string_view text);

} // namespace regroup::http
