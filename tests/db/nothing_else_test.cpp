// Random worlds with other programs' tables, every row of every table before and after: a migration
// touches what the contract says, and nothing else.
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

using namespace regroup;
using namespace regroup::test;
using domain::Uuid;
using nlohmann::json;

namespace {

constexpr int kRounds = 40;

unsigned chosen_seed() {
  const char* given = std::getenv("REGROUP_TEST_SEED"); // NOLINT(concurrency-mt-unsafe)
  return given ? static_cast<unsigned>(std::stoul(given)) : std::random_device{}();
}

/// Every row of every table, as JSON; of a sequence what it gave last.
using Dump = std::map<std::string, std::multiset<std::string>>;

Dump dump(Sql& sql) {
  Dump all;
  const auto relations =
      sql.exec("SELECT quote_ident(relname) AS name, relkind = 'S' AS is_sequence FROM pg_class "
               "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')");
  for (const auto& relation : relations) {
    const std::string name = relation["name"].c_str();
    const std::string row = relation["is_sequence"].as<bool>()
                                ? "jsonb_build_object('last', t.last_value, 'called', t.is_called)"
                                : "to_jsonb(t)";
    auto& rows = all[name];
    for (const auto& each : sql.exec("SELECT " + row + " FROM public." + name + " t"))
      rows.insert(json::parse(each[0].c_str()).dump());
  }
  return all;
}

std::vector<json> rows_of(const Dump& from, const std::string& table) {
  std::vector<json> rows;
  for (const auto& text : from.at(table))
    rows.push_back(json::parse(text));
  return rows;
}

/// What is in one and not in the other, a line each.
std::string difference(const Dump& expected, const Dump& found) {
  std::string text;
  const auto tell = [&](const char* sign, const Dump& here, const Dump& there) {
    for (const auto& [table, rows] : here) {
      std::vector<std::string> more;
      const auto other = there.find(table);
      const std::multiset<std::string> none;
      const auto& without = other == there.end() ? none : other->second;
      std::set_difference(rows.begin(), rows.end(), without.begin(), without.end(),
                          std::back_inserter(more));
      for (const auto& row : more)
        text += sign + table + " " + row + "\n";
    }
  };
  tell("missing: ", expected, found);
  tell("too much: ", found, expected);
  return text;
}

json texts(const std::vector<Uuid>& ids) {
  json all = json::array();
  for (const auto& id : ids)
    all.push_back(id.text());
  return all;
}

struct NothingElseTest : DatabaseTest {
  NothingElseTest() : seed(chosen_seed()), random(seed) {
    world->sql.exec(
        "CREATE TABLE locations (id bigserial PRIMARY KEY, device_id uuid NOT NULL REFERENCES "
        "devices (device_id) ON DELETE CASCADE ON UPDATE CASCADE, latitude float8, longitude "
        "float8, seen_at timestamptz DEFAULT now());"
        "CREATE TABLE push_tokens (device bigint NOT NULL REFERENCES devices (id), token text, "
        "group_id varchar(255));"
        "CREATE TABLE pairings (one uuid REFERENCES devices (device_id), other uuid REFERENCES "
        "devices (device_id), UNIQUE (one, other));"
        "CREATE TABLE invitations (id serial PRIMARY KEY, group_id uuid REFERENCES groups (id) ON "
        "DELETE CASCADE, invited_by uuid REFERENCES users (id), code text DEFAULT md5('x'));"
        "CREATE TABLE settings_of_users (user_id uuid PRIMARY KEY REFERENCES users (id), value "
        "jsonb);"
        "ALTER TABLE devices ADD COLUMN battery int DEFAULT 50, ADD COLUMN last_location point;"
        "ALTER TABLE groups ADD COLUMN colour text DEFAULT 'green'");
  }

  int upto(int most) { return std::uniform_int_distribution{0, most}(random); }
  bool likely(int percent) { return upto(99) < percent; }
  template <class T> const T& one_of(const std::vector<T>& from) {
    return from.at(static_cast<std::size_t>(upto(static_cast<int>(from.size()) - 1)));
  }

