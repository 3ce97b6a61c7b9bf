// Events on their way to endpoints that work, fail, hang, die in the middle; and replicas that do.
#include "events/signature.hpp"
#include "tests/service/admin_support.hpp"
#include "tests/support/phone_manager.hpp"
#include "tests/support/webhook_receiver.hpp"

#include <catch2/catch.hpp>

#include <csignal>
#include <map>
#include <set>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using Answer = WebhookReceiver::Answer;

namespace {

Service::Options private_endpoints(unsigned replicas = 1) {
  Service::Options options;
  options.replicas = replicas;
  options.settings = {{"webhooks.allow_private_addresses", "true"}, {"webhooks.timeout", "400ms"}};
  return options;
}

struct WebhooksTest : AdminServiceTest {
  explicit WebhooksTest(const Service::Options& options = private_endpoints())
      : AdminServiceTest(options), user(world.add_user()) {}

  json add_endpoint(const std::string& url) {
    const auto answer = post("/webhooks", json{{"url", url}}.dump());
    INFO((answer ? answer->body : "no answer"));
    REQUIRE(status_of(answer) == 201);
    return json::parse(answer->body);
  }

  json endpoint(const std::string& id) {
    const auto list = read("/webhooks");
    for (const auto& each : list["webhooks"])
      if (each["id"] == id)
        return each;
    return {};
  }

  /// A migration of one more device of the group; its id.
  std::string migrate_one(const std::string& group, std::size_t replica = 0) {
    const auto devices = world.add_devices(group, 1, user);
    const auto name = "part " + devices[0].text();
    const auto answer = migrate(service.replica(replica).port(), user,
                                json{{"registration_group_id", group},
                                     {"group_name", name},
                                     {"device_ids", {devices[0].text()}}}
                                    .dump());
    REQUIRE(status_of(answer) == 201);
    const std::string id = json::parse(answer->body)["migration_id"];
    in_order[group].push_back(id);
    ++count;
    return id;
  }

  int pending() { return world.sql.value<int>("SELECT count(*) FROM regroup_migration_events"); }

  /// The migrations of each group in the order in which the endpoint took them first.
  static std::map<std::string, std::vector<std::string>>
  taken(const std::vector<WebhookReceiver::Event>& events) {
    std::map<std::string, std::vector<std::string>> groups;
    std::set<std::string> seen;
    for (const auto& event : events) {
      const auto data = json::parse(event.body)["data"];
      const std::string id = data["migration_id"];
      const bool took = event.answer == Answer::ok || event.answer == Answer::cut; // 200 both
      if (took && seen.insert(id).second)
        groups[data["registration_group_id"]].push_back(id);
    }
    return groups;
  }

  domain::Uuid user;
  std::map<std::string, std::vector<std::string>> in_order;
  int count = 0;
};

} // namespace

TEST_CASE("an endpoint is told of each migration once, with a signature that is its own") {
  WebhooksTest test;
  WebhookReceiver receiver;
  test.migrate_one("before");
  test.in_order.clear();
  const auto made = test.add_endpoint(receiver.url());
  const std::string secret = made["secret"];
  CHECK(secret.starts_with("whsec_"));
  for (int i = 0; i < 5; ++i)
    test.migrate_one("camping-" + std::to_string(i % 2));
  REQUIRE(eventually([&] { return test.pending() == 0; }));
  const auto events = receiver.events();
  CHECK(events.size() == 5);
  CHECK(WebhooksTest::taken(events) == test.in_order);
  for (const auto& event : events) {
    const auto time = std::stoll(event.signature.substr(2));
    CHECK(event.signature == events::signature(secret,
                                               std::chrono::sys_seconds{std::chrono::seconds{time}},
                                               event.body));
    CHECK(event.id == json::parse(event.body)["id"]);
  }
  const std::string listed = test.read("/webhooks").dump();
  CHECK(listed.find(secret) == std::string::npos);
  CHECK(test.service.replica().log().find(secret) == std::string::npos);
  CHECK(test.endpoint(made["id"])["last_success_at"].is_string());
}

