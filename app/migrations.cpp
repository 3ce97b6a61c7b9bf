// regroup migrations list | show | cancel, and regroup live
#include "app/commands.hpp"
#include "app/foundation.hpp"
#include "db/admin.hpp"
#include "domain/command.hpp"
#include "http/admin/admin_query.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <iostream>
#include <string_view>

namespace regroup::app {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(const std::string& why) { throw UsageError("regroup migrations " + why); }

domain::Uuid id_of(const CommandLine& line) {
  const auto id = domain::Uuid::parse(line.words.back());
  if (!id)
    refuse(line.words[1] + ": ID must be a migration_id, which is a UUID");
  return *id;
}

domain::ReadHistory query_of(const CommandLine& line) {
  constexpr std::array<std::string_view, 4> kStatuses{"success", "partial", "failed",
                                                      "rolled_back"};
  domain::ReadHistory query;
  if (line.has("--group"))
    query.registration_group_id = line.value_of("--group");
  if (line.has("--user") && !(query.user_id = domain::Uuid::parse(line.value_of("--user"))))
    refuse("list: --user must be a UUID");
  if (line.has("--status")) {
    query.status = line.value_of("--status");
    if (std::find(kStatuses.begin(), kStatuses.end(), *query.status) == kStatuses.end())
      refuse("list: --status must be success, partial, failed or rolled_back");
  }
  if (line.has("--from")) {
    const auto from = http::parse_time(line.value_of("--from"));
    if (!from)
      refuse("list: --from must be a date or a time such as 2026-11-24T20:33:18Z");
    query.from = http::time_text(*from);
  }
  const std::string limit = line.value_of("--limit", "50");
  const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), query.limit);
  if (error != std::errc{} || end != limit.data() + limit.size() || query.limit < 1 ||
      query.limit > 10000)
    refuse("list: --limit must be a number from 1 to 10000");
  return query;
}

/// The value for a person: "-" if there is none. A string is one that others wrote, so a control
/// character must not reach the terminal.
std::string shown(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null())
    return "-";
  std::string text = found->is_string() ? found->get<std::string>() : found->dump();
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size() + 1, width), ' ');
  return text;
}

std::string outcome_of(const json& migration) {
  return migration.at("error").is_null() ? shown(migration, "status")
                                         : shown(migration.at("error"), "code");
}

int list(const CommandLine& line, const config::Settings& settings) {
  const auto query = query_of(line);
  const Foundation foundation{settings};
  const auto rows = db::read_history(foundation.settings().database, query);
  if (line.has("--json")) {
    std::cout << rows << "\n";
    return 0;
  }
  std::cout << padded("migration", 38) << padded("at", 26) << padded("devices", 9)
            << padded("ms", 9) << padded("outcome", 26) << "registration group\n";
  for (const auto& each : json::parse(rows))
    std::cout << padded(shown(each, "migration_id"), 38) << padded(shown(each, "created_at"), 26)
              << padded(shown(each, "devices_migrated"), 9) << padded(shown(each, "duration_ms"), 9)
              << padded(outcome_of(each), 26) << shown(each, "registration_group_id") << "\n";
  return 0;
}

void print_one(const json& found) {
  for (const char* key :
       {"migration_id", "status", "registration_group_id", "name", "slug", "authenticated_group_id",
        "user_id", "devices_migrated", "devices_remaining", "duration_ms", "trace_id"})
    std::cout << padded(key, 24) << shown(found, key) << "\n";
  if (!found.at("error").is_null())
    std::cout << padded("error", 24) << shown(found.at("error"), "code") << ": "
              << shown(found.at("error"), "message") << "\n";
  for (const auto& each : found.at("timeline"))
    std::cout << padded("  " + shown(each, "event"), 24) << shown(each, "at") << "\n";
  for (const auto& device : found.at("device_ids"))
    std::cout << padded("  device", 24) << device.get<std::string>() << "\n";
}

int show(const CommandLine& line, const config::Settings& settings) {
  const auto id = id_of(line);
  const Foundation foundation{settings};
  const auto found = db::read_migration(foundation.settings().database, id);
  if (line.has("--json"))
    std::cout << found << "\n";
  else
    print_one(json::parse(found));
  return 0;
}

int cancel(const CommandLine& line, const config::Settings& settings) {
  const auto id = id_of(line);
  const Foundation foundation{settings};
  db::cancel_migration(foundation.settings().database, id);
  std::cout << "cancelled: it changes nothing, and the registration group can be migrated again\n";
  return 0;
}

std::string blockers_of(const json& migration) {
  std::string names;
  if (const auto& all = migration.at("blocked_by"); !all.is_null())
    for (const auto& each : all)
      names += (names.empty() ? "" : ", ") + shown(each, "application_name") + " (pid " +
               shown(each, "backend_pid") + ", since " + shown(each, "since") + ")";
  return names;
}

} // namespace

int migrations(const CommandLine& line, const config::Settings& settings) {
  const std::string& verb = line.words[1];
  if (verb == "list")
    return list(line, settings);
  return verb == "show" ? show(line, settings) : cancel(line, settings);
}

int live(const CommandLine& line, const config::Settings& settings) {
  const Foundation foundation{settings};
  const auto running = db::read_live(foundation.settings().database);
  if (line.has("--json")) {
    std::cout << running << "\n";
    return 0;
  }
  const auto all = json::parse(running);
  if (all.empty())
    std::cout << "no migration runs\n";
  for (const auto& each : all) {
    std::cout << padded(shown(each, "migration_id"), 38) << padded(shown(each, "state"), 12)
              << padded("since " + shown(each, "received_at"), 32)
              << padded(shown(each, "replica"), 24) << shown(each, "registration_group_id") << "\n";
    if (const auto names = blockers_of(each); !names.empty())
      std::cout << "  held up by " << names << "\n";
  }
  return 0;
}

} // namespace regroup::app
