// What administrators read, and what it costs.
#include "db/admin_statements.hpp"
#include "domain/admin.hpp"
#include "tests/db/support.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

using namespace regroup;
using namespace regroup::test;
using domain::AdminDocument;
using domain::AdminJob;
using domain::Refused;
using domain::Uuid;
using nlohmann::json;

namespace {

std::string events_of(const json& migration) {
  std::string events;
  for (const auto& each : migration["timeline"])
    events += (events.empty() ? "" : " ") + each["event"].get<std::string>();
  return events;
}

/// All migrations, those of the audit and those that failed.
constexpr const char* kHistory =
    "(SELECT id, user_id, registration_group_id, regroup_status(a) AS status, devices_migrated, "
    "  duration_ms, error_code, created_at FROM migration_audit_logs a "
    "UNION ALL SELECT id, user_id, registration_group_id, status, 0, duration_ms, error_code, "
    "  created_at FROM regroup_operations WHERE kind = 'migration') history";

struct AdminTest : DatabaseTest {
  AdminTest() : store(new_store()) {}

  template <class Work>
  domain::Answer ask(Work what, std::optional<std::string> key = std::nullopt) {
    return store->execute(AdminJob<Work>{std::move(key), std::move(what), {}});
  }

  template <class Work> json read(Work what) {
    const domain::Answer answer = ask(std::move(what));
    REQUIRE(answer.is<AdminDocument>());
    return json::parse(answer.get<AdminDocument>().json);
  }

  /// Rows of every kind: of 1,000 one is undone, 10 have failed, 20 are partial. Several share each
  /// time. Every third of the failed ones is another program's.
  void fill(int rows) {
    world->sql.exec(
        "INSERT INTO migration_audit_logs (id, user_id, registration_group_id, "
        "  authenticated_group_id, devices_migrated, device_ids, status, error_code, duration_ms, "
        "  group_name, group_slug, created_at, rolled_back_at) "
        "SELECT md5('id' || n)::uuid, md5('user' || n % 997)::uuid, "
        "  'group-' || CASE WHEN n % 1000 IN (1, 2) THEN n % 50 ELSE n END, md5('g' || n)::uuid, "
        "  n % 17 + 1, '{}', "
        "  (CASE WHEN n % 1000 = 0 OR n % 100 = 1 THEN 'failed' "
        "   WHEN n % 50 = 2 THEN 'partial' ELSE 'success' END)::migration_status, "
        "  CASE WHEN n % 100 = 1 THEN CASE WHEN n % 300 = 1 THEN 'server/internal' "
        "    ELSE 'server/database-unavailable' END END, "
        "  n % 250, 'name', 'slug', "
        "  timestamptz '2026-01-01' + (n / 3) * interval '1 second', "
        "  CASE WHEN n % 1000 = 0 THEN timestamptz '2026-01-02' END "
        "FROM generate_series(1, $1::int) AS n",
        rows);
    world->sql.exec("WITH ours AS (DELETE FROM migration_audit_logs "
                    "  WHERE status = 'failed' AND rolled_back_at IS NULL AND duration_ms % 3 > 0 "
                    "  RETURNING *) "
                    "INSERT INTO regroup_operations (id, kind, user_id, registration_group_id, "
                    "  status, error_code, duration_ms, created_at) "
                    "SELECT id, 'migration', user_id, registration_group_id, 'failed', error_code, "
                    "  duration_ms, created_at FROM ours");
    world->sql.exec("VACUUM ANALYZE migration_audit_logs");
    world->sql.exec("VACUUM ANALYZE regroup_operations");
  }

  /// Every page of a query, from the first to the last.
  std::vector<std::string> walk(domain::ReadHistory query) {
    std::vector<std::string> ids;
    for (;;) {
      const auto answer = ask(query);
      REQUIRE(answer.is<AdminDocument>());
      const auto& page = answer.get<AdminDocument>();
      for (const auto& row : json::parse(page.json))
        ids.push_back(row["migration_id"]);
      if (!page.next)
        return ids;
      query.after = page.next;
    }
  }

