#include "http/auth/base64url.hpp"

#include <array>
#include <cstdint>

namespace regroup::http {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kOutside = 0xff;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kOutside);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

} // namespace

std::string base64url_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned pending = 0; // bits not yet encoded
  for (const char c : bytes) {
    bits = (bits << 8U) | static_cast<std::uint8_t>(c);
    for (pending += 8; pending >= 6;) {
      pending -= 6;
      text += kAlphabet[(bits >> pending) & 0x3fU];
    }
  }
  if (pending > 0)
    text += kAlphabet[(bits << (6 - pending)) & 0x3fU];
  return text;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  if (text.size() % 4 == 1)
    return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned pending = 0; // bits not yet part of a whole byte
  for (const char c : text) {
    const std::uint8_t value = kValues[static_cast<std::uint8_t>(c)];
    if (value == kOutside)
      return std::nullopt;
    bits = (bits << 6U) | value;
    pending += 6;
    if (pending >= 8) {
      pending -= 8;
      bytes += static_cast<char>((bits >> pending) & 0xffU);
    }
  }
  if ((bits & ((1U << pending) - 1U)) != 0)
    return std::nullopt;
  return bytes;
}

} // namespace regroup::http
