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

/// Why a token is refused. The reasons that depend on claims come after the signature is checked:
/// they tell a caller nothing about tokens that others made up.
using Why = std::string_view;

/// Why the header is refused, or an empty text: it must be a JSON object with the configured `alg`.
/// It must not have `crit` or `b64` (RFC 7797), which would change what the signature means. A key
/// in the header (`jwk`, `jku`, `x5c`, `x5u`) is never used.
Why flaw_of_header(const std::optional<Json>& header, std::string_view algorithm) {
  if (!header || !header->is_object())
    return "the token's header is not a JSON object";
  if (header->contains("crit") || header->contains("b64"))
    return "the token's header has crit or b64";
  if (!is_access_token(*header))
    return "the token's typ is not that of an access token";
  const auto* alg = text_of(*header, "alg");
  if (alg == nullptr || *alg != algorithm)
    return "the token's alg is not the configured algorithm";
  if (header->contains("kid") && !text_of(*header, "kid"))
    return "the token's kid is not a string";
  return {};
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

/// Why issuer, audience or token type forbid the token here, or an empty text.
Why flaw_of_purpose(const Json& claims, const std::string& issuer, const std::string& audience) {
  if (const auto* text = text_of(claims, "iss");
      !issuer.empty() && (text == nullptr || *text != issuer))
    return "the token's iss is not the configured issuer";
  if (!audience.empty() && !is_for(claims, audience))
    return "the token's aud does not name the configured audience";
  const auto* type = text_of(claims, "token_type");
  if (claims.contains("token_type") && (type == nullptr || *type != "access"))
    return "the token's token_type is not access";
  return {};
}

/// Why the token is not valid at `now`, or an empty text: then `expires` is its `exp`.
Why flaw_of_times(const Json& claims, Clock::time_point now, Clock::time_point& expires) {
  using Seconds = std::chrono::duration<double>;
  const double at = Seconds{now.time_since_epoch()}.count();
  const auto expiry = date_of(claims, "exp");
  if (!expiry)
    return "the token has no exp that is a number";
  if (at >= *expiry + kLeewaySeconds)
    return "the token has expired";
  if (claims.contains("nbf")) {
    const auto not_before = date_of(claims, "nbf");
    if (!not_before)
      return "the token's nbf is not a number";
    if (at < *not_before - kLeewaySeconds)
      return "the token is not valid yet";
  }
  expires = Clock::time_point{
      std::chrono::duration_cast<Clock::duration>(Seconds{std::min(*expiry, kFarthestExpiry)})};
  return {};
}

} // namespace

struct JwtVerifier::Impl {
  explicit Impl(const JwtSettings& settings)
      : algorithm(settings.algorithm), issuer(settings.issuer), audience(settings.audience),
        keys(load_verification_keys(settings)) {}

  std::optional<Verified> verify(std::string_view token, Clock::time_point now, Why& why) {
    if (const auto known = cache.find(token, now, kLeeway))
      return known;
    Verified verified;
    why = flaw_of(token, now, verified);
    if (!why.empty())
      return std::nullopt;
    cache.put(token, verified);
    return verified;
  }

  Why flaw_of(std::string_view token, Clock::time_point now, Verified& verified) const {
    const auto parts = take_apart(token);
    if (!parts)
      return "the token is not a JWT of less than 8 KiB";
    const auto header = parse_strict_json(parts->header);
    if (const Why why = flaw_of_header(header, algorithm); !why.empty())
      return why;
    if (const Why why = flaw_of_signature(*parts, text_of(*header, "kid")); !why.empty())
      return why;
    const auto claims = parse_strict_json(parts->payload);
    if (!claims || !claims->is_object())
      return "the token's claims are not a JSON object";
    if (const Why why = flaw_of_purpose(*claims, issuer, audience); !why.empty())
      return why;
    const auto* subject = text_of(*claims, "sub");
    const auto user_id = subject ? domain::Uuid::parse(*subject) : std::nullopt;
    if (!user_id)
      return "the token's sub is not the UUID of a user";
    verified.user_id = *user_id;
    return flaw_of_times(*claims, now, verified.expires);
  }

  Why flaw_of_signature(const Parts& parts, const std::string* kid) const {
    bool has_key = false;
    for (const auto& key : keys.keys) {
      if (keys.have_names && kid != nullptr && key.kid != *kid)
        continue;
      has_key = true;
      if (key.verifier.verifies(parts.signed_text, parts.signature))
        return {};
    }
    return has_key ? "the token's signature is not valid" : "the token's kid is no configured key";
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
                                                         Clock::time_point now,
                                                         std::string_view* why) const noexcept {
  Why reason;
  try {
    const auto verified = current()->verify(token, now, reason);
    if (why != nullptr)
      *why = reason;
    return verified;
  } catch (...) { // out of memory
    if (why != nullptr)
      *why = "the token could not be verified";
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
