#pragma once
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/unicode.hpp"
#include "http/auth/jwt.hpp"
#include "http/auth/key_memory.hpp"
#include "http/gateway.hpp"
#include "http/migrations/progress_publisher.hpp"
#include "http/migrations/running_migrations.hpp"
#include "http/server/lifecycle.hpp"
#include "http/server/message.hpp"
#include "http/server/rate_limiter.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace regroup::http {

struct ApiSettings {
  std::chrono::milliseconds request_timeout = std::chrono::seconds{30};
  std::chrono::milliseconds async_after = std::chrono::seconds{2};
  std::size_t max_body_bytes = 1048576;
  std::int64_t max_devices_per_group = 100;
  std::chrono::milliseconds rollback_window = std::chrono::hours{168};
  domain::RequireOwner require_owner = domain::RequireOwner::any;
  std::chrono::milliseconds link_age{0};
  std::string replica = "regroup";     // its name, for administrators
  bool allow_private_webhooks = false; // also allows http
};

/// The handlers' dependencies. All of them outlive the Api.
struct ApiParts {
  const JwtVerifier& tokens;
  const domain::Unicode& unicode;
  RateLimiter& limiter;
  Gateway& gateway;
  Lifecycle& lifecycle;
  domain::Log& log;
  domain::Metrics& metrics;
};

/// All request handlers, independent of the server. Each answers its request exactly once.
/// Thread-safe.
class Api {
public:
  Api(const ApiSettings& settings, const ApiParts& parts);

  void migrate(const Request& request, const Respond& respond);
  void migration_status(const Request& request, const Respond& respond);
  void undo(const Request& request, const Respond& respond); // undo_api.cpp
  void register_device(const Request& request, const Respond& respond);
  void registration_group(const Request& request, const Respond& respond);
  void group_devices(const Request& request, const Respond& respond);

  // group_api.cpp
  void add_group_device(const Request& request, const Respond& respond);
  void remove_group_device(const Request& request, const Respond& respond);
  void bulk_add_devices(const Request& request, const Respond& respond);
  void bulk_remove_devices(const Request& request, const Respond& respond);
  void group_members(const Request& request, const Respond& respond);
  void my_groups(const Request& request, const Respond& respond);
  void my_devices(const Request& request, const Respond& respond);
  void groups_of_device(const Request& request, const Respond& respond);

  // For administrators: admin_api.cpp.
  void admin_history(const Request& request, const Respond& respond);
  void admin_migration(const Request& request, const Respond& respond);
  void admin_analytics(const Request& request, const Respond& respond);
  void admin_live(const Request& request, const Respond& respond);
  void admin_live_events(const Request& request, const Respond& respond);
  void admin_cancel(const Request& request, const Respond& respond);
  void admin_create_webhook(const Request& request, const Respond& respond);
  void admin_list_webhooks(const Request& request, const Respond& respond);
  void admin_delete_webhook(const Request& request, const Respond& respond);
  void admin_create_api_key(const Request& request, const Respond& respond);
  void admin_list_api_keys(const Request& request, const Respond& respond);
  void admin_revoke_api_key(const Request& request, const Respond& respond);
  void admin_enable_webhook(const Request& request, const Respond& respond);
  void admin_dead_events(const Request& request, const Respond& respond);
  void admin_redeliver(const Request& request, const Respond& respond);
  void console(const Request& request, const Respond& respond); // console.cpp
  void operation_status(const Request& request, const Respond& respond);
  void live(const Request& request, const Respond& respond);
  void ready(const Request& request, const Respond& respond);
  void metrics(const Request& request, const Respond& respond);
  void openapi(const Request& request, const Respond& respond);
  void docs(const Request& request, const Respond& respond); // console.cpp
  void root(const Request& request, const Respond& respond);

  /// Applies to migrations requested from now on.
  void set_max_devices_per_group(std::int64_t count) { max_devices_per_group_ = count; }

  /// The number of migrations whose outcome is not known yet.
  std::size_t running() const { return running_.count(); }

  /// Ends the event streams. Call after the server stops and before the gateway goes.
  void stop() { publisher_.stop(); }

private:
  bool refuse_user(const domain::Uuid& user, const Respond& respond);
  /// Call once the caller is authorized. Reads the body, or refuses it by what the head says.
  void with_body(const Request& request, const Respond& respond,
                 std::function<void(std::string_view)> go_on) const;
  void with_user(const Request& request, const Respond& respond,
                 const std::function<void(const domain::Uuid&)>& go_on);
  void with_key(const Request& request, const Respond& respond, int timeout_retry_after,
                std::function<void(const domain::ApiKeyFacts&)> go_on);
  /// Passes on the user's id, or nothing for an administrator's key.
  void with_user_or_administrator(const Request& request, const Respond& respond,
                                  const std::function<void(std::optional<domain::Uuid>)>& go_on);
  /// One deadline for all jobs of the request.
  domain::Deadline deadline_of(const Request& request) const;
  void migrate_body(const Request& request, const Respond& respond, const domain::Uuid& user,
                    std::string_view content);
  void prove(const Request& request, const Respond& respond, int timeout_retry_after,
             std::function<void(const domain::ApiKeyFacts&)> go_on,
             std::function<void(std::string key_hash)> go_on_proven);
  void take_key(const std::string& hash, const domain::Result<domain::ApiKeyFacts>& result,
                const Respond& respond, int timeout_retry_after,
                const std::function<void(const domain::ApiKeyFacts&)>& go_on);
  void rehearse(const domain::MigrationPtr& command, const Respond& respond); // plan_api.cpp
  void undo_as(const domain::Uuid& user, const Request& request, const Respond& respond);
  void submit_undo(domain::UndoCommand command, const Request& request, const Respond& respond);
  void submit_registration(domain::RegisterDevice command, const Respond& respond);
  void bulk_change(const Request& request, const Respond& respond,
                   domain::ChangeGroupDevices::Action action);
  void submit_change(domain::ChangeGroupDevices change, const Request& request, bool bulk,
                     const Respond& respond);
  void report(const domain::FindMigration& query, bool as_stream, const Respond& respond);
  template <class Work>
  void administer(const Request& request, const Respond& respond, Work work,
                  std::function<void(const domain::AdminDocument&)> answer);
  void refuse_administrator(const Request& request, const Respond& respond,
                            const domain::Refusal& refusal);
  void with_path_id(const char* name, const Request& request, const Respond& respond,
                    const std::function<void(const domain::Uuid&)>& go_on);
  void log_migration(const domain::MigrationCommand& command, const Request& request,
                     const Gateway::MigrationResult& outcome) const;
  void measure_migration(const domain::MigrationCommand& command, const Request& request,
                         const Gateway::MigrationResult& outcome) const;

  ApiSettings settings_;
  std::atomic<std::int64_t> max_devices_per_group_; // initially from the settings
  ApiParts parts_;
  KeyMemory keys_;
  RunningMigrations running_;
  ProgressPublisher publisher_;
};

/// A route and its handler. `path` is an express path (RESTinio), `route` names it in logs.
struct Route {
  std::string_view method;
  std::string_view path;
  std::string_view route;
  void (Api::*handler)(const Request&, const Respond&);
  bool while_draining = false; // also served while the replica drains
  bool reads_query = false;    // has parameters after '?'
};
std::span<const Route> routes();

} // namespace regroup::http
