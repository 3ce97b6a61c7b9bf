#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace regroup::app {

/// What a service manager wants to know (systemd, sd_notify(3): datagrams to $NOTIFY_SOCKET).
/// Nothing where nobody asked.
class Notifier {
public:
  /// Takes the variables out of the environment: children have nothing to tell. To be made while
  /// there is one thread.
  Notifier();

  /// "READY=1", or several lines.
  void tell(std::string_view state) const noexcept;
  void tell_reloading() const noexcept;

  /// How often it wants to hear "WATCHDOG=1"; nothing when it does not.
  std::optional<std::chrono::milliseconds> heartbeat() const { return heartbeat_; }

private:
  std::string socket_; // a path, or an abstract name that begins with a NUL
  std::optional<std::chrono::milliseconds> heartbeat_;
};

} // namespace regroup::app
