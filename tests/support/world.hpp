#pragma once
#include "domain/uuid.hpp"
#include "tests/support/sql.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace regroup::test {

/// The people and phones of a test, written straight into a database that has the schema.
class World {
public:
  explicit World(const std::string& url) : sql(url) {}

  domain::Uuid add_user(bool active = true) {
    const auto id = domain::Uuid::random();
    sql.exec("INSERT INTO users (id, email, is_active) VALUES ($1, $2, $3)", id.text(),
             id.text() + "@example.com", active);
    return id;
  }

  /// `count` devices of a registration group, in ascending order; the first one belongs to `owner`.
  std::vector<domain::Uuid> add_devices(const std::string& group, std::size_t count,
                                        const domain::Uuid& owner) {
    std::vector<domain::Uuid> ids(count);
    std::generate(ids.begin(), ids.end(), domain::Uuid::random);
    std::sort(ids.begin(), ids.end());
    for (const auto& id : ids)
      sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform, owner_user_id) "
               "VALUES ($1, 'phone', $2, 'android', $3)",
               id.text(), group, id == ids.front() ? owner.text().c_str() : nullptr);
    return ids;
  }

  /// Those that are active, and their members: an undo leaves the rows.
  int groups() { return sql.value<int>("SELECT count(*) FROM groups WHERE is_active"); }
  int group_members() {
    return sql.value<int>("SELECT count(*) FROM group_memberships m "
                          "JOIN groups g ON g.id = m.group_id AND g.is_active");
  }
  int memberships() { return sql.value<int>("SELECT count(*) FROM device_group_memberships"); }
  /// Migrations of one status, as the history has it.
  int audits(const std::string& status) {
    return sql.value<int>(
        "SELECT count(*) FROM (SELECT regroup_status(a) AS status FROM migration_audit_logs a "
        "UNION ALL SELECT status FROM regroup_operations WHERE kind = 'migration') m "
        "WHERE m.status = $1",
        status);
  }
  int devices_in(const std::string& group) {
    return sql.value<int>("SELECT count(*) FROM devices WHERE group_id = $1", group);
  }
  /// The error code of the migration that failed last.
  std::string failure_code() {
    return sql.value<std::string>("SELECT error_code FROM regroup_operations "
                                  "WHERE kind = 'migration' ORDER BY created_at DESC LIMIT 1");
  }
  /// Raises inside the migration when the `nth` device of one statement gets its membership.
  void raise_at_device(int nth) {
    sql.exec("CREATE SEQUENCE IF NOT EXISTS test_device_count");
    sql.exec("CREATE OR REPLACE FUNCTION test_raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
             "IF nextval('test_device_count') = " +
             std::to_string(nth) +
             " THEN RAISE EXCEPTION 'device % fails', NEW.device_id; END IF; RETURN NEW; END $$; "
             "CREATE TRIGGER test_raise BEFORE INSERT ON device_group_memberships "
             "FOR EACH ROW EXECUTE FUNCTION test_raise()");
  }
  void raise_no_more() { sql.exec("DROP TRIGGER test_raise ON device_group_memberships"); }

  Sql sql;
};

} // namespace regroup::test
