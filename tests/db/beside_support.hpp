#pragma once
// Regroup beside the original backend, on its database.
#include "tests/db/support.hpp"
#include "tests/support/original_steps.hpp"
#include "tests/support/phone_manager.hpp"

#include <catch2/catch.hpp>

namespace regroup::test {

template <class T> bool is(const domain::Answer& answer) { return answer.is<T>(); }
template <class T> const T& as(const domain::Answer& answer) { return answer.get<T>(); }

/// The original's whole schema, adopted, with people and phones of the test's own.
class OriginalTest {
public:
  OriginalTest() : url{original_backend_database(postgres())} {
    settings.url = url;
    settings.lock_timeout = std::chrono::milliseconds{5000};
    db::apply_schema(settings, log);
    world = std::make_unique<World>(url);
    ada = world->add_user();
    ben = world->add_user();
  }

  /// `count` phones of a registration group: the first is Ada's, the last Ben's.
  std::vector<domain::Uuid> phones(const std::string& string, std::size_t count) {
    auto ids = world->add_devices(string, count, ada);
    world->sql.exec("UPDATE devices SET owner_user_id = $1 WHERE device_id = $2", ben.text(),
                    ids.back().text());
    return ids;
  }

  std::unique_ptr<TestStore> new_store() {
    return std::make_unique<TestStore>(settings, db::read_schema_facts(settings), log, metrics);
  }
  domain::MigrationPtr command(const std::string& string, const domain::Uuid& user,
                               const std::string& name = {},
                               std::vector<domain::Uuid> devices = {}) {
    domain::MigrationRequest request{*unicode.decode(string), {}, {}};
    if (!name.empty())
      request.group_name = unicode.decode(name);
    if (!devices.empty())
      request.device_ids = std::move(devices);
    auto made = domain::make_migration_command(std::move(request), user, unicode);
    made.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    return std::make_shared<const domain::MigrationCommand>(std::move(made));
  }
  domain::Answer migrate(const domain::MigrationPtr& what) { return new_store()->execute(what); }
  std::future<domain::Answer> meanwhile(const domain::Job& what) {
    return std::async(std::launch::async, [this, what] { return new_store()->execute(what); });
  }
  domain::MigrationCompleted migrated(const domain::MigrationPtr& what) {
    return as<domain::MigrationCompleted>(migrate(what));
  }

  /// A migration that their program made.
  std::string migrated_by_them(const std::string& string, const std::string& slug) {
    OriginalMigrate theirs{url, ada.text(), string, slug};
    theirs.finish();
    return theirs.group();
  }
  domain::ChangePtr change(domain::ChangeGroupDevices::Action action, const std::string& group,
                           const domain::Uuid& user, std::vector<domain::Uuid> devices) {
    domain::ChangeGroupDevices what;
    what.action = action;
    what.change_id = domain::Uuid::random();
    what.user_id = user;
    what.group_id = *domain::Uuid::parse(group);
    what.device_ids = std::move(devices);
    what.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    return std::make_shared<const domain::ChangeGroupDevices>(std::move(what));
  }

  /// What they do when a user deletes a group.
  void delete_as_they_do(const std::string& group) {
    world->sql.exec("UPDATE groups SET is_active = false, updated_at = now() WHERE id = $1", group);
  }
  /// What they do when a device leaves a group.
  void take_out_as_they_do(const domain::Uuid& device) {
    world->sql.exec("DELETE FROM device_group_memberships WHERE device_id = $1", device.text());
  }

  domain::RegistrationGroupFound whereabouts(const domain::Uuid& user, const domain::Uuid& device) {
    return as<domain::RegistrationGroupFound>(
        new_store()->execute(domain::FindRegistrationGroup{user, device, {}}));
  }
  std::int64_t devices_of(const std::string& group, const domain::Uuid& user) {
    const auto answer = new_store()->execute(
        domain::ListGroupDevices{user, *domain::Uuid::parse(group), 1, 50, {}});
    const auto& page = as<domain::GroupDevicesPage>(answer);
    CHECK(page.devices.size() == static_cast<std::size_t>(page.total));
    return page.total;
  }
  std::string string_of(const domain::Uuid& device) {
    return world->sql.value<std::string>("SELECT group_id FROM devices WHERE device_id = $1",
                                         device.text());
  }

  /// Each row of the audit, as their program reads it: no NULL, and a status that it knows.
  void their_program_reads_the_audit() {
    CHECK(world->sql.value<int>(
              "SELECT count(*) FROM migration_audit_logs WHERE authenticated_group_id IS NULL "
              "OR user_id IS NULL OR status::text NOT IN ('success', 'failed', 'partial')") == 0);
    CHECK(world->sql.value<int>("SELECT count(*) FROM pg_attribute WHERE attnotnull AND attrelid = "
                                "'migration_audit_logs'::regclass AND attname IN ("
                                "'user_id', 'authenticated_group_id')") == 2);
    CHECK(world->sql.value<std::string>("SELECT enum_range(NULL::migration_status)::text") ==
          "{success,failed,partial}");
  }

  text::Utf8procUnicode unicode;
  SilentLog log;
  domain::Metrics metrics;
  std::string url;
  config::Settings::Database settings;
  std::unique_ptr<World> world;
  domain::Uuid ada;
  domain::Uuid ben;
};

} // namespace regroup::test
