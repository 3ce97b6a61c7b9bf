#pragma once
#include "config/settings.hpp"
#include "domain/log.hpp"

#include <cstddef>
#include <functional>

namespace regroup::app {

/// What SIGHUP does to a running service.
struct Reload {
  /// Reads the settings anew. Throws std::runtime_error with one line.
  std::function<config::Settings()> read_settings;
  std::function<void(domain::LogLevel)> set_log_level;
  /// Applies the keys and the limits, and returns the number of keys. If it throws
  /// std::runtime_error (with one line), it has changed nothing.
  std::function<std::size_t(const config::Settings&)> take_over;
};

/// Changes everything that may change in a running service, or nothing if the settings or a key
/// cannot be used. Logs which of the two, and what has changed but needs a restart. Returns the
/// settings then in force; `in_force` are the previous ones, as they were read.
config::Settings reload(const config::Settings& in_force, const Reload& how,
                        domain::Log& log) noexcept;

} // namespace regroup::app
