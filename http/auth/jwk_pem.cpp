// Keys in PEM: OpenSSL reads them, libcjose gets their numbers.
#include "http/auth/jwk.hpp"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <tuple>

namespace regroup::http {
namespace {

struct OpensslFree {
  void operator()(BIO* bio) const noexcept { BIO_free(bio); }
  void operator()(BIGNUM* number) const noexcept { BN_clear_free(number); }
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(char* text) const noexcept { OPENSSL_free(text); }
  void operator()(unsigned char* bytes) const noexcept { OPENSSL_free(bytes); }
};
template <typename T> using Owned = std::unique_ptr<T, OpensslFree>;

/// A reader must not leave its failures in the thread's queue for somebody else to find.
struct ErrorQueueGuard {
  ErrorQueueGuard() = default;
  ~ErrorQueueGuard() { ERR_clear_error(); }
  ErrorQueueGuard(const ErrorQueueGuard&) = delete;
  ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;
};

Owned<BIO> reader(std::string_view pem) {
  if (pem.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw std::runtime_error("the file is too long");
  return Owned<BIO>{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
}

Owned<EVP_PKEY> key_of_block(std::string_view name, const unsigned char* data, long length) {
  if (name == PEM_STRING_PUBLIC)
    return Owned<EVP_PKEY>{d2i_PUBKEY(nullptr, &data, length)};
  const Owned<X509> certificate{d2i_X509(nullptr, &data, length)};
  return Owned<EVP_PKEY>{certificate ? X509_get_pubkey(certificate.get()) : nullptr};
}

/// Block by block, since a file may have either kind, and because nothing here can stop to ask at
/// the terminal for a password.
Owned<EVP_PKEY> read_public_key(std::string_view pem) {
  const auto bio = reader(pem);
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long length = 0;
  while (bio && PEM_read_bio(bio.get(), &name, &header, &data, &length) == 1) {
    const Owned<char> owned_name{name};
    const Owned<char> owned_header{header};
    const Owned<unsigned char> owned_data{data};
    const std::string_view kind = name;
    if (kind == PEM_STRING_PUBLIC || kind == PEM_STRING_X509)
      return key_of_block(kind, data, length);
  }
  return nullptr;
}

Owned<EVP_PKEY> read_private_key(std::string_view pem) {
  const auto no_password = [](char*, int, int, void*) { return -1; };
  const auto bio = reader(pem);
  return Owned<EVP_PKEY>{bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr)
                             : nullptr};
}

std::string number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1)
    throw std::runtime_error("the key is incomplete");
  const Owned<BIGNUM> number{raw};
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(raw)), '\0');
  BN_bn2bin(raw, reinterpret_cast<unsigned char*>(bytes.data()));
  return bytes;
}

bool is_p256(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  std::size_t length = 0;
  return EVP_PKEY_is_a(key, "EC") == 1 &&
         EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size(),
                                        &length) == 1 &&
         std::string_view(group.data(), length) == SN_X9_62_prime256v1;
}

/// An RSA key that its file limits to PSS is of another type, and refused here too.
void require_type(const EVP_PKEY* key, std::string_view algorithm) {
  if (algorithm == "RS256" && EVP_PKEY_is_a(key, "RSA") != 1)
    throw std::runtime_error("the key is not an RSA key, which RS256 needs");
  if (algorithm == "ES256" && !is_p256(key))
    throw std::runtime_error("the key is not an EC key on P-256, which ES256 needs");
}

SizedJwk public_jwk_of(const EVP_PKEY* key, std::string_view algorithm) {
  if (algorithm == "RS256")
    return rsa_public_jwk(number_of(key, OSSL_PKEY_PARAM_RSA_N),
                          number_of(key, OSSL_PKEY_PARAM_RSA_E));
  return ec_public_jwk(number_of(key, OSSL_PKEY_PARAM_EC_PUB_X),
                       number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y));
}

Jwk rsa_private_jwk(const EVP_PKEY* key) {
  cjose_jwk_rsa_keyspec spec{};
  const std::array parts{
      std::tuple{OSSL_PKEY_PARAM_RSA_N, &spec.n, &spec.nlen},
      std::tuple{OSSL_PKEY_PARAM_RSA_E, &spec.e, &spec.elen},
      std::tuple{OSSL_PKEY_PARAM_RSA_D, &spec.d, &spec.dlen},
      std::tuple{OSSL_PKEY_PARAM_RSA_FACTOR1, &spec.p, &spec.plen},
      std::tuple{OSSL_PKEY_PARAM_RSA_FACTOR2, &spec.q, &spec.qlen},
      std::tuple{OSSL_PKEY_PARAM_RSA_EXPONENT1, &spec.dp, &spec.dplen},
      std::tuple{OSSL_PKEY_PARAM_RSA_EXPONENT2, &spec.dq, &spec.dqlen},
      std::tuple{OSSL_PKEY_PARAM_RSA_COEFFICIENT1, &spec.qi, &spec.qilen},
  };
  std::array<std::string, parts.size()> numbers; // libcjose copies them
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& [name, bytes, length] = parts[i];
    numbers[i] = number_of(key, name);
    *bytes = reinterpret_cast<std::uint8_t*>(numbers[i].data());
    *length = numbers[i].size();
  }
  return Jwk{cjose_jwk_create_RSA_spec(&spec, nullptr)};
}

Jwk ec_private_jwk(const EVP_PKEY* key) {
  std::string number = number_of(key, OSSL_PKEY_PARAM_PRIV_KEY);
  cjose_jwk_ec_keyspec spec{};
  spec.crv = CJOSE_JWK_EC_P_256;
  spec.d = reinterpret_cast<std::uint8_t*>(number.data());
  spec.dlen = number.size();
  return Jwk{cjose_jwk_create_EC_spec(&spec, nullptr)};
}

} // namespace

SizedJwk public_jwk_of_pem(std::string_view pem, std::string_view algorithm) {
  const ErrorQueueGuard guard;
  const auto key = read_public_key(pem);
  if (!key)
    throw std::runtime_error("the file holds no public key or certificate in PEM");
  require_type(key.get(), algorithm);
  return public_jwk_of(key.get(), algorithm);
}

Jwk private_jwk_of_pem(std::string_view pem, std::string_view algorithm) {
  const ErrorQueueGuard guard;
  const auto key = read_private_key(pem);
  if (!key)
    throw std::runtime_error("the file holds no unencrypted private key in PEM");
  require_type(key.get(), algorithm);
  public_jwk_of(key.get(), algorithm); // a key too weak to verify with is too weak to sign with
  auto jwk = algorithm == "RS256" ? rsa_private_jwk(key.get()) : ec_private_jwk(key.get());
  if (!jwk)
    throw std::runtime_error("the private key cannot be used");
  return jwk;
}

} // namespace regroup::http
