#pragma once
#include "tests/support/cluster.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/world.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace regroup::test {

using nlohmann::json;
using Answered = std::optional<Response>;

inline constexpr const char* kMigrate = "/api/v1/groups/migrate";

/// A deployment under test, the people in its database, and how they ask for a migration.
class ServiceTest {
public:
  explicit ServiceTest(const Service::Options& options = {})
      : service(options), world(service.database_url()) {}

  static std::string body(const std::string& group) {
    return json{{"registration_group_id", group}}.dump();
  }

  Answered migrate(unsigned port, const domain::Uuid& user, const std::string& text,
                   Headers headers = {}) const {
    headers.merge(bearer(user));
    return HttpClient{port}.post(kMigrate, text, headers);
  }

  /// The way to ask later: for at_once().
  std::function<Answered()> asking(unsigned port, const domain::Uuid& user,
                                   const std::string& text) const {
    return [this, port, user, text] { return migrate(port, user, text); };
  }

  /// In the background; wait with get().
  std::future<Answered> asking_now(unsigned port, const domain::Uuid& user,
                                   const std::string& text) const {
    return std::async(std::launch::async, asking(port, user, text));
  }

  /// Whether sessions of the service wait for a lock of the kind that pg_stat_activity names.
  bool somebody_waits(const std::string& kind, int count = 1) {
    return eventually([&] {
      return world.sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                  "current_database() AND wait_event_type = 'Lock' "
                                  "AND wait_event = $1",
                                  kind) >= count;
    });
  }

  int deadlocks() {
    return world.sql.value<int>(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
  }

  Service service;
  World world;
};

inline int status_of(const Answered& answer) { return answer ? answer->status : 0; }

inline std::string code_of(const Answered& answer) {
  if (!answer)
    return "no answer";
  const auto body = json::parse(answer->body, nullptr, false);
  return body.contains("error") ? body["error"]["code"].get<std::string>() : "";
}

/// How often each outcome came: "201", "409 migration/in-progress".
inline std::map<std::string, int> tally(const std::vector<Answered>& answers) {
  std::map<std::string, int> counts;
  for (const auto& answer : answers) {
    const auto code = code_of(answer);
    ++counts[std::to_string(status_of(answer)) + (code.empty() ? "" : " " + code)];
  }
  return counts;
}

/// One 201, and every other one of the two refusals that the contract allows.
inline bool is_one_success(const std::vector<Answered>& answers) {
  auto counts = tally(answers);
  const auto refused =
      counts["409 migration/in-progress"] + counts["409 resource/already-migrated"];
  return counts["201"] == 1 && refused + 1 == static_cast<int>(answers.size());
}

} // namespace regroup::test
