#include "app/reload.hpp"

#include "config/loader.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <string_view>

namespace regroup::app {

config::Settings reload(const config::Settings& in_force, const Reload& how,
                        domain::Log& log) noexcept try {
  const config::Settings fresh = how.read_settings();
  const std::size_t token_keys = how.take_over(fresh);
  config::Settings now = in_force;
  std::string changed;
  std::string waiting;
  for (const config::Key& key : config::keys()) {
    if (key.same(in_force, fresh))
      continue;
    std::string& names = key.reloads ? changed : waiting;
    names.append(names.empty() ? "" : ", ").append(key.name);
    if (key.reloads)
      key.copy(fresh, now);
  }
  // Logged at the more verbose of the two levels.
  how.set_log_level(std::min(in_force.log.level, now.log.level));
  log.event(domain::LogLevel::info, "reload.done",
            {{"changed", std::string_view{changed}},
             {"token_keys", static_cast<std::int64_t>(token_keys)}});
  if (!waiting.empty())
    log.event(domain::LogLevel::warning, "reload.needs_restart",
              {{"keys", std::string_view{waiting}}});
  how.set_log_level(now.log.level);
  return now;
} catch (const std::exception& why) {
  log.event(
      domain::LogLevel::error, "reload.refused",
      {{"error", std::string_view{why.what()}}, {"in_force", "the settings and keys before"}});
  return in_force;
}

} // namespace regroup::app
