#include "domain/names.hpp"
#include "text/unicode.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <string_view>

using namespace regroup; // NOLINT: the words of this file are domain's
using domain::CharacterKind;

namespace {

const text::Utf8procUnicode kUnicode;
const domain::Uuid kGroup = *domain::Uuid::parse("0192f0c1-2b3d-7e4f-8a5b-0123456789ab");

std::string slug(std::u32string_view name) { return domain::slug_of(name, kGroup, kUnicode); }
std::string utf8(std::u32string_view text) { return kUnicode.encode(text); }
std::u32string trimmed(std::u32string_view text) {
  return std::u32string{domain::trimmed(text, kUnicode)};
}

} // namespace

TEST_CASE("a slug is the name in lower case with one hyphen between words") {
  CHECK(slug(U"Chen Family") == "chen-family");
  CHECK(slug(U"camping-2025") == "camping-2025");
  CHECK(slug(U"A  b__C - d\t\ne") == "a-b-c-d-e");
  CHECK(slug(U"  --__ Chen __--  ") == "chen");
}

TEST_CASE("a slug drops what is no letter, digit or separator") {
  CHECK(slug(U"O'Brien & Sons (2025)!") == "obrien-sons-2025");
  CHECK(slug(U"a/b.c:d") == "abcd");
  CHECK(slug(U"\U0001F3D5 camping \U0001F3D5 club") == "camping-club");
  CHECK(slug(U"'; DROP TABLE groups; --") == "drop-table-groups");
}

TEST_CASE("a slug keeps the letters and digits of every script") {
  CHECK(slug(U"東京 家族") == "東京-家族");
  CHECK(slug(U"Семья Ивановых") == "семья-ивановых");
  CHECK(slug(U"Straße") == "straße");
  CHECK(slug(U"عائلة ٢٠٢٥") == "عائلة-٢٠٢٥");
}

TEST_CASE("a slug keeps combining marks with their letter, and none without") {
  CHECK(slug(U"हिन्दी परिवार") == "हिन्दी-परिवार");
  CHECK(slug(U"ครอบครัวน้ำ") == slug(U"ครอบครัวน้ำ "));
  CHECK(slug(U"q\u0323x") == utf8(U"q\u0323x"));
  CHECK(slug(U"\u0301abc") == "abc");
  CHECK(slug(U"a !\u0301b") == "a-b");
  CHECK(slug(U"\u0301\u0302") == "group-0192f0c1");
}

TEST_CASE("names that look the same have the same slug: NFKC") {
  CHECK(slug(U"Cafe\u0301") == slug(U"Caf\u00e9"));
  CHECK(slug(U"Cafe\u0301") == utf8(U"caf\u00e9"));
  CHECK(slug(U"Ｆｕｌｌ　Ｗｉｄｔｈ") == "full-width");
  CHECK(slug(U"ﬁsh ① ² ℡ Ⅷ") == "fish-1-2-tel-viii");
  CHECK(slug(U"J\u030c") == utf8(U"\u01f0")); // only the small letter has a composed form
  CHECK(slug(U"K\u00a0m") == "k-m");          // a no-break space is a space
}

TEST_CASE("lower case does not depend on a locale: the Turkish dotted and dotless I") {
  CHECK(slug(U"İstanbul") == "istanbul");
  CHECK(slug(U"I\u0307stanbul") == "istanbul"); // the same letter, decomposed
  CHECK(slug(U"ISPARTA") == "isparta");
  CHECK(slug(U"ısparta") == "ısparta");
}

TEST_CASE("a slug is stable: the slug of a slug is itself") {
  for (const std::u32string_view name :
       {U"Chen Family", U"İstanbul", U"हिन्दी परिवार", U"℡ ﬁ", U"Cafe\u0301"}) {
    const std::string first = slug(name);
    CHECK(slug(*kUnicode.decode(first)) == first);
  }
}

TEST_CASE("a name of which nothing is left gets a slug from the group's id") {
  CHECK(slug(U"\U0001F3D5\U0001F600") == "group-0192f0c1");
  CHECK(slug(U"---") == "group-0192f0c1");
  CHECK(slug(U"   ") == "group-0192f0c1");
  CHECK(slug(U"") == "group-0192f0c1");
}

