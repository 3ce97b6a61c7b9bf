#include "http/auth/jwt_keys.hpp"

#include "http/auth/base64url.hpp"
#include "http/strict_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace regroup::http {
namespace {

using Json = nlohmann::json;

/// Runs `read`, and prefixes its exceptions with the name of the setting and of its file.
template <typename Read> auto naming(const std::string& setting, Read read) {
  try {
    return read();
  } catch (const std::exception& error) {
    throw std::runtime_error(setting + ": " + error.what());
  }
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file || text.empty()) // a folder can be opened, but not read
    throw std::runtime_error("the file cannot be read, or is empty");
  return text;
}

void require_known(const std::string& algorithm) {
  if (algorithm != "RS256" && algorithm != "ES256" && algorithm != "HS256")
    throw std::runtime_error("auth.jwt_algorithm: must be RS256, ES256 or HS256");
}

/// Requires exactly one source of keys that fits the algorithm: with a public key as HMAC secret,
/// anyone could sign.
void require_one_source(const JwtSettings& settings) {
  const auto sources = static_cast<int>(!settings.public_key_file.empty()) +
                       static_cast<int>(!settings.jwks_file.empty()) +
                       static_cast<int>(!settings.secret.empty());
  if (sources != 1)
    throw std::runtime_error("auth.jwt_public_key_file, auth.jwt_jwks_file, auth.jwt_secret: "
                             "exactly one of them must be set");
  const bool is_hmac = settings.algorithm == "HS256";
  if (is_hmac && !settings.public_key_file.empty())
    throw std::runtime_error("auth.jwt_public_key_file: HS256 needs auth.jwt_secret instead");
  if (!is_hmac && !settings.secret.empty())
    throw std::runtime_error("auth.jwt_secret: is for HS256 only");
}

Openssl<EVP_PKEY> configured_secret(const std::string& secret) {
  return naming("auth.jwt_secret", [&] {
    if (secret.starts_with("-----BEGIN "))
      throw std::runtime_error("is a key in PEM, not a secret");
    return secret_key(secret);
  });
}

/// The text of a member; "" if it is absent or not a string.
std::string text_of(const Json& key, const char* member) {
  const auto found = key.find(member);
  return found != key.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::string number_of(const Json& key, const char* member) {
  auto bytes = base64url_decode(text_of(key, member));
  if (!bytes || bytes->empty())
    throw std::runtime_error(std::string{"a key has no valid \""} + member + '"');
  return *std::move(bytes);
}

/// Whether the key is meant for verifying with `algorithm` (RFC 7517 section 4).
bool fits(const Json& key, const std::string& algorithm) {
  if ((key.contains("use") && text_of(key, "use") != "sig") ||
      (key.contains("alg") && text_of(key, "alg") != algorithm))
    return false;
  if (key.contains("key_ops")) {
    const auto& operations = key["key_ops"];
    if (!operations.is_array() ||
        std::find(operations.begin(), operations.end(), "verify") == operations.end())
      return false;
  }
  const auto type = text_of(key, "kty");
  if (algorithm == "RS256")
    return type == "RSA";
  if (algorithm == "ES256")
    return type == "EC" && text_of(key, "crv") == "P-256";
  return type == "oct";
}

/// Makes the key from its public numbers alone, and ignores what else the file says about it.
Openssl<EVP_PKEY> key_of(const Json& key, const std::string& algorithm) {
  if (algorithm == "RS256")
    return rsa_public_key(number_of(key, "n"), number_of(key, "e"));
  if (algorithm == "ES256")
    return ec_public_key(number_of(key, "x"), number_of(key, "y"));
  return secret_key(number_of(key, "k"));
}

/// Returns nothing for a key that has another purpose. Throws if the key is invalid.
std::optional<VerificationKeys::Key> read_key(const Json& key, const std::string& algorithm) {
  if (!key.is_object())
    throw std::runtime_error("it is not an object");
  if (text_of(key, "kty").empty())
    throw std::runtime_error("a key has no valid \"kty\"");
  if (!fits(key, algorithm))
    return std::nullopt;
  std::optional<std::string> kid;
  if (key.contains("kid")) {
    if (!key["kid"].is_string())
      throw std::runtime_error("a key has no valid \"kid\"");
    kid = text_of(key, "kid");
  }
  return VerificationKeys::Key{JwsVerifier{key_of(key, algorithm)}, std::move(kid)};
}

/// Skips a key that is broken or too weak and uses the others, so that it does not block a
/// rotation. Refuses a file without any usable key.
VerificationKeys keys_of_jwks(const std::string& text, const std::string& algorithm) {
  const auto set = parse_strict_json(text);
  if (!set || !set->is_object() || !set->contains("keys") || !set->at("keys").is_array())
    throw std::runtime_error("the file is not a JSON Web Key Set");
  VerificationKeys found;
  found.have_names = true;
  std::size_t number = 0;
  for (const auto& key : set->at("keys")) {
    ++number;
    try {
      if (auto read = read_key(key, algorithm))
        found.keys.push_back(*std::move(read));
    } catch (const std::runtime_error& why) {
      found.skipped.push_back("key " + std::to_string(number) + ": " + why.what());
    }
  }
  if (found.keys.empty())
    throw std::runtime_error(
        "the file holds no key for " + algorithm +
        (found.skipped.empty() ? "" : " that can be used (" + found.skipped.front() + ")"));
  return found;
}

VerificationKeys only(const Openssl<EVP_PKEY>& key) {
  VerificationKeys keys;
  keys.keys.push_back({JwsVerifier{key}, std::nullopt});
  return keys;
}

} // namespace

VerificationKeys load_verification_keys(const JwtSettings& settings) {
  const ErrorQueueGuard guard;
  require_known(settings.algorithm);
  require_one_source(settings);
  if (!settings.secret.empty())
    return only(configured_secret(settings.secret));
  if (!settings.jwks_file.empty())
    return naming("auth.jwt_jwks_file: " + settings.jwks_file,
                  [&] { return keys_of_jwks(contents(settings.jwks_file), settings.algorithm); });
  return naming("auth.jwt_public_key_file: " + settings.public_key_file, [&] {
    return only(public_key_of_pem(contents(settings.public_key_file), settings.algorithm));
  });
}

Openssl<EVP_PKEY> load_signing_key(const JwtSettings& settings) {
  const ErrorQueueGuard guard;
  require_known(settings.algorithm);
  if (settings.algorithm == "HS256") {
    if (settings.secret.empty())
      throw std::runtime_error("auth.jwt_secret: must be set to sign tokens with HS256");
    return configured_secret(settings.secret);
  }
  if (settings.private_key_file.empty())
    throw std::runtime_error("auth.jwt_private_key_file: must be set to sign tokens with " +
                             settings.algorithm);
  return naming("auth.jwt_private_key_file: " + settings.private_key_file, [&] {
    return private_key_of_pem(contents(settings.private_key_file), settings.algorithm);
  });
}

} // namespace regroup::http
