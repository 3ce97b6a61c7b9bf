#pragma once
#include "domain/unicode.hpp"

namespace regroup::text {

/// domain::Unicode by libutf8proc.
class Utf8procUnicode final : public domain::Unicode {
public:
  std::optional<std::u32string> decode(std::string_view utf8) const override;
  std::string encode(std::u32string_view text) const override;
  std::u32string nfkc_lower(std::u32string_view text) const override;
  domain::CharacterKind kind(char32_t code_point) const override;
};

} // namespace regroup::text
