#pragma once
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace regroup::http {

/// Whether a text can be an API key at all: 1 to 256 visible ASCII characters, whatever program
/// made it. A key that begins like Regroup's own (new_api_key()) must have the whole form.
bool can_be_api_key(std::string_view key);

/// Remembers the results of API key look-ups, by the keys' hashes. It decides only how the next
/// request asks the database, except that a key refused a moment ago is refused again without
/// asking. Bounded. Thread-safe.
class KeyMemory {
public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t most_keys = 4096; // of each kind
  /// For this long a key that was made after a refusal is still refused.
  static constexpr std::chrono::seconds refused_for{2};
  static constexpr std::chrono::minutes proven_for{10};

  enum class Known { nothing, proven, refused };
  Known look(const std::string& hash, Clock::time_point now);

  void prove(const std::string& hash, Clock::time_point now);
  void refuse(const std::string& hash, Clock::time_point now);

  std::size_t size() const;

private:
  using Keys = std::unordered_map<std::string, Clock::time_point>; // the time each entry expires
  static void remember(Keys& keys, const std::string& hash, Clock::time_point until);

  mutable std::mutex mutex_;
  Keys proven_, refused_;
};

} // namespace regroup::http
