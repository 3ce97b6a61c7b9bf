#include "http/auth/jwt.hpp"

#include "http/auth/base64url.hpp"
#include "http/auth/jwt_cache.hpp"
#include "http/auth/jwt_keys.hpp"
#include "http/strict_json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <utility>

namespace regroup::http {
namespace {

using Json = nlohmann::json;
using Clock = JwtVerifier::Clock;

constexpr std::size_t kTokenLimitBytes = 8192; // a token must be shorter
constexpr std::chrono::seconds kLeeway{30};
constexpr double kLeewaySeconds = kLeeway.count();
constexpr double kFarthestExpiry = 9e9; // the year 2255: system_clock ends in 2262

/// The decoded parts of a token. They were canonical base64url, but cannot be trusted yet. A part
/// may be empty, and is then neither JSON nor as long as a signature.
struct Parts {
  std::string header;
  std::string payload;
  std::string signature;
  std::string_view signed_text; // of the token: header and payload
};

std::optional<Parts> take_apart(std::string_view token) {
  if (token.size() >= kTokenLimitBytes)
    return std::nullopt;
  const auto first = token.find('.');
  if (first == std::string_view::npos)
    return std::nullopt;
  const auto second = token.find('.', first + 1);
  if (second == std::string_view::npos)
    return std::nullopt;
  // A third dot would be in the third part, which refuses it: it is outside the alphabet.
  auto header = base64url_decode(token.substr(0, first));
  auto payload = base64url_decode(token.substr(first + 1, second - first - 1));
  auto signature = base64url_decode(token.substr(second + 1));
  if (!header || !payload || !signature)
    return std::nullopt;
  return Parts{*std::move(header), *std::move(payload), *std::move(signature),
               token.substr(0, second)};
}

const std::string* text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

bool is_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char c, char l) {
    return (c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) == l;
  });
}

/// RFC 8725, 3.11: a token signed for another purpose has another type, such as `logout+jwt`. Media
/// types are not case-sensitive (RFC 7515, 4.1.9).
bool is_access_token(const Json& header) {
  if (!header.contains("typ"))
    return true;
  const auto* type = text_of(header, "typ");
  return type != nullptr && (is_ignoring_case(*type, "jwt") || is_ignoring_case(*type, "at+jwt") ||
                             is_ignoring_case(*type, "application/at+jwt"));
}

/// The header, if it is a JSON object with the configured `alg`. It must not have `crit` or `b64`
/// (RFC 7797), which would change what the signature means. A key in the header (`jwk`, `jku`,
/// `x5c`, `x5u`) is never used.
std::optional<Json> accepted_header(std::string_view text, std::string_view algorithm) {
  auto header = parse_strict_json(text);
  if (!header || !header->is_object() || header->contains("crit") || header->contains("b64") ||
      !is_access_token(*header))
    return std::nullopt;
  const auto* alg = text_of(*header, "alg");
  if (alg == nullptr || *alg != algorithm || (header->contains("kid") && !text_of(*header, "kid")))
    return std::nullopt;
  return header;
}

/// A NumericDate in seconds since the epoch (RFC 7519 section 2).
std::optional<double> date_of(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end() || !found->is_number())
    return std::nullopt;
  const auto seconds = found->get<double>();
  return std::isfinite(seconds) ? std::optional{seconds} : std::nullopt;
}

bool is_for(const Json& claims, const std::string& audience) {
  const auto found = claims.find("aud");
  if (found == claims.end())
    return false;
  if (found->is_array())
    return std::find(found->begin(), found->end(), audience) != found->end();
  return *found == audience;
}

/// Whether issuer, audience and token type allow the token here.
bool are_meant_for_us(const Json& claims, const std::string& issuer, const std::string& audience) {
  if (const auto* text = text_of(claims, "iss");
      !issuer.empty() && (text == nullptr || *text != issuer))
    return false;
  if (!audience.empty() && !is_for(claims, audience))
    return false;
  const auto* type = text_of(claims, "token_type");
  return !claims.contains("token_type") || (type != nullptr && *type == "access");
}