TEST_CASE("a slug has at most 120 code points and no hyphen at its end") {
  CHECK(slug(std::u32string(130, U'a')) == std::string(120, 'a'));
  CHECK(kUnicode.decode(slug(std::u32string(130, U'界')))->size() == 120);
  CHECK(slug(std::u32string(119, U'a') + U" bcd") == std::string(119, 'a'));
  CHECK(slug(std::u32string(118, U'a') + U" bcd") == std::string(118, 'a') + "-b");
  // One code point that NFKC turns into four words: 100 of them fit a name, not a slug.
  CHECK(kUnicode.decode(slug(std::u32string(100, U'\uFDFA')))->size() <= domain::kMaxSlug);
}

TEST_CASE("a slug is cut between code points, to the width of an adopted column") {
  CHECK(domain::cut_slug("chen-family", 50) == "chen-family");
  CHECK(domain::cut_slug("chen-family", 6) == "chen-f");
  CHECK(domain::cut_slug("chen-family", 5) == "chen");
  CHECK(domain::cut_slug("東京-家族", 4) == "東京-家");
  CHECK(domain::cut_slug("東京-家族", 3) == "東京");
  CHECK(domain::cut_slug("", 3).empty());
}

TEST_CASE("white space of every kind is trimmed from both ends of a name") {
  CHECK(trimmed(U" \t\u3000Chen Family\u2003\r\n ") == U"Chen Family");
  CHECK(trimmed(U"-_Chen_-") == U"-_Chen_-");
  CHECK(trimmed(U" \u00a0 ").empty());
  CHECK(trimmed(U"").empty());
}

TEST_CASE("control characters are C0, DEL and C1") {
  for (const char32_t c : {U'\0', U'\n', U'\x1f', U'\x7f', U'\x80', U'\x85', U'\x9f'}) {
    CAPTURE(static_cast<unsigned>(c));
    CHECK(domain::is_control(c));
    CHECK(domain::has_control(std::u32string{U"ab"} + c));
  }
  for (const char32_t c : {U' ', U'~', U'\xa0', U'é', U'\u200d', U'\U0001F600'}) {
    CAPTURE(static_cast<unsigned>(c));
    CHECK_FALSE(domain::is_control(c));
  }
  CHECK_FALSE(domain::has_control(U"Chen Family"));
}

TEST_CASE("bytes that are not UTF-8 are not decoded") {
  for (const std::string_view bytes : {
           std::string_view{"\xff"},             // no such byte
           std::string_view{"a\x80"},            // a continuation without a start
           std::string_view{"\xc3"},             // cut short
           std::string_view{"\xe6\x9d"},         //
           std::string_view{"\xc0\xaf"},         // overlong '/'
           std::string_view{"\xe0\x80\xaf"},     //
           std::string_view{"\xed\xa0\x80"},     // a surrogate
           std::string_view{"\xf4\x90\x80\x80"}, // beyond U+10FFFF
       })
    CHECK_FALSE(kUnicode.decode(bytes));
}

TEST_CASE("what is decoded is encoded to the same bytes") {
  for (const std::string& text : {std::string{}, std::string{"camping-2025"}, std::string{"東京é😀"},
                                  std::string{"a\0b", 3}, std::string{"\xf4\x8f\xbf\xbf"}}) {
    const auto decoded = kUnicode.decode(text);
    REQUIRE(decoded);
    CHECK(kUnicode.encode(*decoded) == text);
  }
}

TEST_CASE("a code point's kind is its role in a slug") {
  CHECK(kUnicode.kind(U'a') == CharacterKind::letter_or_digit);
  CHECK(kUnicode.kind(U'東') == CharacterKind::letter_or_digit);
  CHECK(kUnicode.kind(U'٢') == CharacterKind::letter_or_digit);
  CHECK(kUnicode.kind(U'\u0301') == CharacterKind::mark);
  for (const char32_t c : {U' ', U'-', U'_', U'\t', U'\n', U'\u3000', U'\u2028', U'\x85'})
    CHECK(kUnicode.kind(c) == CharacterKind::separator);
  for (const char32_t c : {U'/', U'.', U'\0', U'\u200d', U'\U0001F600', U'\u2013'})
    CHECK(kUnicode.kind(c) == CharacterKind::other);
}
