// authorization.txt, asked of the service: every route, every kind of caller.
#include "tests/service/admin_support.hpp"
#include "tests/service/documented.hpp"
#include "tests/support/raw_connection.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

using namespace regroup;
using namespace regroup::test;
using domain::Uuid;

namespace {

enum class Role : std::size_t {
  nobody,
  stranger,
  deactivated,
  device_owner,
  viewer,
  member,
  owner,
  device_key,
  revoked_key,
  admin_key
};
constexpr std::array<const char*, 10> kRoles{
    "nobody", "stranger", "deactivated", "device-owner", "viewer",
    "member", "owner",    "device-key",  "revoked-key",  "admin-key"};
constexpr std::array kUsers{Role::stranger, Role::deactivated, Role::device_owner,
                            Role::viewer,   Role::member,      Role::owner};

struct Row {
  std::string method, path; // "/api/v1/groups/{group_id}/members"
  std::string what;         // after the colon
  std::array<int, kRoles.size()> statuses{};

  std::string route() const { return method + " " + path; }
  bool reads() const { return method == "GET"; }
};

std::vector<Row> table() {
  std::ifstream file{REGROUP_SOURCE_DIR "/tests/service/authorization.txt"};
  std::vector<Row> rows;
  const std::regex form{R"((\w+) (\S+) *(?:: ([^|]*?))? *\|((?: \d{3})+))"};
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.front() == '#')
      continue;
    std::smatch match;
    INFO(line);
    REQUIRE(std::regex_match(line, match, form));
    Row row{match[1], match[2], match[3], {}};
    std::istringstream statuses{match[4]};
    for (int& status : row.statuses)
      REQUIRE(statuses >> status);
    std::string more;
    REQUIRE_FALSE(statuses >> more);
    rows.push_back(row);
  }
  return rows;
}

/// A group as its owner has just migrated it, with everybody of the table in and around it; and a
/// registration group that is still to be migrated.
struct Scene {
  std::map<Role, Uuid> users;
  std::map<Role, Uuid> in_group; // a device of theirs
  std::map<Role, Uuid> spare;    // another one, in no group
  std::string string, slug, untouched;
  Uuid unlinked;             // in the group
  std::vector<Uuid> waiting; // in the untouched string
  std::string group_id, migration_id, webhook_id, key_id;
};

class AuthorizationTest : public AdminServiceTest {
public:
  AuthorizationTest() : revoked_key_(add_key(true)) {
    world.sql.exec("UPDATE api_keys SET is_active = false WHERE key_hash = $1",
                   http::sha256_hex(revoked_key_));
  }

  Scene scene() {
    const auto name = "scene-" + std::to_string(++scenes_);
    Scene made;
    made.string = name;
    made.slug = name + "-group";
    made.untouched = name + "-untouched";
    for (const Role role : kUsers) {
      made.users[role] = world.add_user();
      made.spare[role] = device(name + "-spare", made.users[role]);
      if (role != Role::stranger)
        made.in_group[role] = device(name, made.users[role]);
    }
    made.unlinked = device(name, std::nullopt);
    made.waiting = {device(made.untouched, made.users[Role::owner]),
                    device(made.untouched, made.users[Role::device_owner]),
                    device(made.untouched, std::nullopt)};
    const auto done = service.client().post(
        kMigrate, json{{"registration_group_id", name}, {"group_name", made.slug}}.dump(),
        bearer(made.users[Role::owner]));
    REQUIRE(status_of(done) == 201);
    made.group_id = json::parse(done->body).at("authenticated_group_id");
    made.migration_id = json::parse(done->body).at("migration_id");
    return made;
  }

  void let_in(const Scene& in) {
    const std::map<Role, const char*> roles{
        {Role::viewer, "viewer"}, {Role::member, "member"}, {Role::deactivated, "admin"}};
    for (const auto& [role, name] : roles)
      world.sql.exec("INSERT INTO group_memberships (group_id, user_id, role) "
                     "VALUES ($1, $2, $3::group_role)",
                     in.group_id, in.users.at(role).text(), name);
  }

