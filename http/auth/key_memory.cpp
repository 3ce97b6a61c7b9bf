#include "http/auth/key_memory.hpp"

#include "http/auth/base64url.hpp"

#include <algorithm>

namespace regroup::http {

bool can_be_api_key(std::string_view key) {
  constexpr std::size_t kLongest = 256;
  constexpr std::size_t kOurLength = 47;
  if (key.empty() || key.size() > kLongest ||
      !std::all_of(key.begin(), key.end(), [](char c) { return c > 0x20 && c < 0x7f; }))
    return false;
  return !key.starts_with("rgk_") ||
         (key.size() == kOurLength && base64url_decode(key.substr(4)).has_value());
}

KeyMemory::Known KeyMemory::look(const std::string& hash, Clock::time_point now) {
  const std::scoped_lock lock{mutex_};
  if (const auto found = proven_.find(hash); found != proven_.end() && now < found->second)
    return Known::proven;
  if (const auto found = refused_.find(hash); found != refused_.end() && now < found->second)
    return Known::refused;
  return Known::nothing;
}

void KeyMemory::prove(const std::string& hash, Clock::time_point now) {
  const std::scoped_lock lock{mutex_};
  refused_.erase(hash);
  remember(proven_, hash, now + proven_for);
}

void KeyMemory::refuse(const std::string& hash, Clock::time_point now) {
  const std::scoped_lock lock{mutex_};
  proven_.erase(hash);
  remember(refused_, hash, now + refused_for);
}

std::size_t KeyMemory::size() const {
  const std::scoped_lock lock{mutex_};
  return proven_.size() + refused_.size();
}

/// If the table is full, evicts its first entry: the hash makes the choice as good as random.
void KeyMemory::remember(Keys& keys, const std::string& hash, Clock::time_point until) {
  if (keys.size() >= most_keys && !keys.contains(hash))
    keys.erase(keys.begin());
  keys.insert_or_assign(hash, until);
}

} // namespace regroup::http
