// A refusal reads, and writes nothing: no row is locked for what a look refuses, since PostgreSQL
// writes each row's lock to its log.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::Uuid;

namespace {

struct RefusalTest : DatabaseTest {
  RefusalTest() : owner(world->add_user()), stranger(world->add_user()) {
    world->sql.exec("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off");
  }

  /// Nobody's but for the first, which is the owner's.
  void add_crowd(int devices) {
    world->sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform, "
                    "owner_user_id) SELECT gen_random_uuid(), 'phone', 'crowd', 'android', "
                    "CASE n WHEN 1 THEN $2::uuid END FROM generate_series(1, $1) AS n",
                    devices, owner.text());
  }

  struct Cost {
    std::string outcome;
    std::int64_t wal_records, buffers;
  };

  /// What a call costs that is committed. It is made twice, so whatever it writes is there to be
  /// seen.
  Cost cost(const std::string& call) {
    world->sql.exec("VACUUM ANALYZE"); // or what reads a page may tidy it up, which is a write
    const auto outcome = world->sql.value<std::string>("SELECT outcome FROM " + call);
    const auto plan = nlohmann::json::parse(world->sql.value<std::string>(
        "EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON) SELECT outcome FROM " + call));
    const auto& node = plan[0]["Plan"];
    return {outcome, node["WAL Records"].get<std::int64_t>(),
            node["Shared Hit Blocks"].get<std::int64_t>() +
                node["Shared Read Blocks"].get<std::int64_t>()};
  }

  std::int64_t locked_rows() {
    return world->sql.value<std::int64_t>(
        "SELECT (SELECT count(*) FROM devices WHERE xmax <> '0') + "
        "(SELECT count(*) FROM groups WHERE xmax <> '0')");
  }

  void check_refused(const std::string& call, const std::string& outcome) {
    INFO(call);
    const auto locked_before = locked_rows();
    const auto refused = cost(call);
    CHECK(refused.outcome == outcome);
    CHECK(refused.wal_records == 0);
    CHECK(locked_rows() == locked_before);
  }

  static std::string quoted(const Uuid& id) { return "'" + id.text() + "'"; }

  struct Migration {
    std::string group = "crowd", require_owner = "any", devices = "NULL", key = "NULL",
                link_age = "0";
    std::optional<Uuid> into{};
  };
  static std::string migration(const Uuid& caller, const Migration& what) {
    return "regroup_migrate_v2(gen_random_uuid(), " +
           (what.into ? quoted(*what.into) : std::string{"gen_random_uuid()"}) + ", " +
           quoted(caller) + ", '" + what.group + "', 'Crowd', 'crowd-slug', " + what.devices +
           ", 100, 20, " + what.key + ", 'hash', '" + what.require_owner + "', " +
           (what.into ? "true" : "false") + ", p_link_age_ms => " + what.link_age + ")";
  }

  Uuid add_group(const std::string& slug, const Uuid& user, const std::string& role) {
    const auto id = Uuid::random();
    world->sql.exec("INSERT INTO groups (id, name, slug, created_by) VALUES ($1, $2, $2, $3)",
                    id.text(), slug, owner.text());
    world->sql.exec("INSERT INTO group_memberships (group_id, user_id, role) VALUES ($1, $2, $3)",
                    id.text(), user.text(), role);
    return id;
  }

  Uuid owner, stranger;
};

std::string array_of(const std::vector<Uuid>& ids) {
  std::string text = "ARRAY[";
  for (const auto& id : ids)
    text += (text.back() == '[' ? "'" : ",'") + id.text() + "'";
  return text + "]::uuid[]";
}

} // namespace

TEST_CASE_METHOD(RefusalTest, "refusing 100,000 devices to who owns none reads little and writes "
                              "nothing") {
  add_crowd(100000);
  for (const auto* rule : {"any", "majority", "all_linked"}) {
    const auto refused = cost(migration(stranger, {.require_owner = rule}));
    CHECK(refused.outcome == "not_device_owner");
    CHECK(refused.wal_records == 0);
    CHECK(refused.buffers < 500); // a look at each row would take 2,000, one for each more 300,000
  }
  CHECK(locked_rows() == 0);
}

TEST_CASE_METHOD(RefusalTest, "refusing 100,000 devices for anything else writes nothing either") {
  add_crowd(100000);
  check_refused(migration(owner, {}), "too_many_devices");
  check_refused(migration(owner, {.into = add_group("there", owner, "owner")}), "too_many_devices");
  world->sql.exec("UPDATE devices SET owner_user_id = $1 WHERE owner_user_id IS NULL",
                  stranger.text());
  check_refused(migration(owner, {.require_owner = "majority"}), "not_owner_of_enough");
  check_refused(migration(owner, {.require_owner = "all_linked"}), "not_owner_of_enough");
}

