#include "events/address.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace regroup::events {
namespace {

struct Network {
  std::uint32_t address;
  unsigned bits;
};

constexpr std::uint32_t ip(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24U | b << 16U | c << 8U | d;
}

/// IANA's registry of special-purpose addresses, and multicast.
constexpr std::array<Network, 18> kSpecial{{
    {ip(0, 0, 0, 0), 8},
    {ip(10, 0, 0, 0), 8},
    {ip(100, 64, 0, 0), 10},
    {ip(127, 0, 0, 0), 8},
    {ip(169, 254, 0, 0), 16},
    {ip(172, 16, 0, 0), 12},
    {ip(192, 0, 0, 0), 24},
    {ip(192, 0, 2, 0), 24},
    {ip(192, 31, 196, 0), 24},
    {ip(192, 52, 193, 0), 24},
    {ip(192, 88, 99, 0), 24},
    {ip(192, 168, 0, 0), 16},
    {ip(192, 175, 48, 0), 24},
    {ip(198, 18, 0, 0), 15},
    {ip(198, 51, 100, 0), 24},
    {ip(203, 0, 113, 0), 24},
    {ip(224, 0, 0, 0), 4},
    {ip(240, 0, 0, 0), 4},
}};

bool is_public_v4(std::uint32_t address) {
  return std::none_of(kSpecial.begin(), kSpecial.end(), [&](const Network& network) {
    return (address ^ network.address) >> (32U - network.bits) == 0;
  });
}

bool is_public_v6(const std::array<std::uint8_t, 16>& bytes) {
  const auto group = [&](std::size_t place) {
    return static_cast<std::uint16_t>(bytes[2 * place] << 8U | bytes[2 * place + 1]);
  };
  const auto v4_at = [&](std::size_t place) {
    return is_public_v4(ip(bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]));
  };
  const bool zeros = std::all_of(bytes.begin(), bytes.begin() + 10, [](auto b) { return b == 0; });
  if (zeros && group(5) == 0xffff)
    return v4_at(12); // ::ffff:a.b.c.d
  if (group(0) == 0x64 && group(1) == 0xff9b &&
      std::all_of(bytes.begin() + 4, bytes.begin() + 12, [](auto b) { return b == 0; }))
    return v4_at(12); // 64:ff9b::a.b.c.d (NAT64)
  if (group(0) == 0x2002)
    return v4_at(2); // 6to4
  const bool documentation =
      (group(0) == 0x2001 && group(1) == 0xdb8) || (group(0) == 0x3fff && group(1) < 0x1000);
  const bool protocols = group(0) == 0x2001 && group(1) < 0x200; // includes Teredo
  const bool as112 = group(0) == 0x2620 && group(1) == 0x4f && group(2) == 0x8000;
  return (group(0) & 0xe000U) == 0x2000 && !documentation && !protocols && !as112;
}

} // namespace

bool is_public(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return is_public_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6)
    return false;
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof v6);
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  return is_public_v6(bytes);
}

} // namespace regroup::events
