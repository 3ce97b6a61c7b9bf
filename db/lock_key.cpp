#include "db/lock_key.hpp"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>
#include <string>

namespace regroup::db {

std::int64_t lock_key(std::string_view registration_group_id) {
  const std::string named = "regroup:migrate:v1:" + std::string{registration_group_id};
  std::array<unsigned char, 32> digest{};
  if (EVP_Digest(named.data(), named.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    throw std::runtime_error("SHA-256 is not available");
  std::uint64_t key = 0;
  for (std::size_t byte = 0; byte < sizeof key; ++byte)
    key = key << 8 | digest[byte];
  return static_cast<std::int64_t>(key);
}

} // namespace regroup::db