  /// What the row's route needs beside the group.
  void prepare(const Row& row, Scene& in) {
    // An undo wants the group as the migration made it: then viewers and members are strangers.
    if (row.path.find("/rollback") == std::string::npos)
      let_in(in);
    if (row.path.find("{webhook_id}") != std::string::npos)
      in.webhook_id =
          json::parse(post("/webhooks", R"({"url":"https://example.com"})")->body)["id"];
    if (row.path.find("{key_id}") != std::string::npos)
      in.key_id = json::parse(post("/api-keys", R"({"name":"spare"})")->body)["id"].dump();
    world.sql.exec("UPDATE users SET is_active = false WHERE id = $1",
                   in.users.at(Role::deactivated).text());
  }

  Headers headers_of(Role role, const Scene& in) const {
    switch (role) {
    case Role::nobody:
      return {};
    case Role::device_key:
      return {{"X-API-Key", device_key}};
    case Role::revoked_key:
      return {{"X-API-Key", revoked_key_}};
    case Role::admin_key:
      return {{"X-API-Key", admin_key}};
    default:
      return bearer(in.users.at(role));
    }
  }

  /// All that a refusal must leave as it is.
  std::string state() {
    return world.sql.value<std::string>(
        "SELECT md5((SELECT coalesce(string_agg((to_jsonb(d) - 'last_seen_at')::text, '' "
        "  ORDER BY d.device_id), '') FROM devices d) "
        "|| (SELECT coalesce(string_agg(g::text, '' ORDER BY g.id), '') FROM groups g) "
        "|| (SELECT coalesce(string_agg(m::text, '' ORDER BY m.id), '') FROM group_memberships m) "
        "|| (SELECT coalesce(string_agg(m::text, '' ORDER BY m.id), '') "
        "    FROM device_group_memberships m) "
        "|| (SELECT coalesce(string_agg(k::text, '' ORDER BY k.id), '') FROM api_keys k))");
  }

private:
  Uuid device(const std::string& group, const std::optional<Uuid>& owner) {
    const auto id = Uuid::random();
    world.sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform, "
                   "owner_user_id, linked_at) VALUES ($1, 'phone', $2, 'android', $3, now())",
                   id.text(), group, owner ? owner->text().c_str() : nullptr);
    return id;
  }

  std::string revoked_key_;
  int scenes_ = 0;
};

/// The device that the row is about for this caller; one of the owner's for who has none.
Uuid device_for(const Row& row, Role role, const Scene& in, const std::map<Role, Uuid>& own) {
  if (row.what != "another's" && own.contains(role))
    return own.at(role);
  return &own == &in.in_group ? in.unlinked
                              : in.spare.at(role == Role::stranger ? Role::owner : Role::stranger);
}

std::string registration(const Row& row, const Scene& in) {
  const Uuid device = row.what == "nobody's"      ? in.waiting.at(2)
                      : row.what == "the owner's" ? in.spare.at(Role::owner)
                                                  : Uuid::random();
  const bool into_slug = row.what.find("slug") != std::string::npos;
  return json{{"device_id", device.text()},
              {"display_name", "phone"},
              {"group_id", into_slug ? in.slug : in.untouched},
              {"platform", "android"}}
      .dump();
}

std::string body_of(const Row& row, Role role, const Scene& in) {
  const auto& path = row.path;
  if (path == kMigrate)
    return json{{"registration_group_id", row.what == "again" ? in.string : in.untouched}}.dump();
  if (path.ends_with("/register"))
    return registration(row, in);
  if (path.ends_with("/bulk-add"))
    return json{{"device_ids", {device_for(row, role, in, in.spare).text()}}}.dump();
  if (path.ends_with("/bulk-remove"))
    return json{{"device_ids", {device_for(row, role, in, in.in_group).text()}}}.dump();
  if (path.ends_with("{group_id}/devices"))
    return json{{"device_id", device_for(row, role, in, in.spare).text()}}.dump();
  if (path.ends_with("/webhooks"))
    return R"({"url":"https://example.com/hook"})";
  if (path.ends_with("/api-keys"))
    return R"({"name":"one more"})";
  return "";
}

std::string path_of(const Row& row, Role role, const Scene& in) {
  std::string path = row.path + (row.what == "rehearsed" ? "?dry_run=true" : "");
  const std::map<std::string, std::string> parameters{
      {"group_id", in.group_id},
      {"migration_id", in.migration_id},
      {"device_id", device_for(row, role, in, in.in_group).text()},
      {"webhook_id", in.webhook_id},
      {"key_id", in.key_id},
      {"operation_id", "6f0d3c8e-5b0a-4a57-9a65-0c9d2f1b7a11"},
      {"file", "no-such-file"}};
  for (const auto& [name, value] : parameters)
    path = std::regex_replace(path, std::regex{"\\{" + name + "\\}"}, value);
  REQUIRE(path.find('{') == std::string::npos);
  return path;
}

/// Of a stream only the head is waited for.
Answered ask(AuthorizationTest& test, const Row& row, Role role, const Scene& in,
             const std::string& path, const std::string& body) {
  auto headers = test.headers_of(role, in);
  if (!row.path.ends_with("/events")) {
    if (!body.empty())
      headers["Content-Type"] = "application/json";
    return test.service.client().request(row.method, path, headers, body);
  }
  std::string bytes = row.method + " " + path + " HTTP/1.1\r\nHost: x\r\n";
  for (const auto& [name, value] : headers)
    bytes.append(name).append(": ").append(value).append("\r\n");
  RawConnection connection{test.service.port()};
  REQUIRE(connection.send(bytes + "\r\n"));
  const auto said = connection.receive_until("\r\n\r\n", std::chrono::seconds{10});
  REQUIRE(said);
  return Response{std::stoi(said->substr(said->find(' ') + 1, 3)), {}, *said};
}

/// Ids of devices that this caller has no right to see, in an answer or not.
std::vector<Uuid> hidden_from(Role role, const Scene& in, bool has_migrated) {
  std::vector<Uuid> hidden;
  const bool sees_group = role == Role::viewer || role == Role::member || role == Role::owner ||
                          role == Role::admin_key;
  for (const auto& [other, device] : in.in_group)
    if (!sees_group && other != role)
      hidden.push_back(device);
  if (!sees_group)
    hidden.push_back(in.unlinked);
  for (const auto& [other, device] : in.spare)
    if (other != role)
      hidden.push_back(device);
  if (!has_migrated) // and is a member by now
    for (std::size_t i = 0; i < in.waiting.size(); ++i)
      if (!(role == Role::owner && i == 0) && !(role == Role::device_owner && i == 1))
        hidden.push_back(in.waiting[i]);
  return hidden;
}

} // namespace

