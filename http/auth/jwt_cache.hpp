#pragma once
#include "http/auth/jwt.hpp"

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>

namespace regroup::http {

/// Caches verified tokens until they expire: an app sends the same token with every request, and
/// verifying a signature costs more than the rest of an answer from memory. Holds at most
/// `most_tokens` x `longest_token` bytes of tokens, and drops those not used between two sweeps.
/// Thread-safe.
class JwtCache {
public:
  static constexpr std::size_t most_tokens = 4096;
  static constexpr std::size_t longest_token = 2048; // bytes; a longer one is not kept

  /// The cached result, if the token is still valid at `now` (`leeway` past its `exp`). Its `nbf`
  /// had passed when it was put, so it need not be checked again.
  std::optional<JwtVerifier::Verified>
  find(std::string_view token, JwtVerifier::Clock::time_point now, std::chrono::seconds leeway);

  void put(std::string_view token, const JwtVerifier::Verified& verified);

  /// Forgets the tokens that were neither put nor found since the previous sweep.
  void sweep();

  std::size_t size() const;

private:
  struct Entry {
    JwtVerifier::Verified verified;
    bool used = true; // since the last sweep
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  mutable std::mutex mutex_;
  std::unordered_map<std::string, Entry, Hash, std::equal_to<>> tokens_;
};

} // namespace regroup::http
