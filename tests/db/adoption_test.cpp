// An existing database of a phone manager's backend (tests/support/phone_manager.sql) is adopted:
// what is there stays, what is missing is announced and added, what stands against it is named.
#include "db/inspection.hpp"
#include "tests/db/support.hpp"
#include "tests/support/phone_manager.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <mutex>
#include <regex>
#include <set>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using domain::Finding;
using domain::Refused;
using Severity = Finding::Severity;

namespace {

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
  AdoptionTest() : url{phone_manager_database(postgres())}, sql{url} {
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
    db::PgStore store{settings, db::read_schema_facts(settings), log, metrics};
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

bool mentions(const Lines& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const auto& line) { return line.find(part) != line.npos; });
}

/// Each line of a dump with the thing that it is about, in the words of `schema status`: a column,
/// a type, a table, a function, an index, a foreign key. `old_tables`: of those the columns count.
std::multiset<std::pair<std::string, std::string>>
told_by(const std::string& dump, const std::set<std::string>& old_tables) {
  static const std::regex head{
      R"(^(?:CREATE|ALTER) (TABLE|UNLOGGED TABLE|TYPE|FUNCTION|SEQUENCE|INDEX|UNIQUE INDEX|TRIGGER)(?: ONLY)? (?:public\.)?(\w+))"};
  static const std::regex constraint{R"(^ +ADD CONSTRAINT (\w+))"};
  std::multiset<std::pair<std::string, std::string>> told;
  std::istringstream lines{dump};
  std::string kind;
  std::string name;
  bool in_body = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || (!in_body && line.starts_with("SET "))) // of whatever comes next
      continue;
    std::smatch match;
    if (!in_body && std::regex_search(line, match, head)) {
      kind = match[1];
      name = std::regex_replace(match[2].str(), std::regex{"_id_seq$"}, ""); // part of its table
    }
    if (kind == "FUNCTION" && std::regex_search(line, std::regex{R"(\$\$)"}))
      in_body = !in_body;
    std::string about = name;
    if (kind == "TABLE" && std::regex_search(line, match, constraint) && old_tables.contains(name))
      about = match[1];
    else if (kind == "TABLE" && old_tables.contains(name) && line.starts_with("    "))
      about += "." + line.substr(4, line.find(' ', 4) - 4);
    while (!line.empty() && (line.back() == ',' || line.back() == ';'))
      line.pop_back(); // a line that is no longer the last one
    told.emplace(about, line);
  }
  return told;
}

/// What rows really are: where they stand, who wrote them, and the values of the columns that the
/// table has had before.
std::string rows_of(Sql& sql, const std::string& table, const std::string& columns) {
  return sql.value<std::string>("SELECT coalesce(string_agg((ctid, xmin, " + columns +
                                ")::text, E'\\n' ORDER BY ctid), '') FROM " + table);
}

} // namespace

TEST_CASE_METHOD(AdoptionTest, "an adopted database differs only by what was announced") {
  const std::set<std::string> tables{"users",
                                     "devices",
                                     "groups",
                                     "group_memberships",
                                     "device_group_memberships",
                                     "migration_audit_logs",
                                     "locations",
                                     "device_group_history",
                                     "outbox"};
  std::map<std::string, std::pair<std::string, std::string>> rows; // table: columns, rows
  for (const auto& table : tables) {
    const auto columns = sql.value<std::string>(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
        "WHERE attrelid = $1::regclass AND attnum > 0",
        table);
    rows[table] = {columns, rows_of(sql, table, columns)};
  }
  const auto before = told_by(schema_dump(url), tables);
  const Lines promised = announced();
  CHECK(told_by(schema_dump(url), tables) == before); // to look changes nothing
  CHECK(apply() == promised);
  const auto after = told_by(schema_dump(url), tables);

  std::vector<std::pair<std::string, std::string>> differences;
  std::set_symmetric_difference(before.begin(), before.end(), after.begin(), after.end(),
                                std::back_inserter(differences));
  std::set<std::string> unsaid;
  for (const auto& [about, line] : differences)
    if (!mentions(promised, about))
      unsaid.insert(about + ": " + line);
  CHECK(unsaid == std::set<std::string>{});
  Lines undone;
  for (const auto& line : promised)
    if (line.find("records the step") == line.npos &&
        std::none_of(differences.begin(), differences.end(),
                     [&](const auto& each) { return line.find(each.first) != line.npos; }))
      undone.push_back(line);
  CHECK(undone == Lines{});

  for (const auto& [table, content] : rows) {
    INFO(table);
    CHECK(rows_of(sql, table, content.first) == content.second);
  }
  CHECK(announced() == Lines{});
  CHECK(apply() == Lines{});
}