TEST_CASE("every route has a row in the table of who may do what") {
  std::set<std::string> documented;
  for (const auto& [path, item] : documentation().at("paths").items())
    for (const auto& [method, operation] : item.items())
      if (operation.is_object() && operation.contains("responses")) {
        std::string upper = method;
        std::transform(upper.begin(), upper.end(), upper.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        documented.insert(upper + " " + path);
      }
  std::set<std::string> in_table;
  for (const auto& row : table())
    in_table.insert(row.route());
  CHECK(in_table == documented);
}

TEST_CASE("everybody may do what the table says and nothing else") {
  AuthorizationTest test;
  for (const auto& row : table()) {
    std::optional<Scene> shared; // until something was changed
    for (std::size_t column = 0; column < kRoles.size(); ++column) {
      const auto role = static_cast<Role>(column);
      INFO(row.route() << " : " << row.what << ", " << kRoles.at(column));
      if (!shared) {
        shared = test.scene();
        test.prepare(row, *shared);
      }
      const auto path = path_of(row, role, *shared);
      const auto body = body_of(row, role, *shared);
      const auto before = row.reads() ? "" : test.state();
      const auto answer = ask(test, row, role, *shared, path, body);
      REQUIRE(answer);
      INFO(answer->body.substr(0, 1000));
      CHECK(answer->status == row.statuses.at(column));
      const bool may_change = !row.reads() && answer->status < 400;
      if (!row.reads() && !may_change)
        CHECK(test.state() == before);
      for (const auto& id : hidden_from(role, *shared, may_change && row.path == kMigrate)) {
        const bool asked_for = (path + body).find(id.text()) != std::string::npos;
        CHECK((asked_for || answer->body.find(id.text()) == std::string::npos));
      }
      if (may_change)
        shared.reset();
    }
  }
}
