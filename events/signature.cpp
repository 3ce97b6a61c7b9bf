#include "events/signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <stdexcept>

namespace regroup::events {

std::string signature(std::string_view secret, std::chrono::sys_seconds at, std::string_view body) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const std::string time = std::to_string(at.time_since_epoch().count());
  const std::string text = time + "." + std::string{body};
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned length = 0;
  if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac.data(),
           &length) == nullptr)
    throw std::runtime_error("HMAC-SHA256 cannot be computed");
  std::string header = "t=" + time + ",v1=";
  for (unsigned i = 0; i < length; ++i) {
    header += kDigits[mac[i] >> 4U];
    header += kDigits[mac[i] & 0xfU];
  }
  return header;
}

} // namespace regroup::events
