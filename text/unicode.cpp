#include "text/unicode.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <utf8proc.h>

namespace regroup::text {
namespace {

using domain::CharacterKind;

utf8proc_int32_t point(char32_t c) { return static_cast<utf8proc_int32_t>(c); }
const utf8proc_uint8_t* bytes(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

bool is_ascii(std::string_view utf8) {
  return std::all_of(utf8.begin(), utf8.end(), [](char c) { return (c & 0x80) == 0; });
}

bool is_ascii(std::u32string_view text) {
  return std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; });
}

std::string lower(const Utf8procUnicode& unicode, std::string_view utf8) {
  std::u32string text = unicode.decode(utf8).value_or(U"");
  for (char32_t& c : text)
    c = static_cast<char32_t>(utf8proc_tolower(point(c)));
  return unicode.encode(text);
}

/// Valid UTF-8 in, valid UTF-8 out; empty only if there is no memory.
std::string nfkc(std::string_view utf8) {
  constexpr auto kForm =
      static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE);
  utf8proc_uint8_t* mapped = nullptr;
  const auto size =
      utf8proc_map(bytes(utf8), static_cast<utf8proc_ssize_t>(utf8.size()), &mapped, kForm);
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner{mapped, &std::free};
  return size < 0
             ? std::string{}
             : std::string(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(size));
}

} // namespace

std::optional<std::u32string> Utf8procUnicode::decode(std::string_view utf8) const {
  if (is_ascii(utf8)) // nearly always, and then each byte is a code point
    return std::u32string{utf8.begin(), utf8.end()};
  std::u32string text;
  text.reserve(utf8.size());
  while (!utf8.empty()) {
    utf8proc_int32_t c = 0;
    const auto used = utf8proc_iterate(bytes(utf8), static_cast<utf8proc_ssize_t>(utf8.size()), &c);
    if (used <= 0)
      return std::nullopt;
    text.push_back(static_cast<char32_t>(c));
    utf8.remove_prefix(static_cast<std::size_t>(used));
  }
  return text;
}

std::string Utf8procUnicode::encode(std::u32string_view text) const {
  std::string utf8;
  utf8.reserve(text.size());
  if (is_ascii(text)) {
    std::transform(text.begin(), text.end(), std::back_inserter(utf8),
                   [](char32_t c) { return static_cast<char>(c); });
    return utf8;
  }
  for (const char32_t c : text) {
    utf8proc_uint8_t buffer[4];
    const auto size = utf8proc_encode_char(point(c), buffer);
    utf8.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(size));
  }
  return utf8;
}

std::u32string Utf8procUnicode::nfkc_lower(std::u32string_view text) const {
  if (is_ascii(text)) { // ASCII is in every normal form (UAX #15, section 1.1)
    std::u32string lowered{text};
    for (char32_t& c : lowered)
      c = c >= U'A' && c <= U'Z' ? c + 0x20 : c;
    return lowered;
  }
  // Compatibility forms may contain capitals ("℡" is "TEL"), and lower case can undo a composition
  // ("İ" becomes "i" and a dot above): so normalise before and after.
  return decode(nfkc(lower(*this, nfkc(encode(text))))).value_or(U"");
}

domain::CharacterKind Utf8procUnicode::kind(char32_t code_point) const {
  if (code_point == U'-' || code_point == U'_' || (code_point >= 0x09 && code_point <= 0x0d) ||
      code_point == 0x85)
    return CharacterKind::separator;
  switch (utf8proc_category(point(code_point))) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    return CharacterKind::letter_or_digit;
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
    return CharacterKind::mark;
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    return CharacterKind::separator;
  default:
    return CharacterKind::other;
  }
}

} // namespace regroup::text
