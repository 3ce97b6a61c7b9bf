#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace regroup::app {

/// Reports to the service manager (systemd, sd_notify(3): datagrams to $NOTIFY_SOCKET). Does
/// nothing if there is none.
class Notifier {
public:
  /// Removes the variables from the environment: children must not report. Construct it while there
  /// is one thread.
  Notifier();

  /// Sends "READY=1", or several such lines.
  void tell(std::string_view state) const noexcept;
  void tell_reloading() const noexcept;

  /// How often to send "WATCHDOG=1"; std::nullopt: never.
  std::optional<std::chrono::milliseconds> heartbeat() const { return heartbeat_; }

private:
  std::string socket_; // a path, or an abstract name that begins with a NUL
  std::optional<std::chrono::milliseconds> heartbeat_;
};

} // namespace regroup::app
