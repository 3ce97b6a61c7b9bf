#include "domain/uuid.hpp"

#include <sys/random.h>

#include <chrono>
#include <stdexcept>

namespace regroup::domain {
namespace {

constexpr std::size_t kTextLength = 36;

constexpr bool is_dash(std::size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

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
  Uuid uuid;
  std::size_t byte = 0;
  for (std::size_t i = 0; i < kTextLength;) {
    if (is_dash(i)) {
      if (text[i++] != '-')
        return std::nullopt;
      continue;
    }
    const int high = hex_value(text[i]);
    const int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0)
      return std::nullopt;
    uuid.bytes_[byte++] = static_cast<std::uint8_t>(high * 16 + low);
    i += 2;
  }
  return uuid;
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
  std::size_t at = 0;
  for (const std::uint8_t byte : bytes_) {
    if (is_dash(at))
      ++at;
    text[at++] = kDigits[byte >> 4U];
    text[at++] = kDigits[byte & 0x0fU];
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
