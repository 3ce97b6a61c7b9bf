#pragma once
#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace regroup::domain {

/// A UUID as a value: 16 bytes, which sort as their text does.
class Uuid {
public:
  Uuid() = default;

  /// Parses the canonical form of RFC 9562 (8-4-4-4-12 hex digits, either case), and nothing else.
  static std::optional<Uuid> parse(std::string_view text);

  /// A version 4 UUID: 122 random bits from the system.
  static Uuid random();

  /// A version 7 UUID: milliseconds first, so that rows that a replica writes one after the other
  /// are neighbours in PostgreSQL's indexes.
  static Uuid time_ordered();

  /// When it was made; std::nullopt unless it is of version 7.
  std::optional<std::chrono::system_clock::time_point> made_at() const;

  /// 36 characters, lower case.
  std::string text() const;

  /// As text(), without a std::string; not zero-terminated.
  std::array<char, 36> characters() const;

  /// A hash that spreads evenly UUIDs whose last bytes are random.
  std::size_t hash() const;

  auto operator<=>(const Uuid&) const = default;

private:
  std::array<std::uint8_t, 16> bytes_{};
};

struct UuidHash {
  std::size_t operator()(const Uuid& id) const { return id.hash(); }
};

} // namespace regroup::domain