/// Returns `exp` if the token is valid at `now`.
std::optional<Clock::time_point> expiry(const Json& claims, Clock::time_point now) {
  using Seconds = std::chrono::duration<double>;
  const double at = Seconds{now.time_since_epoch()}.count();
  const auto expires = date_of(claims, "exp");
  if (!expires || at >= *expires + kLeewaySeconds)
    return std::nullopt;
  if (claims.contains("nbf")) {
    const auto not_before = date_of(claims, "nbf");
    if (!not_before || at < *not_before - kLeewaySeconds)
      return std::nullopt;
  }
  return Clock::time_point{
      std::chrono::duration_cast<Clock::duration>(Seconds{std::min(*expires, kFarthestExpiry)})};
}

} // namespace

struct JwtVerifier::Impl {
  explicit Impl(const JwtSettings& settings)
      : algorithm(settings.algorithm), issuer(settings.issuer), audience(settings.audience),
        keys(load_verification_keys(settings)) {}

  std::optional<Verified> verify(std::string_view token, Clock::time_point now) {
    if (const auto known = cache.find(token, now, kLeeway))
      return known;
    const auto verified = verify_anew(token, now);
    if (verified)
      cache.put(token, *verified);
    return verified;
  }

  std::optional<Verified> verify_anew(std::string_view token, Clock::time_point now) const {
    const auto parts = take_apart(token);
    if (!parts)
      return std::nullopt;
    const auto header = accepted_header(parts->header, algorithm);
    if (!header || !is_signed(*parts, text_of(*header, "kid")))
      return std::nullopt;
    const auto claims = parse_strict_json(parts->payload);
    if (!claims || !claims->is_object() || !are_meant_for_us(*claims, issuer, audience))
      return std::nullopt;
    const auto* subject = text_of(*claims, "sub");
    const auto user_id = subject ? domain::Uuid::parse(*subject) : std::nullopt;
    const auto expires = expiry(*claims, now);
    if (!user_id || !expires)
      return std::nullopt;
    return Verified{*user_id, *expires};
  }

  bool is_signed(const Parts& parts, const std::string* kid) const {
    return std::any_of(keys.keys.begin(), keys.keys.end(), [&](const auto& key) {
      return (!keys.have_names || kid == nullptr || key.kid == *kid) &&
             key.verifier.verifies(parts.signed_text, parts.signature);
    });
  }

  const std::string algorithm;
  const std::string issuer;
  const std::string audience;
  const VerificationKeys keys;
  JwtCache cache;
};

JwtVerifier::JwtVerifier(const JwtSettings& settings) : impl_(std::make_shared<Impl>(settings)) {}

JwtVerifier::~JwtVerifier() = default;

std::optional<JwtVerifier::Verified> JwtVerifier::verify(std::string_view token,
                                                         Clock::time_point now) const noexcept {
  try {
    return current()->verify(token, now);
  } catch (...) { // out of memory
    return std::nullopt;
  }
}

std::size_t JwtVerifier::reload(const JwtSettings& settings) {
  auto fresh = std::make_shared<Impl>(settings);
  const std::size_t count = fresh->keys.keys.size();
  const std::scoped_lock lock{mutex_};
  // A thread that still verifies with the old keys writes to the old cache, which goes with them.
  impl_.swap(fresh);
  return count;
}

std::vector<std::string> JwtVerifier::skipped_keys() const { return current()->keys.skipped; }

void JwtVerifier::sweep() { current()->cache.sweep(); }

std::shared_ptr<JwtVerifier::Impl> JwtVerifier::current() const {
  const std::scoped_lock lock{mutex_};
  return impl_;
}

std::string mint_token(const JwtSettings& settings, const domain::Uuid& user_id,
                       std::chrono::seconds ttl, Clock::time_point now) {
  const auto key = load_signing_key(settings);
  const auto issued = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  Json claims{{"sub", user_id.text()},
              {"iat", issued.count()},
              {"exp", (issued + ttl).count()},
              {"token_type", "access"},
              {"jti", domain::Uuid::random().text()}};
  if (!settings.issuer.empty())
    claims["iss"] = settings.issuer;
  if (!settings.audience.empty())
    claims["aud"] = settings.audience;
  const Json header{{"alg", settings.algorithm}, {"typ", "JWT"}};
  const auto text = base64url_encode(header.dump()) + "." + base64url_encode(claims.dump());
  return text + "." + base64url_encode(jws_sign(key, text));
}

} // namespace regroup::http