  std::vector<std::string> ids_where(const std::string& condition) {
    std::vector<std::string> ids;
    for (const auto& row : world->sql.exec(std::string{"SELECT id FROM "} + kHistory + " WHERE " +
                                           condition + " ORDER BY created_at DESC, id DESC"))
      ids.emplace_back(row[0].c_str());
    return ids;
  }

  struct Plan {
    std::int64_t buffers = 0;
    std::set<std::string> nodes;
    std::string text;
  };

  /// What the statement itself does for a query.
  Plan explain(const domain::ReadHistory& query) {
    const auto text = [](const std::optional<std::string>& value) {
      return value ? value->c_str() : nullptr;
    };
    const auto user = query.user_id ? std::optional{query.user_id->text()} : std::nullopt;
    const auto after = query.after ? std::optional{query.after->created_at} : std::nullopt;
    const auto id = query.after ? std::optional{query.after->migration_id.text()} : std::nullopt;
    HeldTransaction session{url};
    session.exec(db::statements::plan_for_values.sql);
    const auto rows = session.exec(
        std::string{"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "} + db::statements::read_history.sql,
        text(user), query.status ? "failed" : nullptr, text(query.registration_group_id),
        text(query.from), text(query.to), text(after), text(id), query.limit + 1,
        query.status ? "true" : nullptr); // only undone ones are asked for
    Plan plan;
    plan.text = rows[0][0].c_str();
    const auto root = json::parse(plan.text)[0]["Plan"];
    plan.buffers = root["Shared Hit Blocks"].get<std::int64_t>() +
                   root["Shared Read Blocks"].get<std::int64_t>();
    std::vector<json> open{root};
    while (!open.empty()) {
      const json node = open.back();
      open.pop_back();
      plan.nodes.insert(node["Node Type"]);
      if (node.contains("Plans"))
        open.insert(open.end(), node["Plans"].begin(), node["Plans"].end());
    }
    return plan;
  }

  domain::HistoryPosition place_at_row(std::int64_t from_newest) {
    const auto row = world->sql
                         .exec("SELECT to_char(created_at AT TIME ZONE 'UTC', "
                               "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), id FROM " +
                                   std::string{kHistory} +
                                   " ORDER BY created_at DESC, id DESC OFFSET $1 LIMIT 1",
                               from_newest)
                         .front();
    return {row[0].c_str(), *Uuid::parse(row[1].c_str())};
  }

  std::unique_ptr<TestStore> store;
};

/// The percentile as PostgreSQL's manual defines it: linear between the two nearest values.
double percentile(double share, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const auto above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (place - static_cast<double>(below));
}

double percentile_95(const std::vector<double>& values) { return percentile(0.95, values); }

double average(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values)
    sum += value;
  return sum / static_cast<double>(values.size());
}

} // namespace

TEST_CASE_METHOD(AdminTest, "every filter of the history finds what it names, page by page, once") {
  fill(4000);
  const Uuid user = *Uuid::parse(world->sql.value<std::string>("SELECT md5('user' || 5)::uuid"));
  domain::ReadHistory query;
  query.limit = 7;
  query.status = "failed";
  CHECK(walk(query) == ids_where("status = 'failed'"));
  query.status = "rolled_back";
  CHECK(walk(query) == ids_where("status = 'rolled_back'"));
  query.user_id = user;
  query.status.reset();
  CHECK(walk(query) == ids_where("user_id = '" + user.text() + "'"));
  query.user_id.reset();
  query.registration_group_id = "group-1"; // a success, and some that failed
  CHECK(walk(query).size() >= 2);
  CHECK(walk(query) == ids_where("registration_group_id = 'group-1'"));
  query.registration_group_id.reset();
  query.from = "2026-01-01T00:05:00Z";
  query.to = "2026-01-01T00:06:00Z";
  CHECK(walk(query) == ids_where("created_at >= '2026-01-01T00:05:00Z' AND "
                                 "created_at < '2026-01-01T00:06:00Z'"));
  query.status = "partial";
  CHECK(walk(query) == ids_where("created_at >= '2026-01-01T00:05:00Z' AND created_at < "
                                 "'2026-01-01T00:06:00Z' AND status = 'partial'"));
  CHECK(walk({.limit = 199}) == ids_where("true"));
}

