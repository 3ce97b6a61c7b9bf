#include "domain/uuid.hpp"

#include <sys/random.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <stdexcept>

namespace regroup::domain {
namespace {

constexpr std::size_t kTextLength = 36;

constexpr std::array<std::size_t, 4> kDashes{8, 13, 18, 23};
/// Where the two digits of each byte begin.
constexpr std::array<std::size_t, 16> kDigitsAt{0,  2,  4,  6,  9,  11, 14, 16,
                                                19, 21, 24, 26, 28, 30, 32, 34};

/// The value of each hexadecimal digit, and -1 for every other character.
constexpr auto kValues = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t digit = 0; digit < 16; ++digit) {
    values.at(static_cast<unsigned char>("0123456789abcdef"[digit])) =
        static_cast<std::int8_t>(digit);
    values.at(static_cast<unsigned char>("0123456789ABCDEF"[digit])) =
        static_cast<std::int8_t>(digit);
  }
  return values;
}();

int hex_value(char c) { return kValues[static_cast<unsigned char>(c)]; }

/// Random bytes from the system, fetched many at a time. Ids of several replicas must never
/// collide, so no seeded generator will do; and std::random_device, which takes a processor
/// instruction for each four bytes, took a ninth of the server's time.
class RandomBytes {
public:
  std::uint8_t next() {
    if (used_ == bytes_.size())
      refill();
    return bytes_[used_++];
  }

private:
  void refill() {
    // Up to 256 bytes are never cut short (getrandom(2)); only an old kernel refuses.
    if (getrandom(bytes_.data(), bytes_.size(), 0) != static_cast<ssize_t>(bytes_.size()))
      throw std::runtime_error("the system has no random numbers");
    used_ = 0;
  }

  std::array<std::uint8_t, 256> bytes_{};
  std::size_t used_ = bytes_.size();
};

void fill_random(std::array<std::uint8_t, 16>& bytes, std::size_t from) {
  thread_local RandomBytes random;
  for (std::size_t i = from; i < bytes.size(); ++i)
    bytes[i] = random.next();
}

void mark(std::array<std::uint8_t, 16>& bytes, std::uint8_t version) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fU) | static_cast<unsigned>(version << 4U));
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fU) | 0x80U);
}

} // namespace

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.size() != kTextLength)
    return std::nullopt;
  for (const auto dash : kDashes)
    if (text[dash] != '-')
      return std::nullopt;
  Uuid uuid;
  int all = 0; // negative if one of the digits is none
  for (std::size_t byte = 0; byte < kDigitsAt.size(); ++byte) {
    const int high = hex_value(text[kDigitsAt[byte]]);
    const int low = hex_value(text[kDigitsAt[byte] + 1]);
    all |= high | low;
    uuid.bytes_[byte] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return all < 0 ? std::nullopt : std::optional{uuid};
}

Uuid Uuid::random() {
  Uuid uuid;
  fill_random(uuid.bytes_, 0);
  mark(uuid.bytes_, 4);
  return uuid;
}

Uuid Uuid::time_ordered() {
  using namespace std::chrono;
  Uuid uuid;
  auto millis = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  for (std::size_t i = 6; i-- > 0; millis >>= 8)
    uuid.bytes_[i] = static_cast<std::uint8_t>(millis & 0xff);
  fill_random(uuid.bytes_, 6);
  mark(uuid.bytes_, 7);
  return uuid;
}

std::optional<std::chrono::system_clock::time_point> Uuid::made_at() const {
  using namespace std::chrono;
  if (bytes_[6] >> 4U != 7)
    return std::nullopt;
  std::int64_t millis = 0;
  for (std::size_t i = 0; i < 6; ++i)
    millis = millis * 256 + bytes_[i];
  return system_clock::time_point{milliseconds{millis}};
}

std::string Uuid::text() const {
  const auto text = characters();
  return {text.data(), text.size()};
}

std::array<char, 36> Uuid::characters() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::array<char, kTextLength> text{};
  text.fill('-');
  for (std::size_t byte = 0; byte < kDigitsAt.size(); ++byte) {
    text[kDigitsAt[byte]] = kDigits[bytes_[byte] >> 4U];
    text[kDigitsAt[byte] + 1] = kDigits[bytes_[byte] & 0x0fU];
  }
  return text;
}

std::size_t Uuid::hash() const {
  std::size_t value = 0;
  for (const std::uint8_t byte : bytes_)
    value = value * 131 + byte;
  return value;
}

} // namespace regroup::domain