TEST_CASE_METHOD(AdoptionTest,
                 "a group is migrated in an adopted database with its triggers firing") {
  apply();
  const auto user = user_with_devices("camping-2025", 3);
  const auto answer = migrate(command(user, "camping-2025", "Chen Family"));
  REQUIRE(completed(answer));
  CHECK(count("device_group_history WHERE old_group_id = 'camping-2025' "
              "AND new_group_id = 'chen-family'") == 3);
  CHECK(sql.value<std::string>("SELECT payload ->> 'icon' FROM outbox") == "tent");
  CHECK(sql.value<std::string>("SELECT settings ->> 'units' FROM groups WHERE slug = "
                               "'chen-family'") == "metric");
  CHECK(sql.value<bool>("SELECT is_active FROM groups WHERE slug = 'chen-family'"));
  // What the backend has migrated is known, though its audit row has none of our columns.
  CHECK(refused(migrate(command(user, "lake-2024"))) == Refused::already_migrated);
}

TEST_CASE_METHOD(AdoptionTest,
                 "a failed migration is recorded where an audit row had to have a group") {
  CHECK(mentions(announced(), "lets migration_audit_logs.authenticated_group_id be NULL"));
  CHECK(mentions(announced(), "gives migration_audit_logs.devices_migrated the default 0"));
  apply();
  const auto user = user_with_devices("camping-2025", 3);
  World world{url};
  world.raise_at_device(2);
  CHECK(refused(migrate(command(user, "camping-2025"))) == Refused::internal);
  CHECK(world.failure_code() == "server/internal");
  world.raise_no_more();
  CHECK(completed(migrate(command(user, "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a NOT NULL of the backend's own in the audit does not stand in the way") {
  sql.exec("ALTER TABLE migration_audit_logs ALTER COLUMN client_version SET NOT NULL");
  CHECK(mentions(announced(), "lets migration_audit_logs.client_version be NULL"));
  apply();
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest, "values that the status type lacks are added before they are used") {
  CHECK(mentions(announced(), "adds the value partial to the type migration_status"));
  CHECK(mentions(announced(), "adds the value rolled_back to the type migration_status"));
  apply();
  const auto user = user_with_devices("camping-2025", 3);
  auto part = command(user, "camping-2025");
  part.device_ids = {*domain::Uuid::parse(sql.value<std::string>(
      "SELECT device_id FROM devices WHERE group_id = 'camping-2025' LIMIT 1"))};
  REQUIRE(completed(migrate(part)));
  CHECK(count("migration_audit_logs WHERE status = 'partial'") == 1);
  sql.exec("UPDATE migration_audit_logs SET status = 'rolled_back' WHERE status = 'partial'");
}

TEST_CASE_METHOD(AdoptionTest, "a slug is as long as devices.group_id takes, and is taken once") {
  apply();
  const std::string common(60, 'x');
  const auto answer = migrate(command(user_with_devices("first", 1), "first", common + " one"));
  REQUIRE(completed(answer));
  CHECK(completed(answer)->slug == std::string(50, 'x'));
  CHECK(count("devices d JOIN groups g ON g.slug = d.group_id WHERE g.slug = repeat('x', 50)") ==
        1);
  const auto second = user_with_devices("second", 1);
  CHECK(refused(migrate(command(second, "second", common + " two"))) == Refused::group_name_exists);
  CHECK(count("devices WHERE group_id = 'second'") == 1);
  CHECK(completed(migrate(command(second, "second", "Another"))));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a phone whose registration group is too long for the column is told so") {
  apply();
  domain::RegisterDevice phone;
  phone.device_id = domain::Uuid::random();
  phone.display_name = "phone";
  phone.registration_group_id = std::string(51, 'g');
  phone.platform = "ios";
  db::PgStore store{settings, db::read_schema_facts(settings), log, metrics};
  const auto answer = store.execute(phone);
  REQUIRE(refused(answer) == Refused::invalid_request);
  CHECK(std::get<domain::Refusal>(answer).fields.at(0).field == "registration_group_id");
}

TEST_CASE_METHOD(AdoptionTest,
                 "groups.max_devices is what its CHECK lets in, and beyond it is too many") {
  apply();
  const auto asked = [&](const std::string& group, std::size_t devices) {
    auto what = command(user_with_devices(group, devices), group);
    what.max_devices = 1000; // limits.max_devices_per_group
    return migrate(what);
  };
  const auto max_devices = [&](const std::string& slug) {
    return sql.value<int>("SELECT max_devices FROM groups WHERE slug = $1", slug);
  };
  REQUIRE(completed(asked("few", 3)));
  CHECK(max_devices("few") == 20);
  REQUIRE(completed(asked("hundred", 100)));
  CHECK(max_devices("hundred") == 100);
  const auto answer = asked("more", 101);
  REQUIRE(refused(answer) == Refused::too_many_devices);
  CHECK(std::get<domain::Refusal>(answer).device_count == 101);
  CHECK(std::get<domain::Refusal>(answer).limit == 100);
  CHECK(count("migration_audit_logs WHERE status = 'failed'") == 0);
}

TEST_CASE_METHOD(AdoptionTest, "the CHECK of groups.max_devices may be written in any way") {
  struct Written {
    std::string sql;
    int preset;
    std::int64_t most;
  };
  const auto most = std::numeric_limits<std::int32_t>::max();
  const auto written = GENERATE_COPY(values<Written>({
      {"CHECK (max_devices BETWEEN 1 AND 25)", 20, 25},
      {"CHECK (max_devices = ANY ('{5,20,21,50}'))", 20, 21},
      {"CHECK (NOT (max_devices > 30 OR max_devices < 0))", 20, 30},
      {"CHECK (max_devices < 41 OR settings ? 'large')", 20, 40},
      {"CHECK (max_devices < 41 OR slug = 'never-seen')", 20, most}, // NULL lets it in: so it seems
      {"CHECK (max_devices > 0)", 20, most},
      {"CHECK (max_devices <= 60), ADD CHECK (max_devices <= 40)", 20, 40},
      {"CHECK (max_devices <= 10), ALTER COLUMN max_devices DROP DEFAULT", 1, 10},
      {"CHECK (true), ALTER COLUMN max_devices SET DEFAULT 10 + 5", 15, most},
      {"CHECK (true), ALTER COLUMN max_devices TYPE smallint", 20, 32767},
  }));
  INFO(written.sql);
  sql.exec("UPDATE groups SET max_devices = 5; "
           "ALTER TABLE groups DROP CONSTRAINT groups_max_devices_check; ALTER TABLE groups ADD " +
           written.sql);
  const auto facts = db::read_schema_facts(settings);
  CHECK(facts.default_max_devices == written.preset);
  CHECK(facts.most_devices == written.most);
}

TEST_CASE_METHOD(AdoptionTest, "the CHECK of groups.max_devices may be a domain's") {
  sql.exec("CREATE DOMAIN device_count AS integer DEFAULT 7 CHECK (VALUE > 0 AND VALUE < 51); "
           "ALTER TABLE groups ALTER COLUMN max_devices DROP DEFAULT, "
           "ALTER COLUMN max_devices TYPE device_count");
  CHECK(stop().empty());
  CHECK(db::read_schema_facts(settings).most_devices == 50);
}

TEST_CASE_METHOD(AdoptionTest,
                 "memberships of devices that are gone are told, and the key validated later") {
  const auto key = [&] {
    return sql.value<std::string>("SELECT coalesce(max(CASE WHEN convalidated THEN 'valid' ELSE "
                                  "'for new rows' END), 'none') FROM pg_constraint WHERE conname = "
                                  "'regroup_fk_device_group_memberships_device_id'");
  };
  const auto orphan = domain::Uuid::random().text();
  sql.exec("INSERT INTO device_group_memberships (device_id, group_id) SELECT $1, id FROM groups",
           orphan);
  CHECK(mentions(findings("schema/orphans"), "1 row of device_group_memberships"));
  CHECK(mentions(findings("schema/orphans"), orphan));
  CHECK(stop().empty());
  CHECK_FALSE(mentions(announced(), "validates the foreign key"));
  apply();
  CHECK(key() == "for new rows");
  CHECK(log.has("schema.warning schema/orphans"));
  CHECK_THROWS_AS(sql.exec("INSERT INTO device_group_memberships (device_id, group_id) "
                           "SELECT gen_random_uuid(), id FROM groups"),
                  pqxx::foreign_key_violation);
  CHECK(announced() == Lines{}); // as long as the orphan is there
  CHECK(findings("schema/orphans").size() == 1);

  sql.exec("DELETE FROM device_group_memberships WHERE device_id = $1", orphan);
  CHECK(announced().size() == 1);
  CHECK(mentions(announced(), "validates the foreign key"));
  apply();
  CHECK(key() == "valid");
  CHECK(announced() == Lines{});
}

TEST_CASE_METHOD(AdoptionTest,
                 "a foreign key that sets a NOT NULL column to NULL is named with its remedy") {
  const auto named = findings("schema/set-null");
  REQUIRE(named.size() == 1); // the one of authenticated_group_id can do so once it may be NULL
  CHECK(mentions(named, "migration_audit_logs_user_id_fkey sets migration_audit_logs.user_id"));
  CHECK(mentions(named, "ALTER TABLE migration_audit_logs ALTER COLUMN user_id DROP NOT NULL"));
  CHECK(stop().empty());
}

TEST_CASE_METHOD(AdoptionTest,
                 "a key that was used for a group that is gone is answered, not with 500") {
  apply();
  const auto user = user_with_devices("camping-2025", 3);
  auto what = command(user, "camping-2025", "Chen Family");
  what.idempotency = domain::IdempotencyKey{"tap-1", "hash"};
  REQUIRE(completed(migrate(what)));
  sql.exec("DELETE FROM groups WHERE slug = 'chen-family'"); // ON DELETE SET NULL
  auto again = command(user, "camping-2025", "Chen Family");
  again.idempotency = what.idempotency;
  CHECK(refused(migrate(again)) == Refused::already_migrated);
}

TEST_CASE_METHOD(AdoptionTest, "a column of another type stops the start by its name") {
  const auto [change, named] = GENERATE(table<std::string, std::string>({
      {"devices ALTER COLUMN group_id TYPE integer USING 1", "devices.group_id is integer"},
      {"devices ALTER COLUMN active TYPE text, ALTER COLUMN active DROP DEFAULT",
       "devices.active is text"},
      {"devices ALTER COLUMN last_seen_at TYPE timestamp", "devices.last_seen_at is timestamp"},
      {"migration_audit_logs ALTER COLUMN registration_group_id TYPE integer USING 1",
       "migration_audit_logs.registration_group_id is integer"},
      {"migration_audit_logs ALTER COLUMN status TYPE text", "migration_audit_logs.status is text"},
      {"migration_audit_logs ALTER COLUMN device_ids TYPE text[] USING '{}'",
       "migration_audit_logs.device_ids is text[]"},
      {"groups ALTER COLUMN settings TYPE json, ALTER COLUMN settings DROP DEFAULT",
       "groups.settings is json,"},
      {"groups ALTER COLUMN name TYPE varchar(30)", "groups.name is character varying(30)"},
      {"group_memberships ALTER COLUMN role TYPE text, ALTER COLUMN role DROP DEFAULT",
       "group_memberships.role is text"},
  }));
  INFO(change);
  sql.exec("DROP TRIGGER devices_history ON devices; ALTER TABLE " + change);
  const auto before = schema_dump(url);
  CHECK_THAT(stop(), Catch::Contains(named) && Catch::Contains(" -> "));
  CHECK_THROWS_WITH(apply(), Catch::Contains(named));
  CHECK((schema_dump(url) == before)); // too long to be printed
}

TEST_CASE_METHOD(AdoptionTest, "text and varchar, integer and bigint are not another type") {
  sql.exec("DROP TRIGGER devices_history ON devices; "
           "ALTER TABLE devices ALTER COLUMN group_id TYPE text, ALTER COLUMN fcm_token TYPE "
           "varchar(4096); ALTER TABLE migration_audit_logs ALTER COLUMN devices_migrated TYPE "
           "bigint, ALTER COLUMN error_message TYPE varchar(255)");
  apply();
  CHECK(db::read_schema_facts(settings).slug_width == 120);
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a column that Regroup cannot fill stops the start, but for a trigger") {
  sql.exec("ALTER TABLE groups ADD COLUMN tenant text NOT NULL DEFAULT 'x'; "
           "ALTER TABLE groups ALTER COLUMN tenant DROP DEFAULT");
  CHECK_THAT(stop(), Catch::Contains("groups.tenant is NOT NULL without a default"));
  sql.exec("CREATE FUNCTION tenant() RETURNS trigger LANGUAGE plpgsql AS "
           "$$ BEGIN NEW.tenant := 'one'; RETURN NEW; END $$; CREATE TRIGGER tenant BEFORE INSERT "
           "ON groups FOR EACH ROW EXECUTE FUNCTION tenant()");
  CHECK(stop().empty());
  apply();
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest,
                 "CHECKs and keys of the backend's own that stand in the way are named") {
  struct Wall {
    std::string sql;
    Severity severity;
    std::string named;
  };
  const auto wall = GENERATE(values<Wall>({
      {"ALTER TABLE migration_audit_logs ALTER COLUMN devices_migrated SET DEFAULT 0, ADD "
       "CONSTRAINT positive CHECK (devices_migrated > 0)",
       Severity::warning, "the CHECK positive of migration_audit_logs refuses the row of a failed"},
      {"ALTER TABLE migration_audit_logs ADD CONSTRAINT known CHECK (status <> 'success' OR "
       "client_version IS NOT NULL)",
       Severity::error, "the CHECK known of migration_audit_logs refuses every migration's row"},
      {"ALTER TABLE groups ADD CONSTRAINT plain CHECK (slug ~ '^[a-z0-9-]+$')", Severity::warning,
       "the CHECK plain of groups refuses letters beyond a to z"},
      {"ALTER TABLE groups ADD CONSTRAINT shout CHECK (name = upper(name)) NOT VALID",
       Severity::error, "the CHECK shout of groups refuses every migration's group"},
      {"CREATE UNIQUE INDEX once ON migration_audit_logs (registration_group_id)", Severity::error,
       "the unique index once on migration_audit_logs (registration_group_id)"},
      {"CREATE UNIQUE INDEX single ON device_group_memberships (device_id)", Severity::warning,
       "the unique index single on device_group_memberships (device_id)"},
      {"ALTER TABLE devices ENABLE ROW LEVEL SECURITY", Severity::warning,
       "row level security is on for devices"},
      {"ALTER TABLE devices ALTER COLUMN fcm_token SET NOT NULL", Severity::warning,
       "devices.fcm_token is NOT NULL"},
  }));
  INFO(wall.sql);
  sql.exec("UPDATE devices SET fcm_token = 't'; " + wall.sql);
  const auto found = db::inspect_schema(settings).findings;
  const auto named = std::find_if(found.begin(), found.end(), [&](const Finding& each) {
    return each.what.find(wall.named) != each.what.npos;
  });
  REQUIRE(named != found.end());
  CHECK(named->severity == wall.severity);
  CHECK_FALSE(named->remedy.empty());
  CHECK(stop().empty() == (wall.severity == Severity::warning));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a name that the backend keeps unique is refused as taken, not with 500") {
  sql.exec("ALTER TABLE groups ADD UNIQUE (name)");
  apply();
  sql.exec("INSERT INTO groups (name, slug, created_by) SELECT 'Chen Family', 'chens', id "
           "FROM users LIMIT 1");
  const auto user = user_with_devices("camping-2025", 3);
  CHECK(refused(migrate(command(user, "camping-2025", "Chen Family"))) ==
        Refused::group_name_exists);
  CHECK(count("devices WHERE group_id = 'camping-2025'") == 3);
}

TEST_CASE_METHOD(AdoptionTest,
                 "tables that lack columns and keys are given them, and keep their rows") {
  sql.exec("ALTER TABLE device_group_memberships DROP CONSTRAINT "
           "device_group_memberships_device_id_group_id_key; "
           "ALTER TABLE groups DROP CONSTRAINT groups_slug_key; "
           "ALTER TABLE devices DROP COLUMN is_primary, DROP COLUMN linked_at; "
           "ALTER TABLE migration_audit_logs DROP COLUMN created_at");
  const auto lines = announced();
  CHECK(mentions(lines, "adds the column devices.is_primary boolean DEFAULT false NOT NULL"));
  CHECK(mentions(lines, "adds the column migration_audit_logs.created_at"));
  CHECK(mentions(lines, "adds the column migration_audit_logs.trace_id varchar(32)"));
  CHECK(mentions(lines, "adds the column migration_audit_logs.locked_at timestamptz"));
  CHECK(mentions(lines, "builds the unique index regroup_key_groups_slug on groups (slug)"));
  apply();
  CHECK(announced() == Lines{});
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));
}

TEST_CASE_METHOD(AdoptionTest, "rows that a key forbids are named, and nothing is changed") {
  sql.exec("ALTER TABLE groups DROP CONSTRAINT groups_slug_key; "
           "INSERT INTO groups (name, slug, is_active, created_by) "
           "SELECT 'Lake again', slug, true, created_by FROM groups");
  const auto before = schema_dump(url);
  CHECK_THROWS_WITH(apply(), Catch::Contains("groups has rows with the same (slug): lake"));
  CHECK((schema_dump(url) == before)); // too long to be printed
}

// Indexes, and who waits for whom.

TEST_CASE_METHOD(AdoptionTest, "a writer is not kept waiting while an index is built") {
  apply();
  sql.exec("DROP INDEX regroup_devices_in_group");
  std::future<Lines> building; // outlives what it waits for, also when the test fails
  HeldTransaction writer{url}; // what building the index has to wait for
  writer.exec("UPDATE devices SET battery = 1");
  building = std::async(std::launch::async, [this] { return apply(); });
  REQUIRE(eventually([&] {
    return sql.value<int>("SELECT count(*) FROM pg_stat_progress_create_index "
                          "WHERE datname = current_database()") == 1;
  }));
  Sql other{url};
  other.exec("SET lock_timeout = '5s'");
  other.exec("INSERT INTO devices (device_id, display_name, group_id, platform) "
             "VALUES (gen_random_uuid(), 'late', 'camping-2025', 'ios')");
  CHECK(building.wait_for(std::chrono::seconds{0}) == std::future_status::timeout);
  writer.commit();
  CHECK(building.get().size() == 1);
  CHECK(is_valid("regroup_devices_in_group"));
}

TEST_CASE_METHOD(AdoptionTest,
                 "a change that has to wait for a table lets those behind it through") {
  std::future<Lines> changing;
  HeldTransaction reader{url};
  reader.exec("SELECT count(*) FROM migration_audit_logs"); // adding a column waits for this
  changing = std::async(std::launch::async, [this] { return apply(); });
  Sql other{url};
  REQUIRE(eventually([&] {
    return other.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                            "current_database() AND wait_event = 'relation'") == 1;
  }));
  other.exec("SET lock_timeout = '20s'"); // and not for as long as the reader is there
  CHECK(other.value<int>("SELECT count(*) FROM migration_audit_logs") == 1);
  CHECK(changing.wait_for(std::chrono::seconds{0}) == std::future_status::timeout);
  reader.commit();
  CHECK(changing.get().size() > 20);
}

TEST_CASE_METHOD(AdoptionTest, "replicas that start together on an adopted database take turns") {
  std::vector<std::future<Lines>> starting;
  HeldTransaction writer{url}; // keeps the first one at its first index until all are there
  writer.exec("UPDATE devices SET battery = 1");
  for (int i = 0; i < 4; ++i)
    starting.push_back(
        std::async(std::launch::async, [this] { return db::apply_schema(settings, log); }));
  REQUIRE(eventually([&] {
    return log.has("schema.waiting") &&
           sql.value<int>("SELECT count(*) FROM pg_stat_progress_create_index "
                          "WHERE datname = current_database()") == 1;
  }));
  writer.commit();
  int changers = 0;
  for (auto& each : starting)
    changers += each.get().empty() ? 0 : 1;
  CHECK(changers == 1);
  CHECK(announced() == Lines{});
  CHECK(is_valid("regroup_one_success"));
}

TEST_CASE_METHOD(AdoptionTest, "an index that was left invalid is built again") {
  apply();
  sql.exec("DROP INDEX regroup_one_success");
  sql.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, status) "
           "SELECT id, 'lake-2024', 'success' FROM users LIMIT 1");
  CHECK_THROWS_AS(sql.exec("CREATE UNIQUE INDEX CONCURRENTLY regroup_one_success ON "
                           "migration_audit_logs (registration_group_id) WHERE status = 'success'"),
                  pqxx::unique_violation);
  REQUIRE_FALSE(is_valid("regroup_one_success"));
  sql.exec("DELETE FROM migration_audit_logs WHERE authenticated_group_id IS NULL");
  CHECK(mentions(announced(), "drops the index regroup_one_success, which is invalid"));
  apply();
  CHECK(is_valid("regroup_one_success"));
}