TEST_CASE_METHOD(AdminTest, "a page deep in the history costs what the first one costs") {
  constexpr int kRows = 200'000;
  fill(kRows);
  const auto first = explain({});
  INFO(first.text);
  CHECK(first.nodes.count("Seq Scan") == 0);
  CHECK(first.buffers < 300);
  for (const std::int64_t page : {100, 1000, 3990}) {
    domain::ReadHistory query;
    query.after = place_at_row(page * query.limit);
    const auto deep = explain(query);
    INFO(deep.text);
    CHECK(deep.nodes == first.nodes);
    CHECK(deep.buffers <= first.buffers + 4);
  }
}

TEST_CASE_METHOD(AdminTest, "what is rare is found without reading what is not asked for") {
  fill(100'000);
  const Uuid user = *Uuid::parse(world->sql.value<std::string>("SELECT md5('user' || 5)::uuid"));
  domain::ReadHistory of_user{.user_id = user};
  domain::ReadHistory undone{.status = "rolled_back"};
  domain::ReadHistory of_group{.registration_group_id = "group-41"};
  for (const auto& query : {of_user, undone, of_group}) {
    const auto plan = explain(query);
    INFO(plan.text);
    CHECK(plan.nodes.count("Seq Scan") == 0);
    CHECK(plan.buffers < 300);
  }
}

TEST_CASE_METHOD(AdminTest, "the analytics say what a count of the rows one by one says") {
  fill(9000);
  // A few real ones, whose devices were registered some time before.
  const auto user = world->add_user();
  for (int i = 0; i < 5; ++i) {
    const auto group = "camping-" + std::to_string(i);
    world->add_devices(group, 3, user);
    REQUIRE(completed(migrate(command(group, user))));
  }
  world->sql.exec("UPDATE devices SET created_at = created_at - random() * interval '3 days'");
  world->sql.exec("UPDATE migration_audit_logs SET created_at = '2026-01-01T00:20:00Z' "
                  "WHERE registration_group_id LIKE 'camping-%'");
  const std::string from = "2026-01-01T00:10:00Z";
  const std::string to = "2026-01-01T00:40:00Z";
  const auto told = read(domain::ReadAnalytics{from, to, "hour"});

  // The second, plain query: the rows themselves.
  const auto rows = world->sql.exec(
      std::string{"SELECT status, devices_migrated, duration_ms, error_code FROM "} + kHistory +
          " WHERE created_at >= $1::timestamptz AND created_at < $2::timestamptz",
      from, to);
  REQUIRE(rows.size() > 5000);
  std::map<std::string, int> statuses;
  std::map<std::string, int> errors;
  std::vector<double> devices;
  std::vector<double> durations;
  for (const auto& row : rows) {
    const std::string status = row[0].c_str();
    ++statuses[status];
    if (status == "failed") {
      ++errors[row[3].c_str()];
      continue;
    }
    devices.push_back(row[1].as<double>());
    durations.push_back(row[2].as<double>());
  }
  const auto& totals = told["totals"];
  CHECK(totals["migrations"] == rows.size());
  for (const auto& [status, count] : statuses)
    CHECK(totals[status] == count);
  CHECK(totals["devices"].get<double>() ==
        Approx(average(devices) * static_cast<double>(devices.size())));
  CHECK(
      told["success_rate"].get<double>() ==
      Approx(static_cast<double>(devices.size()) / static_cast<double>(rows.size())).epsilon(1e-5));
  CHECK(told["devices"]["average"].get<double>() == Approx(average(devices)).epsilon(1e-3));
  CHECK(told["devices"]["p95"].get<double>() == Approx(percentile_95(devices)));
  CHECK(told["duration_ms"]["average"].get<double>() == Approx(average(durations)).epsilon(1e-3));
  CHECK(told["duration_ms"]["p95"].get<double>() == Approx(percentile_95(durations)));
  CHECK(told["duration_ms"]["median"].get<double>() == Approx(percentile(0.5, durations)));
  CHECK(told["devices"]["median"].get<double>() == Approx(percentile(0.5, devices)));
  REQUIRE(told["errors"].size() == errors.size());
  for (const auto& each : told["errors"])
    CHECK(each["count"] == errors.at(each["code"]));
  REQUIRE(told["trend"].size() == 1);
  CHECK(told["trend"][0]["success"] == statuses["success"]);
  CHECK(told["largest"].size() == 10);
  CHECK(told["largest"][0]["devices_migrated"] == 17);

  std::vector<double> waits;
  for (const auto& row : world->sql.exec(
           "SELECT extract(epoch FROM a.created_at) - (SELECT extract(epoch FROM d.created_at) "
           "FROM "
           "devices d WHERE d.device_id = ANY (a.device_ids) ORDER BY d.created_at LIMIT 1) "
           "FROM migration_audit_logs a WHERE a.registration_group_id LIKE 'camping-%'"))
    waits.push_back(row[0].as<double>());
  const auto& since = told["seconds_since_registration"];
  CHECK(since["migrations"] == 5);
  CHECK(since["average"].get<double>() == Approx(average(waits)).epsilon(1e-3));
  CHECK(since["p95"].get<double>() == Approx(percentile_95(waits)).epsilon(1e-3));
}

TEST_CASE_METHOD(AdminTest, "a trend has a step for every hour, also where nothing happened") {
  const auto told =
      read(domain::ReadAnalytics{"2026-01-01T00:30:00Z", "2026-01-01T05:00:00Z", "hour"});
  REQUIRE(told["trend"].size() == 5);
  CHECK(told["trend"][4]["at"] == "2026-01-01T04:00:00Z");
  CHECK(told["trend"][4]["success"] == 0);
  CHECK(told["success_rate"].is_null());
  CHECK(told["duration_ms"]["p95"].is_null());
}

TEST_CASE_METHOD(AdminTest, "one migration is told with its timeline") {
  const auto user = world->add_user();
  world->add_devices("camping-2025", 3, user);
  const auto done = migrate(command("camping-2025", user));
  REQUIRE(completed(done));
  const auto told = read(domain::ReadMigration{completed(done)->migration_id});
  CHECK(told["status"] == "success");
  CHECK(told["device_ids"].size() == 3);
  CHECK(events_of(told) == "received started locked committed");
  for (std::size_t i = 1; i < told["timeline"].size(); ++i)
    CHECK(told["timeline"][i - 1]["at"] <= told["timeline"][i]["at"]);
  CHECK(told["trace_id"].is_null());
  CHECK(refused(ask(domain::ReadMigration{Uuid::random()})) == Refused::not_found);
}

TEST_CASE_METHOD(AdminTest, "a row that another program wrote is told by what it has") {
  const auto id = Uuid::random();
  world->sql.exec("INSERT INTO migration_audit_logs (id, user_id, registration_group_id, "
                  "authenticated_group_id, status) VALUES ($1, $1, 'lake-2024', $1, 'success')",
                  id.text());
  const auto told = read(domain::ReadMigration{id});
  CHECK(events_of(told) == "committed");
  CHECK(told["timeline"][0]["at"] == told["created_at"]);
}

TEST_CASE_METHOD(AdminTest, "only an administrator's key reads") {
  const auto insert = [&](const char* hash, bool admin, bool active, const char* expires) {
    world->sql.exec("INSERT INTO api_keys (key_hash, key_prefix, name, is_admin, is_active, "
                    "expires_at) VALUES ($1, 'rgk_', 'k', $2, $3, $4::timestamptz)",
                    hash, admin, active, expires);
  };
  const char* never = nullptr;
  insert("admin", true, true, never);
  insert("device", false, true, never);
  insert("retired", true, false, never);
  insert("expired", true, true, "2020-01-01");
  CHECK(ask(domain::ReadLive{}, "admin").is<AdminDocument>());
  CHECK(refused(ask(domain::ReadLive{}, "device")) == Refused::forbidden);
  for (const char* key : {"retired", "expired", "unknown"})
    CHECK(refused(ask(domain::ReadLive{}, key)) == Refused::unauthorized);
}

namespace {

struct LiveTest : AdminTest {
  LiveTest() : user(world->add_user()), devices(world->add_devices("lake \"2025\" \\", 3, user)) {
    auto traced = *command("lake \"2025\" \\", user);
    traced.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    what = std::make_shared<const domain::MigrationCommand>(std::move(traced));
  }

  void publish(const std::string& replica, std::vector<domain::PublishRunning::Running> running) {
    const auto answer = new_store()->execute(domain::PublishRunning{
        replica, std::move(running), std::chrono::steady_clock::now() + std::chrono::seconds{30}});
    REQUIRE(answer.is<domain::Done>());
  }
  void publish() { publish("host:8080", {{what}}); }

  int notes() { return world->sql.value<int>("SELECT count(*) FROM regroup_running"); }

  Uuid user;
  std::vector<Uuid> devices;
  domain::MigrationPtr what;
};

} // namespace

TEST_CASE_METHOD(LiveTest,
                 "a replica's migration that was refused is queued until it says otherwise") {
  publish();
  REQUIRE(read(domain::ReadLive{}).size() == 1);
  CHECK(read(domain::ReadLive{})[0]["state"] == "queued");
  publish("another:8080", {});
  CHECK(read(domain::ReadLive{}).size() == 1); // not for another to say
  publish("host:8080", {});
  CHECK(read(domain::ReadLive{}).empty());
}

TEST_CASE_METHOD(LiveTest, "what was answered 202 stays noted until its end, whoever publishes") {
  publish("host:8080", {{what, true}});
  publish("host:8080", {}); // its replica has begun anew, say
  world->sql.exec("UPDATE regroup_running SET told_at = now() - interval '2 minutes'");
  publish("another:8080", {});
  CHECK(notes() == 1);
  CHECK(read(domain::ReadLive{}).empty());
  const auto asked = [&] {
    return new_store()->execute(
        domain::FindMigration{what->migration_id, user, std::nullopt,
                              std::chrono::steady_clock::now() + std::chrono::seconds{30}});
  };
  const auto answer = asked(); // which settles it
  REQUIRE(answer.is<domain::MigrationReport>());
  CHECK(answer.get<domain::MigrationReport>().status == domain::MigrationReport::Status::failed);
  CHECK(notes() == 0);
}

TEST_CASE_METHOD(LiveTest, "replicas of the version before and of this one share the note") {
  // As that version sends it: two functions, and a statement of its own.
  world->sql.exec("SELECT regroup_publish_live_v1('old:8080', ARRAY[$1::uuid], ARRAY[$2::uuid], "
                  "ARRAY[$3], ARRAY[500::bigint], ARRAY[''])",
                  what->migration_id.text(), user.text(), what->registration_group_id);
  REQUIRE(read(domain::ReadLive{}).size() == 1);
  CHECK(read(domain::ReadLive{})[0]["replica"] == "old:8080");
  world->sql.exec("SELECT regroup_note_running_v1($1, $2, $3, NULL)", what->migration_id.text(),
                  user.text(), what->registration_group_id);
  world->sql.exec("UPDATE regroup_running SET devices_processed = 2, told_at = now()");
  world->sql.exec("SELECT regroup_publish_live_v1('old:8080', '{}', '{}', '{}', '{}', '{}')");
  const auto answer = new_store()->execute(
      domain::FindMigration{what->migration_id, user, std::nullopt,
                            std::chrono::steady_clock::now() + std::chrono::seconds{30}});
  REQUIRE(answer.is<domain::MigrationReport>());
  CHECK(answer.get<domain::MigrationReport>().devices_total == 3);
  CHECK(answer.get<domain::MigrationReport>().devices_processed == 2);
  world->sql.exec("DELETE FROM regroup_running WHERE migration_id = $1", what->migration_id.text());
  CHECK(read(domain::ReadLive{}).empty());
}

TEST_CASE_METHOD(LiveTest, "a migration that waits is told with its lock and who holds it up") {
  HeldTransaction other{url};
  other.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
  auto migration = migrate_meanwhile(what);
  REQUIRE(somebody_waits("transactionid"));
  publish();
  const auto live = read(domain::ReadLive{});
  REQUIRE(live.size() == 1);
  CHECK(live[0]["migration_id"] == what->migration_id.text());
  CHECK(live[0]["registration_group_id"] == what->registration_group_id);
  CHECK(live[0]["replica"] == "host:8080");
  CHECK(live[0]["trace_id"] == what->trace_id);
  CHECK(live[0]["state"] == "waiting");
  CHECK(live[0]["lock"]["key"] == world->sql.value<std::string>("SELECT regroup_lock_key($1)::text",
                                                                what->registration_group_id));
  CHECK(live[0]["lock"]["mode"] == "ExclusiveLock");
  REQUIRE(live[0]["blocked_by"].size() == 1);
  CHECK(live[0]["blocked_by"][0]["backend_pid"] == other.backend_pid());
  CHECK(read(domain::ReadLive{}) == live); // nothing changed, so nothing is told anew
  other.rollback();
  CHECK(completed(migration.get()));
  CHECK(read(domain::ReadLive{}).empty()); // it is on record
  publish("host:8080", {});
  CHECK(notes() == 0);
}

TEST_CASE_METHOD(LiveTest, "a replica that ended without a word is believed for seconds only") {
  publish();
  REQUIRE(read(domain::ReadLive{}).size() == 1);
  world->sql.exec("UPDATE regroup_running SET told_at = now() - interval '20 seconds'");
  CHECK(read(domain::ReadLive{}).empty());
  world->sql.exec("UPDATE regroup_running SET told_at = now() - interval '2 minutes'");
  publish("another:8080", {});
  CHECK(notes() == 0);
}

TEST_CASE_METHOD(LiveTest, "a migration that was cancelled while it waits is not committed") {
  HeldTransaction other{url};
  other.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
  auto migration = migrate_meanwhile(what);
  REQUIRE(somebody_waits("transactionid"));
  publish();
  const auto said = read(domain::CancelMigration{what->migration_id});
  CHECK(said["status"] == "cancelled");
  other.rollback(); // it gets all its locks, and writes everything but its own record
  CHECK(refused(migration.get()) == Refused::cancelled);
  CHECK(world->groups() == 0);
  CHECK(world->failure_code() == "migration/cancelled");
  const auto told = read(domain::ReadMigration{what->migration_id});
  CHECK(told["trace_id"] == what->trace_id);
  CHECK(events_of(told) == "received cancelled");
  CHECK(world->devices_in(what->registration_group_id) == 3);
  CHECK(completed(migrate(command(what->registration_group_id, user)))); // and can be done anew
}

TEST_CASE_METHOD(LiveTest, "a cancelled migration whose lock never comes ends as cancelled") {
  settings.lock_timeout = std::chrono::milliseconds{700};
  HeldTransaction other{url};
  other.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[1].text());
  auto migration = migrate_meanwhile(what);
  REQUIRE(somebody_waits("transactionid"));
  publish();
  read(domain::CancelMigration{what->migration_id});
  CHECK(refused(migration.get()) == Refused::cancelled);
  CHECK(world->audits("failed") == 1);
}

TEST_CASE_METHOD(LiveTest, "a migration that has written its record cannot be cancelled any more") {
  publish();
  HeldTransaction committing{url};
  committing.exec("SELECT * FROM regroup_migrate_v2($1, $2, $3, $4, 'Lake', 'lake', NULL, 100, 20, "
                  "NULL, NULL)",
                  what->migration_id.text(), Uuid::random().text(), user.text(),
                  what->registration_group_id);
  CHECK(refused(ask(domain::CancelMigration{what->migration_id})) == Refused::not_cancellable);
  committing.commit();
  CHECK(refused(ask(domain::CancelMigration{what->migration_id})) == Refused::not_cancellable);
  CHECK(world->audits("success") == 1);
  CHECK(refused(ask(domain::CancelMigration{Uuid::random()})) == Refused::not_found);
}
