#include "domain/names.hpp"

#include <algorithm>

namespace regroup::domain {

bool is_control(char32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f);
}

bool has_control(std::u32string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

std::u32string_view trimmed(std::u32string_view text, const Unicode& unicode) {
  const auto blank = [&](char32_t c) {
    return c != U'-' && c != U'_' && unicode.kind(c) == CharacterKind::separator;
  };
  while (!text.empty() && blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && blank(text.back()))
    text.remove_suffix(1);
  return text;
}

std::string slug_of(std::u32string_view name, const Uuid& group_id, const Unicode& unicode) {
  std::u32string slug;
  bool gap = false;        // a separator came after the last character kept
  bool after_base = false; // the previous character was kept, so a mark belongs to it
  for (const char32_t c : unicode.nfkc_lower(name)) {
    const CharacterKind kind = unicode.kind(c);
    const bool keep = kind == CharacterKind::letter_or_digit ||
                      (kind == CharacterKind::mark && after_base && !gap);
    if (keep) {
      if (gap && !slug.empty())
        slug.push_back(U'-');
      gap = false;
      slug.push_back(c);
    } else if (kind == CharacterKind::separator) {
      gap = true;
    }
    after_base = keep;
  }
  if (slug.empty())
    return "group-" + group_id.text().substr(0, 8);
  return cut_slug(unicode.encode(slug), kMaxSlug);
}

std::string cut_slug(std::string_view slug, std::size_t count) {
  std::size_t end = 0;
  for (; end < slug.size(); ++end) {
    const bool starts_code_point = (static_cast<unsigned char>(slug[end]) & 0xc0U) != 0x80U;
    if (starts_code_point && count-- == 0)
      break;
  }
  slug = slug.substr(0, end);
  while (!slug.empty() && slug.back() == '-')
    slug.remove_suffix(1);
  return std::string{slug};
}

} // namespace regroup::domain
