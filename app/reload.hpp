#pragma once
#include "config/settings.hpp"
#include "domain/log.hpp"

#include <cstddef>
#include <functional>

namespace regroup::app {

/// What SIGHUP does to a running service, and how.
struct Reload {
  /// The settings, read anew. Throws std::runtime_error with one line.
  std::function<config::Settings()> read_settings;
  std::function<void(domain::LogLevel)> set_log_level;
  /// Takes over the keys and the limits; how many keys there are. Throws std::runtime_error with
  /// one line, and has changed nothing then.
  std::function<std::size_t(const config::Settings&)> take_over;
};

/// All of what may change in a running service changes, or, where the settings or a key cannot be
/// used, nothing does. The log says which, and names what has changed and needs a restart. Returns
/// the settings in force then; `in_force` are those before, as they were read.
config::Settings reload(const config::Settings& in_force, const Reload& how,
                        domain::Log& log) noexcept;

} // namespace regroup::app