TEST_CASE("an endpoint that fails, hangs or dies in the middle gets every event, in order") {
  WebhooksTest test;
  WebhookReceiver receiver{[](int before, const std::string&) {
    constexpr Answer kBad[]{Answer::fail, Answer::cut, Answer::hang};
    return before % 4 == 1 && before < 12 ? kBad[before / 4] : Answer::ok;
  }};
  test.add_endpoint(receiver.url());
  for (int i = 0; i < 12; ++i)
    test.migrate_one("camping-" + std::to_string(i % 4));
  REQUIRE(eventually([&] { return test.pending() == 0; }));
  const auto events = receiver.events();
  CHECK(WebhooksTest::taken(events) == test.in_order);
  CHECK(events.size() >= 14); // two had to be told again; 200 was said before the third was cut
}

TEST_CASE("no event is lost when replicas are killed in the middle of a delivery") {
  WebhooksTest test{private_endpoints(2)};
  std::atomic<bool> hanging{true};
  WebhookReceiver receiver{
      [&](int, const std::string&) { return hanging ? Answer::hang : Answer::ok; }};
  test.add_endpoint(receiver.url());
  for (int i = 0; i < 6; ++i)
    test.migrate_one("camping-" + std::to_string(i % 3), static_cast<std::size_t>(i) % 2);
  REQUIRE(eventually([&] { return receiver.events().size() >= 2; }));
  test.service.replica(0).signal(SIGKILL);
  test.service.replica(1).signal(SIGKILL);
  hanging = false;
  test.service.replica(0).restart();
  test.service.replica(0).wait_until_ready();
  CHECK(eventually([&] { return test.pending() == 0; }, 60s));
  CHECK(WebhooksTest::taken(receiver.events()) == test.in_order);
}

TEST_CASE("an endpoint that always fails is left alone, and another notices nothing of it") {
  WebhooksTest test;
  WebhookReceiver bad{[](int, const std::string&) { return Answer::fail; }};
  WebhookReceiver good;
  const std::string failing = test.add_endpoint(bad.url())["id"];
  const std::string working = test.add_endpoint(good.url())["id"];
  for (int i = 0; i < 8; ++i)
    test.migrate_one("camping-" + std::to_string(i));
  REQUIRE(eventually([&] { return test.endpoint(failing)["open_until"].is_string(); }));
  CHECK(eventually([&] { return test.endpoint(working)["pending"] == 0; }));
  CHECK(test.endpoint(failing)["pending"] == 8);
  CHECK(test.endpoint(failing)["last_error"] == "answered 500");
  CHECK(WebhooksTest::taken(good.events()) == test.in_order);
  const auto path = "/api/admin/v1/webhooks/" + failing;
  CHECK(status_of(test.service.client().remove(path, test.admin())) == 200);
  CHECK(code_of(test.service.client().remove(path, test.admin())) == "resource/not-found");
  CHECK(test.pending() == 0);
}

TEST_CASE("an address that is not public is not connected to, and is named as the reason") {
  WebhooksTest test{Service::Options{}};
  WebhookReceiver receiver;
  CHECK(code_of(test.post("/webhooks", json{{"url", receiver.url()}}.dump())) ==
        "validation/invalid-request"); // not https
  auto url = receiver.url();
  url.replace(0, 4, "https");
  const std::string id = test.add_endpoint(url)["id"];
  test.migrate_one("camping");
  CHECK(eventually([&] {
    return test.endpoint(id)["last_error"] ==
           "the address is not a public one (webhooks.allow_private_addresses)";
  }));
  CHECK(receiver.events().empty());
  CHECK(test.pending() == 1);
}