  void grow() {
    for (int i = upto(2) + (users.empty() ? 2 : 0); i > 0; --i)
      users.push_back(world->add_user(likely(90)));
    const std::vector<std::string> names{"camping-", "Caf\xc3\xa9 ", "\xe6\xb9\x96", "--",
                                         "A B_c "};
    for (int i = upto(2) + (registration_groups.empty() ? 1 : 0); i > 0; --i)
      registration_groups.push_back(one_of(names) + std::to_string(registration_groups.size()));
    for (int i = upto(6); i > 0; --i)
      add_device();
    for (int i = upto(4); i > 0 && devices.size() > 1; --i)
      add_other_programs_rows();
    for (int i = upto(2); i > 0; --i)
      change_a_group();
  }

  void add_device() {
    devices.push_back(Uuid::random());
    world->sql.exec(
        "INSERT INTO devices (device_id, display_name, group_id, platform, fcm_token, active, "
        "owner_user_id, is_primary, linked_at, last_seen_at, created_at, updated_at, battery) "
        "VALUES ($1, 'phone', $2, 'ios', $3, $4, $5, $6, now(), now() - interval '1 day', "
        "now() - interval '9 days', now() - interval '2 days', $7)",
        devices.back().text(),
        likely(50) ? registration_groups.back() : one_of(registration_groups),
        likely(50) ? "token" : nullptr, likely(85),
        likely(70) ? one_of(users).text().c_str() : nullptr, likely(20), upto(100));
  }

  void add_other_programs_rows() {
    const auto device = one_of(devices).text();
    world->sql.exec("INSERT INTO locations (device_id, latitude, longitude) VALUES ($1, $2, $3)",
                    device, 0.5 + upto(80), upto(170));
    world->sql.exec("INSERT INTO push_tokens SELECT id, fcm_token, group_id FROM devices "
                    "WHERE device_id = $1",
                    device);
    world->sql.exec("INSERT INTO pairings VALUES ($1, $2) ON CONFLICT DO NOTHING", device,
                    one_of(devices).text());
    world->sql.exec(
        "INSERT INTO settings_of_users VALUES ($1, '{\"a\": 1}') ON CONFLICT DO NOTHING",
        one_of(users).text());
    world->sql.exec("INSERT INTO invitations (group_id, invited_by) SELECT id, $1 FROM groups "
                    "ORDER BY random() LIMIT 1",
                    one_of(users).text());
  }

  /// A device goes into a group or out of one, as its owner would have it; or cannot.
  void change_a_group() {
    if (groups.empty() || devices.empty())
      return;
    domain::ChangeGroupDevices change;
    change.action = likely(60) ? domain::ChangeGroupDevices::Action::add
                               : domain::ChangeGroupDevices::Action::remove;
    change.change_id = Uuid::random();
    change.user_id = one_of(users);
    change.group_id = one_of(groups);
    change.device_ids = {one_of(devices)};
    change.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    store->execute(std::make_shared<const domain::ChangeGroupDevices>(std::move(change)));
  }

  /// Devices whose group_id is neither their registration group nor the slug of a group that they
  /// were migrated into and are in.
  int strays() {
    std::set<std::string> known{registration_groups.begin(), registration_groups.end()};
    int count = 0;
    for (const auto& device : world->sql.exec(
             "SELECT d.group_id, regroup_is_migrated(d.device_id) AS migrated, EXISTS (SELECT FROM "
             "device_group_memberships m JOIN migration_audit_logs a ON a.authenticated_group_id = "
             "m.group_id AND a.status IN ('success', 'partial') WHERE m.device_id = d.device_id "
             "AND "
             "d.device_id = ANY (a.device_ids) AND a.group_slug = d.group_id) AS there "
             "FROM devices d"))
      count += device["migrated"].as<bool>() ? !device["there"].as<bool>()
                                             : known.count(device["group_id"].c_str()) == 0;
    return count;
  }

