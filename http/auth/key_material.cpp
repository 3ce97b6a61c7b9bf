// Makes keys from their numbers, from bytes and from PEM, and refuses unusable ones.
#include "http/auth/jws_key.hpp"

#include <openssl/core_names.h>
#include <openssl/obj_mac.h>
#include <openssl/params.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>
#include <utility>
#include <vector>

namespace regroup::http {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr int kMaxRsaBits = 16384;
constexpr int kMaxExponentBits = 64; // OpenSSL verifies no signature with a longer exponent
constexpr std::size_t kCoordinateBytes = 32;
constexpr std::size_t kShortestSecretBytes = 32;

[[noreturn]] void refuse_rsa() { throw std::runtime_error("the RSA key is not a usable one"); }
[[noreturn]] void refuse_ec() { throw std::runtime_error("the EC key is not a point of P-256"); }

Openssl<BIGNUM> number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1)
    throw std::runtime_error("the key is incomplete");
  return Openssl<BIGNUM>{number};
}

/// Also refuses an RSA key that its file restricts to PSS: that is another type.
void require_usable_rsa(const EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "RSA") != 1)
    throw std::runtime_error("the key is not an RSA key, which RS256 needs");
  const auto modulus = number_of(key, OSSL_PKEY_PARAM_RSA_N);
  const auto exponent = number_of(key, OSSL_PKEY_PARAM_RSA_E);
  if (BN_num_bits(modulus.get()) < kMinRsaBits)
    throw std::runtime_error("the RSA key has fewer than 2048 bits");
  // With an exponent of 1 every signature is its own message.
  if (BN_num_bits(modulus.get()) > kMaxRsaBits || BN_is_odd(modulus.get()) == 0 ||
      BN_is_odd(exponent.get()) == 0 || BN_num_bits(exponent.get()) < 2 ||
      BN_num_bits(exponent.get()) > kMaxExponentBits)
    refuse_rsa();
}

void require_usable_ec(EVP_PKEY* key) {
  std::array<char, 64> group{};
  if (EVP_PKEY_is_a(key, "EC") != 1 ||
      EVP_PKEY_get_group_name(key, group.data(), group.size(), nullptr) != 1 ||
      std::string_view{group.data()} != SN_X9_62_prime256v1)
    throw std::runtime_error("the key is not an EC key on P-256, which ES256 needs");
  // With the point at infinity, which PEM can encode, anyone could sign.
  const Openssl<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr)};
  if (!context || EVP_PKEY_public_check(context.get()) != 1)
    refuse_ec();
}

Openssl<EVP_PKEY> usable(Openssl<EVP_PKEY> key, std::string_view algorithm) {
  if (algorithm == "RS256")
    require_usable_rsa(key.get());
  else
    require_usable_ec(key.get());
  return key;
}

/// Null if OpenSSL does not accept the parameters as a public key.
Openssl<EVP_PKEY> made_of(OSSL_PARAM* params, const char* type) {
  const Openssl<EVP_PKEY_CTX> context{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
  EVP_PKEY* key = nullptr;
  if (context && EVP_PKEY_fromdata_init(context.get()) == 1)
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params);
  return Openssl<EVP_PKEY>{key};
}

std::string_view without_leading_zeros(std::string_view number) {
  return number.substr(std::min(number.find_first_not_of('\0'), number.size()));
}

/// Converts to the native byte order, which OpenSSL's parameters have.
std::vector<unsigned char> native(std::string_view big_endian) {
  std::vector<unsigned char> bytes{big_endian.begin(), big_endian.end()};
  if constexpr (std::endian::native == std::endian::little)
    std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

/// Reads block by block, since a file may hold a public key or a certificate, and since this way
/// OpenSSL never asks for a password at the terminal.
Openssl<EVP_PKEY> read_public_key(const std::string& pem) {
  const Openssl<BIO> bio{BIO_new_mem_buf(pem.c_str(), -1)};
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long length = 0;
  while (PEM_read_bio(bio.get(), &name, &header, &data, &length) == 1) {
    const Openssl<char> owned_name{name};
    const Openssl<char> owned_header{header};
    const Openssl<unsigned char> owned_data{data};
    const unsigned char* der = data;
    if (std::string_view{name} == PEM_STRING_PUBLIC)
      return Openssl<EVP_PKEY>{d2i_PUBKEY(nullptr, &der, length)};
    if (std::string_view{name} == PEM_STRING_X509) {
      const Openssl<X509> certificate{d2i_X509(nullptr, &der, length)};
      return Openssl<EVP_PKEY>{X509_get_pubkey(certificate.get())};
    }
  }
  return nullptr;
}

} // namespace

Openssl<EVP_PKEY> rsa_public_key(std::string_view modulus, std::string_view exponent) {
  auto n = native(without_leading_zeros(modulus));
  auto e = native(without_leading_zeros(exponent));
  if (n.size() > kMaxRsaBits / 8 || e.size() > kMaxExponentBits / 8)
    refuse_rsa();
  std::array params{OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n.data(), n.size()),
                    OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e.data(), e.size()),
                    OSSL_PARAM_construct_end()};
  auto key = made_of(params.data(), "RSA");
  if (!key)
    refuse_rsa();
  return usable(std::move(key), "RS256");
}

Openssl<EVP_PKEY> ec_public_key(std::string_view x, std::string_view y) {
  std::string point(1, static_cast<char>(POINT_CONVERSION_UNCOMPRESSED));
  for (const auto number : {without_leading_zeros(x), without_leading_zeros(y)}) {
    if (number.size() > kCoordinateBytes)
      refuse_ec();
    point.append(kCoordinateBytes - number.size(), '\0').append(number);
  }
  std::string curve = SN_X9_62_prime256v1;
  std::array params{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  auto key = made_of(params.data(), "EC");
  if (!key)
    refuse_ec();
  return usable(std::move(key), "ES256");
}

Openssl<EVP_PKEY> secret_key(std::string_view secret) {
  if (secret.size() < kShortestSecretBytes)
    throw std::runtime_error("the secret has fewer than 32 bytes");
  Openssl<EVP_PKEY> key{
      EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr, openssl_bytes(secret), secret.size())};
  if (!key)
    throw std::runtime_error("the secret cannot be used");
  return key;
}

Openssl<EVP_PKEY> public_key_of_pem(const std::string& pem, std::string_view algorithm) {
  auto key = read_public_key(pem);
  if (!key)
    throw std::runtime_error("the file holds no public key or certificate in PEM");
  return usable(std::move(key), algorithm);
}

Openssl<EVP_PKEY> private_key_of_pem(const std::string& pem, std::string_view algorithm) {
  const auto no_password = [](char*, int, int, void*) { return -1; };
  const Openssl<BIO> bio{BIO_new_mem_buf(pem.c_str(), -1)};
  Openssl<EVP_PKEY> key{PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr)};
  if (!key)
    throw std::runtime_error("the file holds no unencrypted private key in PEM");
  return usable(std::move(key), algorithm);
}

} // namespace regroup::http
