#include "http/auth/jwt_cache.hpp"

#include <iterator>
#include <utility>

namespace regroup::http {

std::optional<JwtVerifier::Verified> JwtCache::find(std::string_view token,
                                                    JwtVerifier::Clock::time_point now,
                                                    std::chrono::seconds leeway) {
  const std::scoped_lock lock{mutex_};
  const auto found = tokens_.find(token);
  if (found == tokens_.end())
    return std::nullopt;
  if (now >= found->second.verified.expires + leeway) {
    tokens_.erase(found);
    return std::nullopt;
  }
  found->second.used = true;
  return found->second.verified;
}

void JwtCache::put(std::string_view token, const JwtVerifier::Verified& verified) {
  if (token.size() > longest_token)
    return;
  const std::scoped_lock lock{mutex_};
  // Evict the table's first entry: the hash makes the choice as good as random, and a token evicted
  // too early is only verified once more.
  if (tokens_.size() >= most_tokens)
    tokens_.erase(tokens_.begin());
  tokens_.insert_or_assign(std::string{token}, Entry{verified});
}

void JwtCache::sweep() {
  const std::scoped_lock lock{mutex_};
  for (auto token = tokens_.begin(); token != tokens_.end();)
    token = std::exchange(token->second.used, false) ? std::next(token) : tokens_.erase(token);
}

std::size_t JwtCache::size() const {
  const std::scoped_lock lock{mutex_};
  return tokens_.size();
}

} // namespace regroup::http
