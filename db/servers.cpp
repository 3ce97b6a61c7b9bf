#include "db/servers.hpp"

#include "db/conninfo.hpp"

#include <charconv>
#include <system_error>

namespace regroup::db {

std::optional<History> history_from(std::string_view system, std::string_view timeline) {
  History history{std::string{system}, 0};
  const char* end = timeline.data() + timeline.size();
  const auto [at, error] = std::from_chars(timeline.data(), end, history.timeline);
  if (system.empty() || error != std::errc{} || at != end)
    return std::nullopt;
  return history;
}

Servers::Servers(const config::Settings::Database& settings)
    : conninfos_(conninfo_of_each_host(settings)) {}

std::vector<std::size_t> Servers::order() const {
  const std::scoped_lock lock{mutex_};
  std::vector<std::size_t> order{preferred_};
  for (std::size_t server = 0; server < count(); ++server)
    if (server != preferred_)
      order.push_back(server);
  return order;
}

std::optional<std::uint64_t> Servers::take(std::size_t server,
                                           const std::optional<History>& history) {
  const std::scoped_lock lock{mutex_};
  if (history) {
    const bool same = history->system == newest_.system;
    if (same && history->timeline < newest_.timeline)
      return std::nullopt;
    if (!same || history->timeline > newest_.timeline) {
      newest_ = *history;
      ++era_;
    }
  }
  preferred_ = server;
  return era_;
}

} // namespace regroup::db
