#include "http/auth/jwk.hpp"

#include <bit>
#include <cstdint>
#include <stdexcept>

namespace regroup::http {
namespace {

constexpr std::size_t kMinRsaBits = 2048;
constexpr std::size_t kMaxRsaBits = 16384;
constexpr std::size_t kMaxExponentBytes = 8; // OpenSSL verifies nothing with a longer one
constexpr std::size_t kCoordinateBytes = 32;
constexpr std::size_t kSha256Bytes = 32;

/// libcjose's key specifications point to bytes that are not const, though it only copies them.
std::uint8_t* bytes_of(std::string& text) { return reinterpret_cast<std::uint8_t*>(text.data()); }

void drop_leading_zeros(std::string& number) { number.erase(0, number.find_first_not_of('\0')); }

/// By the number itself: libcjose rounds a key's size up to whole bytes.
std::size_t bits_of(const std::string& number) {
  if (number.empty())
    return 0;
  return (number.size() - 1) * 8 +
         static_cast<std::size_t>(std::bit_width(static_cast<std::uint8_t>(number.front())));
}

bool is_odd(const std::string& number) {
  return !number.empty() && (static_cast<std::uint8_t>(number.back()) & 1U) != 0;
}

} // namespace

SizedJwk rsa_public_jwk(std::string modulus, std::string exponent) {
  drop_leading_zeros(modulus);
  drop_leading_zeros(exponent);
  if (bits_of(modulus) < kMinRsaBits)
    throw std::runtime_error("the RSA key has fewer than 2048 bits");
  // With an exponent of 1 every signature is its own message.
  if (bits_of(modulus) > kMaxRsaBits || !is_odd(modulus) || !is_odd(exponent) ||
      bits_of(exponent) < 2 || exponent.size() > kMaxExponentBytes)
    throw std::runtime_error("the RSA key is not a usable one");
  cjose_jwk_rsa_keyspec spec{};
  spec.n = bytes_of(modulus);
  spec.nlen = modulus.size();
  spec.e = bytes_of(exponent);
  spec.elen = exponent.size();
  SizedJwk key{Jwk{cjose_jwk_create_RSA_spec(&spec, nullptr)}, modulus.size()};
  if (!key.jwk)
    throw std::runtime_error("the RSA key is not a usable one");
  return key;
}

SizedJwk ec_public_jwk(std::string x, std::string y) {
  cjose_jwk_ec_keyspec spec{};
  spec.crv = CJOSE_JWK_EC_P_256;
  spec.x = bytes_of(x);
  spec.xlen = x.size();
  spec.y = bytes_of(y);
  spec.ylen = y.size();
  SizedJwk key{Jwk{cjose_jwk_create_EC_spec(&spec, nullptr)}, 2 * kCoordinateBytes};
  if (!key.jwk)
    throw std::runtime_error("the EC key is not a point of P-256");
  return key;
}

SizedJwk secret_jwk(std::string_view secret) {
  if (secret.size() < kSha256Bytes)
    throw std::runtime_error("the secret has fewer than 32 bytes");
  SizedJwk key{Jwk{cjose_jwk_create_oct_spec(reinterpret_cast<const std::uint8_t*>(secret.data()),
                                             secret.size(), nullptr)},
               kSha256Bytes};
  if (!key.jwk)
    throw std::runtime_error("the secret cannot be used");
  return key;
}

} // namespace regroup::http