TEST_CASE_METHOD(RefusalTest, "no refusal of a migration locks a row") {
  add_crowd(50);
  world->sql.exec(
      "UPDATE devices SET owner_user_id = $1 WHERE owner_user_id IS NULL AND id % 2 = 0",
      stranger.text());
  const auto nobody = world->add_user();
  check_refused(migration(nobody, {}), "not_device_owner");
  check_refused(migration(nobody, {.devices = "(SELECT array_agg(device_id) FROM devices)"}),
                "not_device_owner");
  check_refused(migration(owner, {.devices = array_of({Uuid::random()})}), "no_devices");
  check_refused(migration(owner, {.group = "nowhere"}), "no_devices");
  for (const auto* rule : {"majority", "all_linked"}) {
    check_refused(migration(owner, {.require_owner = rule}), "not_owner_of_enough");
    // of new links none votes
    check_refused(migration(stranger, {.require_owner = rule, .link_age = "3600000"}),
                  "not_owner_of_enough");
  }
  check_refused(migration(owner, {.into = Uuid::random()}), "group_not_found");
  check_refused(migration(owner, {.into = add_group("there", stranger, "owner")}),
                "not_group_member");
  check_refused(migration(owner, {.into = add_group("theirs", owner, "member")}), "forbidden");
  check_refused(migration(world->add_user(false), {}), "unauthorized");

  add_group("crowd-slug", stranger, "owner");
  check_refused(migration(owner, {}), "group_name_exists");
  check_refused(migration(stranger, {.devices = "(SELECT array_agg(device_id) FROM devices)"}),
                "group_name_exists");
}

TEST_CASE_METHOD(RefusalTest, "who owns only what was migrated before is refused without a lock") {
  // The group's slug is the registration group's string: what was migrated still has that string.
  auto ids = world->add_devices("crowd", 4, owner);
  REQUIRE(completed(migrate(command("crowd", owner, {ids[0], ids[1]}))));
  REQUIRE(world->devices_in("crowd") == 4);
  check_refused(migration(owner, {}), "not_device_owner");
  check_refused(migration(owner, {.require_owner = "majority"}), "not_device_owner");
  check_refused(migration(owner, {.devices = array_of({ids[2]})}), "not_device_owner");
  check_refused(migration(owner, {.devices = array_of({ids[0]})}), "migrated_in_parts");
}

TEST_CASE_METHOD(RefusalTest, "what was migrated before is refused without a lock") {
  world->add_devices("crowd", 3, owner);
  world->add_devices("other", 3, owner);
  REQUIRE(completed(migrate(keyed("crowd", owner, "key", "another hash"))));
  check_refused(migration(owner, {}), "already_migrated");
  check_refused(migration(stranger, {}), "already_migrated");
  check_refused(migration(owner, {.group = "other", .key = "'key'"}), "idempotency_mismatch");
}

TEST_CASE_METHOD(RefusalTest, "no refusal of an undo locks a row") {
  world->add_devices("crowd", 3, owner);
  const auto done = *completed(migrate(command("crowd", owner)));
  const auto undo = [&](const Uuid& caller, const std::string& window = "3600000") {
    return "regroup_undo_v1(gen_random_uuid(), " + quoted(done.authenticated_group_id) + ", " +
           quoted(caller) + ", 'crowd', " + window + ", NULL)";
  };
  check_refused(undo(stranger), "not_group_member");
  check_refused(undo(owner, "0"), "rollback_expired");
  world->sql.exec("INSERT INTO group_memberships (group_id, user_id) VALUES ($1, $2)",
                  done.authenticated_group_id.text(), stranger.text());
  check_refused(undo(stranger), "forbidden");
  check_refused(undo(owner), "group_modified");
}

TEST_CASE_METHOD(RefusalTest, "no refused change of a group's devices locks a row") {
  const auto group = add_group("there", owner, "owner");
  const auto mine = world->add_devices("mine", 2, owner);
  const auto change = [&](const Uuid& caller, const std::string& action,
                          const std::vector<Uuid>& ids, const std::string& partial = "false") {
    return "regroup_change_devices_v1(gen_random_uuid(), " + quoted(caller) + ", " + quoted(group) +
           ", '" + action + "', " + array_of(ids) + ", " + partial + ", NULL, 'hash')";
  };
  check_refused(change(owner, "add", mine), "refused");              // the second is nobody's
  check_refused(change(owner, "add", {mine[1]}, "true"), "changed"); // which is nothing
  check_refused(change(owner, "add", {Uuid::random()}), "refused");
  check_refused(change(owner, "remove", {mine[0]}), "refused");
  check_refused(change(stranger, "add", mine), "not_group_member");
  world->sql.exec("UPDATE groups SET max_devices = 0");
  check_refused(change(owner, "add", {mine[0]}), "refused");
}

TEST_CASE_METHOD(RefusalTest, "no refused registration of a device locks a row") {
  const auto old = world->add_devices("crowd", 3, owner);
  const auto other = world->add_devices("other", 1, stranger);
  const auto free = world->add_devices("free", 2, owner);
  REQUIRE(completed(migrate(command("crowd", owner))));
  add_group("taken", owner, "owner");
  const auto registration = [&](const Uuid& device, const std::string& group, const Uuid& caller) {
    return "regroup_register_device_v2(" + quoted(device) + ", 'phone', '" + group +
           "', 'android', NULL, " + quoted(caller) + ")";
  };
  check_refused(registration(other[0], "other", owner), "already_linked");
  check_refused(registration(other[0], "crowd", stranger), "already_migrated");
  check_refused(registration(free[1], "crowd", stranger), "already_migrated");
  check_refused(registration(free[0], "taken", owner), "group_name_exists");
  check_refused(registration(Uuid::random(), "crowd", owner), "already_migrated");
  check_refused(registration(old[0], "crowd", world->add_user(false)), "unauthorized");
}