TEST_CASE_METHOD(AdoptionTest,
                 "an index that cannot be built names the rows, and nothing of it stays") {
  apply();
  // The duplicate is not there yet when the rows are looked at.
  sql.exec("DROP INDEX regroup_one_success");
  std::future<Lines> building;
  HeldTransaction rogue{url};
  rogue.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, status) "
             "SELECT id, 'lake-2024', 'success' FROM users LIMIT 1");
  building = std::async(std::launch::async, [this] { return apply(); });
  REQUIRE(eventually([&] {
    return sql.value<int>("SELECT count(*) FROM pg_stat_progress_create_index "
                          "WHERE datname = current_database()") == 1;
  }));
  rogue.commit();
  CHECK_THROWS_WITH(building.get(),
                    Catch::Contains("regroup_one_success") && Catch::Contains("(lake-2024)"));
  CHECK(sql.value<bool>("SELECT to_regclass('regroup_one_success') IS NULL"));
}

// Duplicates already recorded.

TEST_CASE_METHOD(AdoptionTest,
                 "registration groups that were migrated twice are listed with their groups") {
  sql.exec(
      "INSERT INTO groups (id, name, slug, is_active, created_by) SELECT "
      "'00000000-0000-4000-a000-000000000002', 'Lake 2', 'lake-2', true, created_by FROM groups");
  sql.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, "
           "authenticated_group_id, devices_migrated, device_ids, status) SELECT user_id, "
           "registration_group_id, '00000000-0000-4000-a000-000000000002', 0, '{}', status "
           "FROM migration_audit_logs");
  const auto named = findings("schema/duplicates");
  REQUIRE(named.size() == 1);
  CHECK_THAT(named.front(), Catch::Contains("lake-2024 was migrated 2 times") &&
                                Catch::Contains("00000000-0000-4000-a000-000000000001") &&
                                Catch::Contains("00000000-0000-4000-a000-000000000002") &&
                                Catch::Contains("database.allow_recorded_duplicates"));
  const auto before = schema_dump(url);
  CHECK_THROWS_WITH(apply(), Catch::Contains("lake-2024 was migrated 2 times"));
  CHECK((schema_dump(url) == before)); // too long to be printed

  settings.allow_recorded_duplicates = true;
  CHECK(stop().empty());
  CHECK_FALSE(mentions(announced(), "regroup_one_success"));
  apply();
  CHECK(log.has("schema.duplicates_allowed"));
  CHECK(sql.value<bool>("SELECT to_regclass('regroup_one_success') IS NULL"));
  CHECK(refused(migrate(command(user_with_devices("hill", 1), "lake-2024"))) ==
        Refused::already_migrated);
  CHECK(completed(migrate(command(user_with_devices("camping-2025", 3), "camping-2025"))));

  settings.allow_recorded_duplicates = false;
  sql.exec("UPDATE migration_audit_logs SET status = 'rolled_back' "
           "WHERE authenticated_group_id = '00000000-0000-4000-a000-000000000002'");
  CHECK(apply().size() == 1);
  CHECK(is_valid("regroup_one_success"));
}

// A role that may not create anything.

TEST_CASE_METHOD(AdoptionTest,
                 "a role that may not change the schema says what is missing, and works after") {
  auto limited = settings;
  limited.url = limited_role_url(url);
  const auto before = schema_dump(url);
  const auto role = Sql{limited.url}.value<std::string>("SELECT current_user::text");
  CHECK_THROWS_WITH(db::apply_schema(limited, log),
                    Catch::Contains("the role " + role +
                                    " may not do what is missing: adds the "
                                    "value partial to the type migration_status") &&
                        Catch::Contains("regroup schema apply"));
  CHECK((schema_dump(url) == before)); // too long to be printed

  apply(); // by the owner
  CHECK_THROWS_WITH(db::apply_schema(limited, log),
                    Catch::Contains("may not read the table regroup_schema"));
  limited_role_url(url); // and its grants on what is new
  CHECK(db::apply_schema(limited, log) == Lines{});
  const auto user = user_with_devices("camping-2025", 3);
  settings = limited;
  CHECK(completed(migrate(command(user, "camping-2025"))));

  sql.exec("DROP INDEX regroup_one_success");
  CHECK_THROWS_WITH(db::apply_schema(limited, log),
                    Catch::Contains("builds the unique index regroup_one_success"));
}
