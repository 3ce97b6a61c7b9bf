#pragma once
// Keys and tokens for the tests, made by OpenSSL alone: what http/auth/ is asked to verify is not
// made by http/auth/.
#include "http/auth/base64url.hpp"
#include "tests/support/temp_folder.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace regroup::test {

template <auto Release> struct Releaser {
  template <typename T> void operator()(T* object) const noexcept { Release(object); }
};
using Key = std::shared_ptr<EVP_PKEY>;
using Bio = std::unique_ptr<BIO, Releaser<&BIO_free>>;

inline Key owned(EVP_PKEY* key) {
  if (key == nullptr)
    throw std::runtime_error("OpenSSL made no key");
  return {key, EVP_PKEY_free};
}

/// RSA-PSS: a key whose file says that it signs with PSS alone.
inline Key rsa_key(int bits, const char* type = "RSA") {
  const std::unique_ptr<EVP_PKEY_CTX, Releaser<&EVP_PKEY_CTX_free>> context{
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
  EVP_PKEY* key = nullptr;
  EVP_PKEY_keygen_init(context.get());
  EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), bits);
  EVP_PKEY_generate(context.get(), &key);
  return owned(key);
}

inline Key ec_key(const char* curve) {
  return owned(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
}

inline std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const auto length = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(length)};
}

inline std::string public_pem(const Key& key) {
  const Bio bio{BIO_new(BIO_s_mem())};
  PEM_write_bio_PUBKEY(bio.get(), key.get());
  return text_of(bio);
}

/// Encrypted when there is a password.
inline std::string private_pem(const Key& key, std::string password = {}) {
  const Bio bio{BIO_new(BIO_s_mem())};
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(),
                                password.empty() ? nullptr : EVP_aes_256_cbc(),
                                password.empty() ? nullptr : password.data(),
                                static_cast<int>(password.size()), nullptr, nullptr);
  return text_of(bio);
}

inline std::string certificate_pem(const Key& key) {
  const std::unique_ptr<X509, Releaser<&X509_free>> certificate{X509_new()};
  X509_set_pubkey(certificate.get(), key.get());
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 60);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const Bio bio{BIO_new(BIO_s_mem())};
  PEM_write_bio_X509(bio.get(), certificate.get());
  return text_of(bio);
}

/// One of the key's public numbers as a JWK says it, padded with zeros to `bytes`.
inline std::string jwk_number(const Key& key, const char* name, int bytes = 0) {
  BIGNUM* raw = nullptr;
  EVP_PKEY_get_bn_param(key.get(), name, &raw);
  const std::unique_ptr<BIGNUM, Releaser<&BN_free>> number{raw};
  const int length = std::max(bytes, BN_num_bytes(raw));
  std::string text(static_cast<std::size_t>(length), '\0');
  BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(text.data()), length);
  return http::base64url_encode(text);
}

/// The signature of a text, in bytes.
using Signer = std::function<std::string(const std::string&)>;

inline Signer hmac_signer(std::string secret, const EVP_MD* digest = EVP_sha256()) {
  return [=](const std::string& text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
    unsigned length = 0;
    HMAC(digest, secret.data(), static_cast<int>(secret.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(), &length);
    return std::string(reinterpret_cast<const char*>(mac.data()), length);
  };
}

/// RSASSA-PKCS1-v1_5 (RS256), RSASSA-PSS (PS256), or ECDSA in DER, by the key and the padding.
inline Signer key_signer(const Key& key, int rsa_padding = RSA_PKCS1_PADDING) {
  return [=](const std::string& text) {
    const std::unique_ptr<EVP_MD_CTX, Releaser<&EVP_MD_CTX_free>> context{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* options = nullptr;
    EVP_DigestSignInit(context.get(), &options, EVP_sha256(), nullptr, key.get());
    if (EVP_PKEY_is_a(key.get(), "RSA") == 1)
      EVP_PKEY_CTX_set_rsa_padding(options, rsa_padding);
    if (rsa_padding == RSA_PKCS1_PSS_PADDING)
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    std::string signature(1024, '\0');
    std::size_t length = signature.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    signature.resize(length);
    return signature;
  };
}

/// ES256: r and s, 32 bytes each.
inline Signer es256_signer(const Key& key) {
  return [=](const std::string& text) {
    const auto der = key_signer(key)(text);
    const auto* data = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, Releaser<&ECDSA_SIG_free>> both{
        d2i_ECDSA_SIG(nullptr, &data, static_cast<long>(der.size()))};
    std::string signature(64, '\0');
    auto* out = reinterpret_cast<unsigned char*>(signature.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(both.get()), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(both.get()), out + 32, 32);
    return signature;
  };
}

/// The token of a header and claims that need not be JSON.
inline std::string forge(std::string_view header, std::string_view claims, const Signer& sign) {
  const auto text = http::base64url_encode(header) + "." + http::base64url_encode(claims);
  return text + "." + http::base64url_encode(sign(text));
}

/// Files for keys, gone afterwards.
class KeyFolder {
public:
  std::string path() const { return folder_.path().string(); }

  /// A new file of its own.
  std::string file(std::string_view contents) const {
    const auto path = folder_.path() / std::to_string(++files_);
    std::ofstream(path, std::ios::binary) << contents;
    return path.string();
  }

private:
  TempFolder folder_;
  mutable int files_ = 0;
};

} // namespace regroup::test