  domain::MigrationPtr random_migration() {
    std::string group = one_of(registration_groups);
    Uuid user = one_of(users);
    const auto owned = world->sql.exec("SELECT group_id, owner_user_id FROM devices d JOIN users u "
                                       "ON u.id = d.owner_user_id AND u.is_active WHERE d.active "
                                       "AND NOT regroup_is_migrated(device_id) ORDER BY device_id");
    if (!owned.empty() && likely(75)) {
      const auto row =
          owned.at(static_cast<pqxx::result::size_type>(upto(static_cast<int>(owned.size()) - 1)));
      group = row[0].c_str();
      user = Uuid::parse(row[1].c_str()).value();
    }
    domain::MigrationRequest request{*unicode.decode(group), {}, {}};
    if (likely(40))
      request.group_name = *unicode.decode("Family " + std::to_string(upto(25)));
    if (likely(30) && !devices.empty()) {
      request.device_ids.emplace();
      for (int i = upto(5); i >= 0; --i)
        request.device_ids->push_back(likely(90) ? one_of(devices) : Uuid::random());
    }
    auto command = domain::make_migration_command(std::move(request), user, unicode);
    if (likely(30))
      command.idempotency = domain::IdempotencyKey{"key-" + std::to_string(upto(20)), "hash"};
    command.max_devices = likely(90) ? 100 : 2;
    command.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    return std::make_shared<const domain::MigrationCommand>(std::move(command));
  }

