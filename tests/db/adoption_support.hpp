#pragma once
// An existing database of a phone manager's backend (tests/support/phone_manager.sql), and what
// the adoption's tests ask about it.
#include "db/adoption/inspection.hpp"
#include "tests/db/support.hpp"
#include "tests/support/phone_manager.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

namespace regroup::test {

using Lines = std::vector<std::string>;

/// Remembers the events, each as "name value value".
class RememberingLog final : public domain::Log {
public:
  void event(domain::LogLevel, std::string_view name,
             std::initializer_list<domain::LogField> fields) noexcept override {
    std::string line{name};
    for (const auto& [key, value] : fields)
      if (const auto* text = std::get_if<std::string_view>(&value))
        line += " " + std::string{*text};
    const std::lock_guard guard{mutex_};
    lines_.push_back(std::move(line));
  }
  bool has(const std::string& part) const {
    const std::lock_guard guard{mutex_};
    return std::any_of(lines_.begin(), lines_.end(),
                       [&](const auto& line) { return line.find(part) != line.npos; });
  }

private:
  mutable std::mutex mutex_;
  Lines lines_;
};

class AdoptionTest {
public:
  AdoptionTest() : AdoptionTest(phone_manager_database(postgres())) {}
  explicit AdoptionTest(std::string database_url) : url{std::move(database_url)}, sql{url} {
    settings.url = url;
    settings.lock_timeout = std::chrono::milliseconds{5000};
  }

  Lines announced() const {
    Lines lines;
    for (const auto& change : db::inspect_schema(settings).changes)
      if (!change.what.empty())
        lines.push_back(change.what);
    return lines;
  }
  Lines apply() { return db::apply_schema(settings, log); }

  /// The first line of what stops the start; empty when nothing does.
  std::string stop() const { return db::inspect_schema(settings).stop(); }

  /// The findings of one code, as "what -> remedy".
  Lines findings(const std::string& code) const {
    Lines lines;
    for (const auto& each : db::inspect_schema(settings).findings)
      if (each.code == code)
        lines.push_back(each.what + " -> " + each.remedy);
    return lines;
  }

  domain::MigrationCommand command(const domain::Uuid& user, const std::string& group,
                                   const std::string& name = {}) {
    domain::MigrationRequest request{*unicode.decode(group), {}, {}};
    if (!name.empty())
      request.group_name = unicode.decode(name);
    auto made = domain::make_migration_command(std::move(request), user, unicode);
    made.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    return made;
  }
  domain::Answer migrate(domain::MigrationCommand what) {
    TestStore store{settings, db::read_schema_facts(settings), log, metrics};
    return store.execute(std::make_shared<const domain::MigrationCommand>(std::move(what)));
  }

  domain::Uuid user_with_devices(const std::string& group, std::size_t count) {
    World world{url};
    const auto user = world.add_user();
    world.add_devices(group, count, user);
    return user;
  }

  int count(const std::string& what) { return sql.value<int>("SELECT count(*) FROM " + what); }
  bool is_valid(const std::string& index) {
    return sql.value<bool>("SELECT coalesce((SELECT indisvalid FROM pg_index "
                           "WHERE indexrelid = to_regclass($1)), false)",
                           index);
  }

  text::Utf8procUnicode unicode;
  RememberingLog log;
  domain::Metrics metrics;
  std::string url;
  config::Settings::Database settings;
  Sql sql;
};

inline bool mentions(const Lines& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const auto& line) { return line.find(part) != line.npos; });
}

} // namespace regroup::test
