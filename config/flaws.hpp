#pragma once
#include "config/settings.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace regroup::config {

struct Flaw {
  std::string_view key; // the key to change
  std::string why;
};

/// Finds what is wrong with settings that are each well formed: keys that contradict each other
/// (contract, "The program": `auth.*`), or a key file that cannot be read.
std::optional<Flaw> find_flaw(const Settings& settings);

/// Why a file cannot be read; std::nullopt if it can. Does not open it, since a pipe can be read
/// only once.
std::optional<std::string> why_unreadable(const std::string& path);

} // namespace regroup::config
