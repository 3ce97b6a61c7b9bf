#include "config/flaws.hpp"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace regroup::config {
namespace {

struct Entry {
  std::string_view key;
  const std::string& value;
};

/// Those of the three sources of token keys that are set.
std::vector<std::string_view> sources_of_keys(const Settings::Auth& auth) {
  std::vector<std::string_view> set;
  for (const Entry& source :
       {Entry{"auth.jwt_public_key_file", auth.jwt_public_key_file},
        Entry{"auth.jwt_jwks_file", auth.jwt_jwks_file}, Entry{"auth.jwt_secret", auth.jwt_secret}})
    if (!source.value.empty())
      set.push_back(source.key);
  return set;
}

/// Only the embedded default has a key without being given one: an HS256 secret of its own.
std::optional<Flaw> flaw_without_algorithm(const Settings& settings,
                                           const std::vector<std::string_view>& sources) {
  if (!settings.database.url.empty())
    return Flaw{"auth.jwt_algorithm", "must be set where database.url is"};
  if (!sources.empty())
    return Flaw{sources.front(), "auth.jwt_algorithm must be set with it"};
  if (!settings.auth.jwt_private_key_file.empty())
    return Flaw{"auth.jwt_private_key_file", "auth.jwt_algorithm must be set with it"};
  return std::nullopt;
}

std::optional<Flaw> flaw_of_token_keys(const Settings& settings) {
  const std::string& algorithm = settings.auth.jwt_algorithm;
  const auto sources = sources_of_keys(settings.auth);
  if (algorithm.empty())
    return flaw_without_algorithm(settings, sources);
  if (sources.size() > 1)
    return Flaw{sources[1], "does not go with " + std::string{sources[0]} +
                                ": exactly one of them must be set"};
  const bool symmetric = algorithm == "HS256";
  if (sources.empty()) {
    if (symmetric && settings.database.url.empty())
      return std::nullopt;
    return Flaw{"auth.jwt_algorithm", symmetric
                                          ? "auth.jwt_secret or auth.jwt_jwks_file must be set"
                                          : "auth.jwt_public_key_file or auth.jwt_jwks_file must "
                                            "be set"};
  }
  if (sources[0] == (symmetric ? "auth.jwt_public_key_file" : "auth.jwt_secret"))
    return Flaw{sources[0], "does not go with " + algorithm};
  if (symmetric && !settings.auth.jwt_private_key_file.empty())
    return Flaw{"auth.jwt_private_key_file", "does not go with HS256"};
  return std::nullopt;
}

} // namespace

std::optional<Flaw> find_flaw(const Settings& settings) {
  if (auto flaw = flaw_of_token_keys(settings))
    return flaw;
  const Settings::Auth& auth = settings.auth;
  for (const Entry& file : {Entry{"auth.jwt_public_key_file", auth.jwt_public_key_file},
                            Entry{"auth.jwt_jwks_file", auth.jwt_jwks_file},
                            Entry{"auth.jwt_private_key_file", auth.jwt_private_key_file}})
    if (!file.value.empty())
      if (const auto why = why_unreadable(file.value))
        return Flaw{file.key, "cannot read " + file.value + ": " + *why};
  return std::nullopt;
}

std::optional<std::string> why_unreadable(const std::string& path) {
  if (::access(path.c_str(), R_OK) != 0)
    return std::generic_category().message(errno);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return "it is a directory";
  return std::nullopt;
}

} // namespace regroup::config