  unsigned seed;
  std::mt19937 random;
  std::vector<Uuid> users;
  std::vector<Uuid> devices;
  std::vector<Uuid> groups;
  std::vector<std::string> registration_groups;
  std::unique_ptr<TestStore> store = new_store();
};

/// The devices that the migration is about, by the contract's words alone, in ascending order.
std::vector<Uuid> concerned(const Dump& before, const domain::MigrationCommand& migration) {
  std::set<std::pair<json, json>> made_by_migrations; // device, group
  for (const auto& audit : rows_of(before, "migration_audit_logs"))
    if (audit.at("status") == "success" || audit.at("status") == "partial")
      for (const auto& device : audit.at("device_ids"))
        made_by_migrations.emplace(device, audit.at("authenticated_group_id"));
  std::set<json> migrated;
  for (const auto& membership : rows_of(before, "device_group_memberships"))
    if (made_by_migrations.count({membership.at("device_id"), membership.at("group_id")}) > 0)
      migrated.insert(membership.at("device_id"));
  std::vector<Uuid> ids;
  for (const auto& device : rows_of(before, "devices")) {
    const auto id = Uuid::parse(device.at("device_id").get<std::string>()).value();
    const auto& asked = migration.device_ids;
    if (device.at("group_id") == migration.registration_group_id && device.at("active") == true &&
        migrated.count(device.at("device_id")) == 0 &&
        (!asked || std::count(asked->begin(), asked->end(), id) > 0))
      ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

/// `before` with what a migration writes. What it is free to choose (the time of its transaction,
/// the ids of memberships, how long it took) is taken from `after`.
Dump expected_after(Dump before, const Dump& after, const domain::MigrationCommand& migration,
                    const domain::MigrationCompleted& done, std::int64_t remaining) {
  const auto find = [&](const char* table, const char* column, const json& value) {
    for (auto& row : rows_of(after, table))
      if (row.at(column) == value)
        return row;
    return json{};
  };
  const auto add = [&](const char* table, const json& row) { before[table].insert(row.dump()); };
  const auto group = done.authenticated_group_id.text();
  const auto user = migration.user_id.text();
  const auto now = find("groups", "id", group).value("created_at", json{});
  const auto count = static_cast<std::int64_t>(done.device_ids.size());
  add("groups", {{"id", group},
                 {"name", migration.group_name},
                 {"slug", done.slug},
                 {"max_devices", std::max<std::int64_t>(20, count)},
                 {"is_active", true},
                 {"settings", json::object()},
                 {"created_by", user},
                 {"created_at", now},
                 {"updated_at", now},
                 {"colour", "green"}});
  add("group_memberships",
      {{"id", find("group_memberships", "group_id", group).value("id", json{})},
       {"group_id", group},
       {"user_id", user},
       {"role", "owner"},
       {"invited_by", nullptr},
       {"joined_at", now},
       {"updated_at", now}});
  for (const auto& membership : rows_of(after, "device_group_memberships"))
    if (membership.at("group_id") == group)
      for (const auto& device : done.device_ids)
        if (membership.at("device_id") == device.text())
          add("device_group_memberships", {{"id", membership.at("id")},
                                           {"device_id", device.text()},
                                           {"group_id", group},
                                           {"added_by", user},
                                           {"added_at", now}});
  for (const auto& id : done.device_ids)
    for (auto device : rows_of(before, "devices"))
      if (device.at("device_id") == id.text()) {
        auto& rows = before["devices"];
        rows.erase(rows.find(device.dump()));
        device["group_id"] = done.slug;
        device["updated_at"] = now;
        rows.insert(device.dump());
      }
  std::vector<Uuid> ignored;
  for (const auto& id : migration.device_ids.value_or(std::vector<Uuid>{}))
    if (std::count(done.device_ids.begin(), done.device_ids.end(), id) == 0)
      ignored.push_back(id);
  auto audit = find("migration_audit_logs", "id", migration.migration_id.text());
  for (const auto& [name, value] :
       std::map<std::string, json>{{"user_id", user},
                                   {"registration_group_id", migration.registration_group_id},
                                   {"authenticated_group_id", group},
                                   {"devices_migrated", count},
                                   {"device_ids", texts(done.device_ids)},
                                   {"status", migration.device_ids ? "partial" : "success"},
                                   {"error_message", nullptr},
                                   {"error_code", nullptr},
                                   {"created_at", now},
                                   {"group_name", migration.group_name},
                                   {"group_slug", done.slug},
                                   {"devices_remaining", remaining},
                                   {"ignored_device_ids", texts(ignored)}})
    audit[name] = value;
  add("migration_audit_logs", audit);
  return before;
}

} // namespace

TEST_CASE_METHOD(NothingElseTest,
                 "UGM-5.4: a migration touches what the contract says and nothing else") {
  int completions = 0;
  for (int round = 0; round < kRounds; ++round) {
    INFO("REGROUP_TEST_SEED=" << seed << ", round " << round);
    grow();
    const auto migration = random_migration();
    const Dump before = dump(world->sql);
    const auto answer = run(*store, migration);
    const Dump after = dump(world->sql);
    const auto* done = completed(answer);
    if (done == nullptr || done->replayed) {
      INFO(difference(before, after));
      REQUIRE(before == after);
      continue;
    }
    ++completions;
    groups.push_back(done->authenticated_group_id);
    REQUIRE(done->device_ids == concerned(before, *migration));
    auto all = *migration;
    all.device_ids.reset();
    const auto remaining = static_cast<std::int64_t>(concerned(before, all).size()) -
                           static_cast<std::int64_t>(done->device_ids.size());
    const Dump expected = expected_after(before, after, *migration, *done, remaining);
    INFO(difference(expected, after));
    REQUIRE(expected == after);
  }
  INFO("REGROUP_TEST_SEED=" << seed);
  CHECK(completions > 0);
  CHECK(completions < kRounds);
}

TEST_CASE_METHOD(NothingElseTest,
                 "whoever comes and goes, no device keeps the slug of a group it left") {
  for (int round = 0; round < kRounds; ++round) {
    INFO("REGROUP_TEST_SEED=" << seed << ", round " << round);
    grow();
    const auto answer = run(*store, random_migration());
    if (const auto* done = completed(answer))
      groups.push_back(done->authenticated_group_id);
    for (int i = upto(6); i > 0; --i)
      change_a_group();
    REQUIRE(strays() == 0);
  }
}
