#include "http/auth/jws_key.hpp"

#include <openssl/crypto.h>

#include <array>
#include <stdexcept>

namespace regroup::http {
namespace {

constexpr int kCoordinateBytes = 32;
constexpr std::size_t kEcSignatureBytes = 2 * kCoordinateBytes;

bool is_secret(const EVP_PKEY* key) { return EVP_PKEY_is_a(key, "HMAC") == 1; }
bool is_ec(const EVP_PKEY* key) { return EVP_PKEY_is_a(key, "EC") == 1; }

Openssl<EVP_MD_CTX> prepared(EVP_PKEY* key, decltype(EVP_DigestSignInit) init) {
  Openssl<EVP_MD_CTX> context{EVP_MD_CTX_new()};
  if (!context || init(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1)
    throw std::runtime_error("the key cannot be used");
  return context;
}

/// The signature, in DER for an EC key. Empty if OpenSSL fails.
std::string signed_with(EVP_MD_CTX* context, std::string_view text) {
  std::array<unsigned char, 2048> signature{}; // enough for RSA with 16384 bits
  std::size_t length = signature.size();
  if (EVP_DigestSign(context, signature.data(), &length, openssl_bytes(text), text.size()) != 1)
    return {};
  return {signature.data(), signature.data() + length};
}

/// JWS has r and s side by side, each as wide as a coordinate (RFC 7518 section 3.4); OpenSSL reads
/// and writes DER. Empty if `both` does not have that width.
std::string der_of(std::string_view both) {
  const Openssl<ECDSA_SIG> numbers{ECDSA_SIG_new()};
  if (both.size() != kEcSignatureBytes || !numbers)
    return {};
  Openssl<BIGNUM> r{BN_bin2bn(openssl_bytes(both), kCoordinateBytes, nullptr)};
  Openssl<BIGNUM> s{BN_bin2bn(openssl_bytes(both) + kCoordinateBytes, kCoordinateBytes, nullptr)};
  if (ECDSA_SIG_set0(numbers.get(), r.get(), s.get()) != 1)
    return {};
  r.release(); // `numbers` owns them now
  s.release();
  unsigned char* raw = nullptr;
  const int length = i2d_ECDSA_SIG(numbers.get(), &raw);
  const Openssl<unsigned char> der{raw};
  return length < 0 ? std::string{} : std::string(raw, raw + length);
}

std::string both_of(std::string_view der) {
  const auto* data = openssl_bytes(der);
  const Openssl<ECDSA_SIG> numbers{d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size()))};
  std::array<unsigned char, kEcSignatureBytes> both{};
  if (!numbers ||
      BN_bn2binpad(ECDSA_SIG_get0_r(numbers.get()), both.data(), kCoordinateBytes) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(numbers.get()), both.data() + kCoordinateBytes,
                   kCoordinateBytes) < 0)
    return {};
  return {both.begin(), both.end()};
}

} // namespace

JwsVerifier::JwsVerifier(const Openssl<EVP_PKEY>& key)
    : type_(is_secret(key.get()) ? Type::secret
            : is_ec(key.get())   ? Type::ec
                                 : Type::rsa),
      prepared_(
          prepared(key.get(), type_ == Type::secret ? EVP_DigestSignInit : EVP_DigestVerifyInit)) {}

bool JwsVerifier::verifies(std::string_view text, std::string_view signature) const {
  const ErrorQueueGuard guard;
  const Openssl<EVP_MD_CTX> context{EVP_MD_CTX_new()};
  if (!context || EVP_MD_CTX_copy_ex(context.get(), prepared_.get()) != 1)
    return false;
  if (type_ == Type::secret) {
    const std::string mac = signed_with(context.get(), text);
    return !mac.empty() && mac.size() == signature.size() &&
           CRYPTO_memcmp(mac.data(), signature.data(), mac.size()) == 0;
  }
  const std::string expected = type_ == Type::ec ? der_of(signature) : std::string{signature};
  return EVP_DigestVerify(context.get(), openssl_bytes(expected), expected.size(),
                          openssl_bytes(text), text.size()) == 1;
}

std::string jws_sign(const Openssl<EVP_PKEY>& key, std::string_view text) {
  const ErrorQueueGuard guard;
  auto signature = signed_with(prepared(key.get(), EVP_DigestSignInit).get(), text);
  if (is_ec(key.get()))
    signature = both_of(signature);
  if (signature.empty())
    throw std::runtime_error("the token cannot be signed with the configured key");
  return signature;
}

} // namespace regroup::http
