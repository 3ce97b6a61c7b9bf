#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace regroup::domain {

/// What the slug rules need to know of a code point.
enum class CharacterKind { letter_or_digit, mark, separator, other };

/// The port to a Unicode library: `domain/` has the rules, the library the tables. Thread-safe.
class Unicode {
public:
  virtual ~Unicode() = default;

  /// The code points; std::nullopt if the bytes are not UTF-8 (surrogates and overlong forms
  /// included).
  virtual std::optional<std::u32string> decode(std::string_view utf8) const = 0;

  virtual std::string encode(std::u32string_view text) const = 0;

  /// The NFKC of the lower-case form (UAX #15).
  virtual std::u32string nfkc_lower(std::u32string_view text) const = 0;

  virtual CharacterKind kind(char32_t code_point) const = 0;
};

} // namespace regroup::domain