TEST_CASE("endpoints are an administrator's to make") {
  WebhooksTest test;
  const auto client = [&] { return test.service.client(); };
  const std::string path = "/api/admin/v1/webhooks";
  const std::string body = R"({"url": "https://example.com/hook"})";
  CHECK(code_of(client().post(path, body)) == "auth/unauthorized");
  CHECK(code_of(client().post(path, body, {{"X-API-Key", test.device_key}})) == "authz/forbidden");
  CHECK(code_of(client().get(path)) == "auth/unauthorized");
  CHECK(code_of(client().remove(path + "/x", test.admin())) == "validation/invalid-request");
  for (const char* wrong :
       {R"({})", R"({"url": "ftp://example.com"})", R"({"url": "https://"})",
        R"({"url": "https://user:secret@example.com"})", R"({"url": "https://exa mple.com"})",
        R"({"url": "https://example.com/#top"})", R"({"url": "https://example.com", "x": 1})"})
    CHECK(code_of(test.post("/webhooks", wrong)) == "validation/invalid-request");
  CHECK(code_of(test.post("/webhooks", "{")) == "validation/invalid-json");
  CHECK(status_of(test.post("/webhooks", body)) == 201);
}

TEST_CASE("an event that its receiver refuses keeps none of other groups from it") {
  WebhooksTest test;
  WebhookReceiver receiver{[](int, const std::string& body) {
    return body.find("poisoned") == std::string::npos ? Answer::ok : Answer::refuse;
  }};
  const std::string id = test.add_endpoint(receiver.url())["id"];
  test.migrate_one("poisoned");
  // As if it had failed for a while.
  REQUIRE(eventually([&] {
    test.world.sql.exec("UPDATE regroup_migration_events SET due_at = now() WHERE attempts > 0");
    return receiver.events().size() >= 7;
  }));
  test.in_order.clear();
  for (int i = 0; i < 6; ++i)
    test.migrate_one("camping-" + std::to_string(i % 3));
  CHECK(eventually([&] { return WebhooksTest::taken(receiver.events()) == test.in_order; }));

  REQUIRE(eventually([&] { // ten attempts
    test.world.sql.exec("UPDATE regroup_migration_events SET due_at = now() WHERE attempts > 0");
    return test.endpoint(id)["dead"] == 1;
  }));
  CHECK(test.pending() == 0);
  const auto dead = test.read("/webhooks/" + id + "/dead-events");
  REQUIRE(dead["events"].size() == 1);
  CHECK(dead["events"][0]["last_error"] == "answered 422");
  const std::string event = dead["events"][0]["id"];
  const auto again =
      test.post("/webhooks/" + id + "/redeliver", json{{"event_ids", {event}}}.dump());
  REQUIRE(status_of(again) == 200);
  CHECK(json::parse(again->body)["redelivered"] == 1);
  const auto seen = receiver.events().size();
  CHECK(eventually([&] { return receiver.events().size() > seen; }));
  CHECK(receiver.events().back().id == event);
}

TEST_CASE("an endpoint that answers 410 has no more events until it is enabled again") {
  WebhooksTest test;
  std::atomic<bool> gone{true};
  WebhookReceiver receiver{
      [&](int, const std::string&) { return gone ? Answer::gone : Answer::ok; }};
  const std::string id = test.add_endpoint(receiver.url())["id"];
  test.migrate_one("camping");
  REQUIRE(eventually([&] { return test.endpoint(id)["is_active"] == false; }));
  CHECK(test.endpoint(id)["disabled_at"].is_string());
  gone = false;
  CHECK(status_of(test.post("/webhooks/" + id + "/enable")) == 200);
  CHECK(eventually([&] { return test.pending() == 0; }));
  CHECK(WebhooksTest::taken(receiver.events()) == test.in_order);
}

TEST_CASE("an endpoint that asks for a pause gets it, in seconds or until a date") {
  for (const std::string retry_after : {"3600", "Fri, 31 Dec 2100 23:59:59 GMT"}) {
    INFO(retry_after);
    WebhooksTest test;
    WebhookReceiver receiver{[](int, const std::string&) { return Answer::throttle; }, retry_after};
    const std::string id = test.add_endpoint(receiver.url())["id"];
    test.migrate_one("camping");
    REQUIRE(eventually([&] { return test.endpoint(id)["held_until"].is_string(); }));
    test.migrate_one("lake");
    test.world.sql.exec("UPDATE regroup_migration_events SET due_at = now()");
    test.world.sql.exec("INSERT INTO regroup_webhook_endpoints (id, url, secret) VALUES "
                        "(gen_random_uuid(), 'http://127.0.0.1:1/hook', 's')");
    test.migrate_one("meadow"); // the other endpoint's turn shows that the outbox was looked into
    REQUIRE(eventually([&] {
      return test.world.sql.value<int>(
                 "SELECT count(*) FROM regroup_webhook_endpoints WHERE failures > 0") == 1;
    }));
    CHECK(receiver.events().size() == 1);
    CHECK(test.endpoint(id)["failures"] == 0);
    const auto hold = test.world.sql.value<double>("SELECT extract(epoch FROM held_until - now()) "
                                                   "FROM regroup_webhook_endpoints WHERE id = $1",
                                                   id);
    CHECK(hold > 3000);
    CHECK(hold <= 86400);
  }
}

TEST_CASE("an event is taken once the head of a 2xx has come, whatever becomes of the body") {
  WebhooksTest test;
  WebhookReceiver receiver{[](int, const std::string&) { return Answer::endless; }};
  const std::string id = test.add_endpoint(receiver.url())["id"];
  for (int i = 0; i < 3; ++i)
    test.migrate_one("camping");
  CHECK(eventually([&] { return test.pending() == 0; }));
  CHECK(receiver.events().size() == 3);
  CHECK(test.endpoint(id)["failures"] == 0);
  CHECK(test.endpoint(id)["last_error"].is_null());
}

TEST_CASE("a replica that may not reach an address leaves its events to one that may") {
  auto options = private_endpoints();
  WebhooksTest test{options};
  WebhookReceiver receiver;
  const std::string id = test.add_endpoint(receiver.url())["id"];
  Replica strict{test.service.database_url()}; // may not
  strict.wait_until_ready();
  for (int i = 0; i < 20; ++i)
    test.migrate_one("camping-" + std::to_string(i));
  CHECK(eventually([&] { return test.pending() == 0; }));
  CHECK(receiver.events().size() == 20);
  CHECK(test.endpoint(id)["failures"] == 0);
  CHECK(test.endpoint(id)["last_failure_at"].is_null());
}

TEST_CASE("a backend's own endpoints are sent nothing, and its tables stay as they are") {
  // As another program made them, and as a version of Regroup whose tables had no prefix left them.
  const std::string more =
      GENERATE("", "ALTER TABLE webhook_endpoints ADD COLUMN failures integer DEFAULT 0 NOT NULL, "
                   "ADD COLUMN open_until timestamptz, ADD COLUMN last_success_at timestamptz, "
                   "ADD COLUMN last_failure_at timestamptz, ADD COLUMN last_error text;");
  WebhookReceiver partner, receiver;
  Postgres server;
  const auto url = phone_manager_database(
      server, "CREATE TABLE webhook_endpoints (id uuid PRIMARY KEY, url text NOT NULL, secret text "
              "NOT NULL, topic text NOT NULL DEFAULT 'billing', is_active boolean NOT NULL DEFAULT "
              "true, created_at timestamptz NOT NULL DEFAULT now());"
              "INSERT INTO webhook_endpoints (id, url, secret) VALUES (gen_random_uuid(), '" +
                  partner.url() +
                  "', 'theirs'); CREATE TABLE migration_events (id serial PRIMARY KEY, migration "
                  "text, applied boolean);"
                  "INSERT INTO migration_events (migration) VALUES ('0001_init');" +
                  more);
  World world{url};
  const auto snapshot = [&](const std::string& table) {
    return world.sql.value<std::string>(
        "SELECT (SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum) "
        "FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0) || "
        "(SELECT string_agg(t.xmin || ' ' || t, ', ') FROM " +
            table + " t)",
        table);
  };
  const auto endpoints = snapshot("webhook_endpoints");
  const auto their_events = snapshot("migration_events");

  Replica replica{url, {{"webhooks.allow_private_addresses", "true"}}};
  replica.wait_until_ready();
  HttpClient client{replica.port()};
  const auto key = http::new_api_key();
  world.sql.exec("INSERT INTO api_keys (key_hash, key_prefix, name, is_admin) VALUES "
                 "($1, $2, 'test', true)",
                 http::sha256_hex(key), key.substr(0, 8));
  const Headers admin{{"X-API-Key", key}};
  const auto listed = client.get("/api/admin/v1/webhooks", admin);
  REQUIRE(status_of(listed) == 200);
  CHECK(json::parse(listed->body).at("webhooks").empty()); // the partner is none of ours
  REQUIRE(status_of(client.post("/api/admin/v1/webhooks", json{{"url", receiver.url()}}.dump(),
                                admin)) == 201);

  const auto user = world.add_user();
  world.add_devices("chen-family", 3, user);
  REQUIRE(status_of(client.post(kMigrate, ServiceTest::body("chen-family"), bearer(user))) == 201);
  REQUIRE(eventually([&] { return receiver.events().size() == 1; }));
  CHECK(json::parse(receiver.events()[0].body)["data"]["registration_group_id"] == "chen-family");
  REQUIRE(eventually([&] { // and nothing is left to be sent
    return world.sql.value<int>("SELECT count(*) FROM regroup_migration_events") == 0;
  }));
  CHECK(partner.events().empty());
  CHECK(snapshot("webhook_endpoints") == endpoints);
  CHECK(snapshot("migration_events") == their_events);
}
