#include "http/api.hpp"

#include "domain/names.hpp"
#include "http/auth/api_key.hpp"
#include "http/json.hpp"
#include "http/openapi_page.hpp"
#include "http/outcome_table.hpp"
#include "http/query.hpp"
#include "http/replies.hpp"

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace regroup::http {
namespace {

using domain::Deadline;
using domain::Refusal;
using domain::Refused;
using domain::Uuid;
using Clock = std::chrono::steady_clock;

/// A readiness probe fails if the database takes longer than this.
constexpr std::chrono::milliseconds kProbePatience{2000};

using MigrationResult = Gateway::MigrationResult;
using KeyResult = domain::Result<domain::ApiKeyFacts>;

Reply reply_to_migration(const MigrationResult& result) {
  const auto* done = result.value();
  if (done == nullptr)
    return to_reply(result.refusal());
  Reply reply;
  reply.status = 201;
  reply.body = to_json(*done);
  reply.headers.emplace_back("Location", status_url(done->migration_id));
  if (done->replayed)
    reply.headers.emplace_back("Idempotency-Replayed", "true");
  return reply;
}

Reply still_running(const domain::MigrationCommand& command) {
  Reply reply;
  reply.status = 202;
  reply.outcome = "in_progress";
  reply.body = in_progress_json(command);
  reply.headers.emplace_back("Location", status_url(command.migration_id));
  return reply;
}

/// A negative duration was not measured: the log line then has no such field.
domain::LogValue milliseconds(std::int64_t microseconds) {
  if (microseconds < 0)
    return std::monostate{};
  return static_cast<double>(microseconds) / 1000;
}

} // namespace

Api::Api(const ApiSettings& settings, const ApiParts& parts)
    : settings_(settings), max_devices_per_group_(settings.max_devices_per_group), parts_(parts),
      publisher_(settings.replica, parts.gateway, running_, parts.lifecycle) {}

bool Api::refuse_user(const Uuid& user, const Respond& respond) {
  const auto wait = parts_.limiter.refuse(user, Clock::now());
  if (wait) {
    parts_.metrics.rate_limited();
    respond(to_reply(Refusal{Refused::rate_limited}, static_cast<int>(wait->count())));
  }
  return wait.has_value();
}

void Api::with_body(const Request& request, const Respond& respond,
                    std::function<void(std::string_view)> go_on) const {
  const auto refuse = [most = settings_.max_body_bytes](const Respond& to, Refused why) {
    Refusal refusal{why};
    if (why == Refused::too_large)
      refusal.limit = static_cast<std::int64_t>(most);
    to(to_reply(refusal));
  };
  if (request.content_length > settings_.max_body_bytes)
    return refuse(respond, Refused::too_large);
  if (!is_json(request.content_type) || !request.content_encoding.empty())
    return refuse(respond, Refused::unsupported_media_type);
  request.read_body([refuse, respond, go_on = std::move(go_on)](const Body& body) {
    if (const auto* why = std::get_if<Refused>(&body))
      refuse(respond, *why);
    else
      go_on(std::get<std::string_view>(body));
  });
}

void Api::with_user(const Request& request, const Respond& respond,
                    const std::function<void(const Uuid&)>& go_on) {
  if (request.authorization.empty())
    return respond(unauthorized(""));
  const std::string_view token = bearer(request.authorization);
  if (token.empty())
    return respond(unauthorized("Authorization is not Bearer and a token"));
  std::string_view why;
  const auto verified = parts_.tokens.verify(token, std::chrono::system_clock::now(), &why);
  if (!verified)
    return respond(unauthorized(why));
  request.facts.user_id = verified->user_id;
  if (refuse_user(verified->user_id, respond))
    return;
  if (const auto refusal = unknown_parameters(request))
    return respond(to_reply(*refusal));
  go_on(verified->user_id);
}

/// Looks up an unknown key in the lane for unproven keys, then calls `go_on` with its facts. A key
/// that was proven recently goes to `go_on_proven`, which has to look it up itself.
void Api::prove(const Request& request, const Respond& respond, int timeout_retry_after,
                std::function<void(const domain::ApiKeyFacts&)> go_on,
                std::function<void(std::string key_hash)> go_on_proven) {
  if (!can_be_api_key(request.api_key))
    return respond(unauthorized("the API key is not of the form of a key"));
  auto hash = sha256_hex(request.api_key);
  const auto known = keys_.look(hash, Clock::now());
  if (known == KeyMemory::Known::refused)
    return respond(unauthorized(kNoSuchKey));
  if (known == KeyMemory::Known::proven)
    return go_on_proven(std::move(hash));
  parts_.gateway.ask(
      domain::CheckApiKey{hash, deadline_of(request)},
      [this, respond, timeout_retry_after, hash, go_on = std::move(go_on)](
          const KeyResult& result) { take_key(hash, result, respond, timeout_retry_after, go_on); },
      domain::Lane::unproven);
}

void Api::take_key(const std::string& hash, const KeyResult& result, const Respond& respond,
                   int timeout_retry_after,
                   const std::function<void(const domain::ApiKeyFacts&)>& go_on) {
  if (const auto* facts = result.value()) {
    keys_.prove(hash, Clock::now());
    return go_on(*facts);
  }
  if (result.is_refused(Refused::unauthorized)) {
    keys_.refuse(hash, Clock::now());
    return respond(unauthorized(kNoSuchKey));
  }
  respond(refused(result.refusal(), timeout_retry_after));
}

void Api::with_key(const Request& request, const Respond& respond, int timeout_retry_after,
                   std::function<void(const domain::ApiKeyFacts&)> go_on) {
  prove(request, respond, timeout_retry_after, go_on,
        [=, this, deadline = deadline_of(request)](std::string hash) {
          domain::CheckApiKey query{hash, deadline};
          parts_.gateway.ask(std::move(query), [=, this](const KeyResult& result) {
            take_key(hash, result, respond, timeout_retry_after, go_on);
          });
        });
}

domain::Deadline Api::deadline_of(const Request& request) const {
  return request.received + settings_.request_timeout;
}

void Api::migrate(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    // `request` lives as long as its Respond.
    with_body(request, respond, [this, &request, respond, user](std::string_view body) {
      migrate_body(request, respond, user, body);
    });
  });
}

void Api::migrate_body(const Request& request, const Respond& respond, const Uuid& user,
                       std::string_view content) {
  const auto dry_run = parse_dry_run(request.query);
  if (const auto* refusal = std::get_if<Refusal>(&dry_run))
    return respond(to_reply(*refusal));
  auto key = idempotency_key(request);
  if (const auto* refusal = std::get_if<Refusal>(&key))
    return respond(to_reply(*refusal));
  auto parsed = parse_migration(content, parts_.unicode,
                                static_cast<std::size_t>(max_devices_per_group_.load()),
                                std::get<0>(key).has_value());
  if (const auto* refusal = std::get_if<Refusal>(&parsed))
    return respond(to_reply(*refusal));
  auto& body = std::get<MigrationBody>(parsed);

  auto command = std::make_shared<domain::MigrationCommand>(
      domain::make_migration_command(std::move(body.request), user, parts_.unicode));
  command->max_devices = max_devices_per_group_;
  command->require_owner = settings_.require_owner;
  command->link_age = settings_.link_age;
  command->received = request.received;
  command->trace_id = request.trace_id;
  command->deadline = deadline_of(request);
  request.facts.registration_group_id = {command, &command->registration_group_id};
  if (auto& text = std::get<0>(key))
    command->idempotency = {std::move(*text), std::move(body.hash)};

  command->progress = std::make_shared<domain::MigrationProgress>();
  if (std::get<bool>(dry_run))
    return rehearse(command, respond);
  request.facts.migration_id = command->migration_id;
  running_.add(command);
  // `request` lives as long as these callbacks, since one of them holds its Respond.
  parts_.gateway.migrate(
      command, settings_.async_after,
      {[respond, &request, command](MigrationResult outcome) {
         const auto* done = outcome.value();
         if (done == nullptr && row_of(outcome.refusal().reason).status >= 500) {
           Refusal refusal = outcome.refusal();
           refusal.migration_id =
               command->migration_id; // support finds the row and the lines by it
           outcome = MigrationResult{std::move(refusal)};
         }
         if (done != nullptr)
           request.facts.migration_id = done->migration_id; // a replay has the first request's id
         respond(reply_to_migration(outcome));
       },
       [this, respond, command] {
         publisher_.note(command, [respond, command] { respond(still_running(*command)); });
       },
       [this, command, &request](const MigrationResult& outcome) {
         publisher_.end(command, outcome);
         log_migration(*command, request, outcome);
         measure_migration(*command, request, outcome);
       }});
}

void Api::log_migration(const domain::MigrationCommand& command, const Request& request,
                        const MigrationResult& outcome) const {
  const auto& progress = *command.progress;
  if (!progress.has_run())
    return;
  const auto* done = outcome.value();
  const std::chrono::duration<double, std::milli> took = Clock::now() - request.received;
  const std::string id = (done ? done->migration_id : command.migration_id).text();
  const std::string user = command.user_id.text();
  const std::string_view said = done ? "completed" : row_of(outcome.refusal().reason).code;
  parts_.log.event(domain::LogLevel::info, "migration",
                   {{"request_id", std::string_view{request.request_id}},
                    {"trace_id", domain::if_any(request.trace_id)},
                    {"migration_id", std::string_view{id}},
                    {"user_id", std::string_view{user}},
                    {"registration_group_id", std::string_view{command.registration_group_id}},
                    {"outcome", said},
                    {"replayed", done != nullptr && done->replayed},
                    {"devices", done ? static_cast<std::int64_t>(done->device_ids.size()) : 0},
                    {"queue_ms", milliseconds(progress.queue_us)},
                    {"lock_ms", milliseconds(progress.lock_us)},
                    {"database_ms", milliseconds(progress.database_us)},
                    {"duration_ms", took.count()}});
}

void Api::measure_migration(const domain::MigrationCommand& command, const Request& request,
                            const MigrationResult& outcome) const {
  using Status = domain::Metrics::MigrationStatus;
  const auto* done = outcome.value();
  if (done == nullptr) {
    const auto& row = row_of(outcome.refusal().reason);
    return parts_.metrics.migration_ended(row.status < 500 ? Status::refused : Status::failed,
                                          row.code);
  }
  parts_.metrics.migration_ended(Status::completed, done->replayed       ? "replayed"
                                                    : command.device_ids ? "partial"
                                                                         : "full");
  if (!done->replayed)
    parts_.metrics.migration_committed(Clock::now() - request.received, done->device_ids.size());
}

void Api::migration_status(const Request& request, const Respond& respond) {
  // `request` lives as long as its Respond.
  const auto go_on = [this, respond, &request](std::optional<Uuid> initiator) {
    const auto id = Uuid::parse(request.parameters.at(0));
    if (!id)
      return respond(to_reply(invalid("migration_id", "must be a UUID")));
    request.facts.migration_id = id;
    report({*id, initiator, settings_.request_timeout, deadline_of(request)},
           wants_events(request.accept), respond);
  };
  with_user_or_administrator(request, respond, go_on);
}

void Api::report(const domain::FindMigration& query, bool as_stream, const Respond& respond) {
  const auto tell = [this, query, as_stream, respond](const domain::MigrationReport& report) {
    if (as_stream)
      publisher_.follow(query, report, respond);
    else
      respond(ok(report));
  };
  // Look among this replica's running migrations before the database: its row may be committed
  // between the two looks, so the other order could find it in neither.
  if (const auto running = publisher_.find(query))
    return tell(*running);
  parts_.gateway.ask(query, [tell, respond](const domain::Result<domain::MigrationReport>& result) {
    if (const auto* found = result.value())
      tell(*found);
    else
      respond(refused(result.refusal(), kRetryReadAfter));
  });
}

void Api::operation_status(const Request& request, const Respond& respond) {
  // `request` lives as long as its Respond.
  const auto go_on = [this, respond, &request](std::optional<Uuid> initiator) {
    const auto id = Uuid::parse(request.parameters.at(0));
    if (!id)
      return respond(to_reply(invalid("operation_id", "must be a UUID")));
    parts_.gateway.ask(
        domain::FindOperation{*id, initiator, settings_.request_timeout, deadline_of(request)},
        answer_with<domain::OperationReport>(respond, kRetryReadAfter));
  };
  with_user_or_administrator(request, respond, go_on);
}

void Api::with_user_or_administrator(const Request& request, const Respond& respond,
                                     const std::function<void(std::optional<Uuid>)>& go_on) {
  if (request.api_key.empty())
    return with_user(request, respond, go_on);
  // `request` lives as long as its Respond.
  with_key(request, respond, kRetryReadAfter,
           [respond, go_on, &request](const domain::ApiKeyFacts& key) {
             if (!key.is_admin)
               return respond(refused(Refused::forbidden));
             if (const auto refusal = unknown_parameters(request))
               return respond(to_reply(*refusal));
             go_on(std::nullopt);
           });
}

void Api::register_device(const Request& request, const Respond& respond) {
  const auto go_on = [this, &request, respond](std::optional<Uuid> user) {
    with_body(request, respond, [this, &request, respond, user](std::string_view body) {
      auto parsed = parse_registration(body, parts_.unicode);
      if (const auto* refusal = std::get_if<Refusal>(&parsed))
        return respond(to_reply(*refusal));
      auto& command = std::get<domain::RegisterDevice>(parsed);
      command.user_id = user;
      command.deadline = deadline_of(request);
      request.facts.registration_group_id =
          std::make_shared<const std::string>(command.registration_group_id);
      submit_registration(std::move(command), respond);
    });
  };
  if (!request.authorization.empty() || request.api_key.empty())
    return with_user(request, respond, go_on);
  with_key(request, respond, kRetryWriteAfter,
           [respond, go_on, &request](const domain::ApiKeyFacts&) {
             if (const auto refusal = unknown_parameters(request))
               return respond(to_reply(*refusal));
             go_on(std::nullopt);
           });
}

void Api::submit_registration(domain::RegisterDevice command, const Respond& respond) {
  parts_.gateway.ask(std::move(command),
                     answer_with<domain::DeviceRegistered>(
                         respond, kRetryWriteAfter, [](const domain::DeviceRegistered& done) {
                           return Reply{done.created ? 201 : 200, to_json(done)};
                         }));
}

void Api::registration_group(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    domain::FindRegistrationGroup query{user, std::nullopt, deadline_of(request)};
    if (!request.device_id.empty()) {
      query.device_id = Uuid::parse(request.device_id);
      if (!query.device_id)
        return respond(to_reply(invalid("X-Device-Id", "must be a UUID")));
    }
    parts_.gateway.ask(query,
                       answer_with<domain::RegistrationGroupFound>(respond, kRetryReadAfter));
  });
}

void Api::group_devices(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    const auto group = Uuid::parse(request.parameters.at(0));
    if (!group)
      return respond(to_reply(invalid("group_id", "must be a UUID")));
    const auto list = parse_list(request.query, {"include_location"});
    if (const auto* refusal = std::get_if<Refusal>(&list))
      return respond(to_reply(*refusal));
    const auto& [number, per_page] = std::get<ListQuery>(list).page;
    parts_.gateway.ask(
        domain::ListGroupDevices{user, *group, number, per_page, deadline_of(request)},
        answer_with<domain::GroupDevicesPage>(respond, kRetryReadAfter));
  });
}

void Api::live(const Request& request, const Respond& respond) {
  if (const auto refusal = unknown_parameters(request))
    return respond(to_reply(*refusal));
  respond({200, R"({"status":"live"})"});
}

void Api::ready(const Request& request, const Respond& respond) {
  if (const auto refusal = unknown_parameters(request))
    return respond(to_reply(*refusal));
  if (parts_.lifecycle.phase() != Lifecycle::Phase::serving)
    return respond(to_reply(Refusal{Refused::shutting_down}));
  if (!parts_.lifecycle.calls_work())
    return respond(refused(Refused::database_unavailable));
  parts_.gateway.ask(domain::CheckHealth{Clock::now() + kProbePatience},
                     [respond](const domain::Result<domain::Healthy>& result) {
                       if (result.value())
                         return respond({200, R"({"status":"ready"})"});
                       respond(refused(result.is_refused(Refused::overloaded)
                                           ? Refused::overloaded
                                           : Refused::database_unavailable));
                     });
}

void Api::metrics(const Request& request, const Respond& respond) {
  if (const auto refusal = unknown_parameters(request))
    return respond(to_reply(*refusal));
  Reply reply{200, parts_.metrics.exposition()};
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  respond(std::move(reply));
}

void Api::openapi(const Request& request, const Respond& respond) {
  if (const auto refusal = unknown_parameters(request))
    return respond(to_reply(*refusal));
  respond({200, std::string{openapi_json()}, {{"Cache-Control", "no-cache"}}});
}

void Api::root(const Request&, const Respond& respond) {
  Reply reply{302};
  reply.headers.emplace_back("Location", "/docs");
  reply.headers.emplace_back("Cache-Control", "no-cache");
  respond(std::move(reply));
}

std::span<const Route> routes() {
  static constexpr std::array kRoutes{
      Route{"POST", "/api/v1/groups/migrate", "/api/v1/groups/migrate", &Api::migrate, false, true},
      Route{"GET", "/api/v1/groups/migrations/:migration_id",
            "/api/v1/groups/migrations/{migration_id}", &Api::migration_status},
      Route{"GET", "/api/v1/groups/operations/:operation_id",
            "/api/v1/groups/operations/{operation_id}", &Api::operation_status},
      Route{"POST", "/api/v1/groups/:group_id/rollback", "/api/v1/groups/{group_id}/rollback",
            &Api::undo},
      Route{"GET", "/api/v1/groups/:group_id/devices", "/api/v1/groups/{group_id}/devices",
            &Api::group_devices, false, true},
      Route{"POST", "/api/v1/groups/:group_id/devices", "/api/v1/groups/{group_id}/devices",
            &Api::add_group_device},
      Route{"DELETE", "/api/v1/groups/:group_id/devices/:device_id",
            "/api/v1/groups/{group_id}/devices/{device_id}", &Api::remove_group_device},
      Route{"POST", "/api/v1/groups/:group_id/devices/bulk-add",
            "/api/v1/groups/{group_id}/devices/bulk-add", &Api::bulk_add_devices},
      Route{"POST", "/api/v1/groups/:group_id/devices/bulk-remove",
            "/api/v1/groups/{group_id}/devices/bulk-remove", &Api::bulk_remove_devices},
      Route{"GET", "/api/v1/groups/:group_id/members", "/api/v1/groups/{group_id}/members",
            &Api::group_members, false, true},
      Route{"GET", "/api/v1/groups", "/api/v1/groups", &Api::my_groups, false, true},
      Route{"GET", "/api/v1/devices/me", "/api/v1/devices/me", &Api::my_devices, false, true},
      Route{"GET", "/api/v1/devices/:device_id/groups", "/api/v1/devices/{device_id}/groups",
            &Api::groups_of_device, false, true},
      Route{"POST", "/api/v1/devices/register", "/api/v1/devices/register", &Api::register_device},
      Route{"GET", "/api/v1/devices/me/registration-group", "/api/v1/devices/me/registration-group",
            &Api::registration_group},
      // Paths with a literal segment come before those with a parameter in its place.
      Route{"GET", "/api/admin/v1/migrations/live", "/api/admin/v1/migrations/live",
            &Api::admin_live},
      Route{"GET", "/api/admin/v1/migrations/live/events", "/api/admin/v1/migrations/live/events",
            &Api::admin_live_events},
      Route{"GET", "/api/admin/v1/migrations", "/api/admin/v1/migrations", &Api::admin_history,
            false, true},
      Route{"GET", "/api/admin/v1/migrations/:migration_id",
            "/api/admin/v1/migrations/{migration_id}", &Api::admin_migration},
      Route{"POST", "/api/admin/v1/migrations/:migration_id/cancel",
            "/api/admin/v1/migrations/{migration_id}/cancel", &Api::admin_cancel},
      Route{"GET", "/api/admin/v1/analytics/migrations", "/api/admin/v1/analytics/migrations",
            &Api::admin_analytics, false, true},
      Route{"POST", "/api/admin/v1/webhooks", "/api/admin/v1/webhooks", &Api::admin_create_webhook},
      Route{"GET", "/api/admin/v1/webhooks", "/api/admin/v1/webhooks", &Api::admin_list_webhooks},
      Route{"DELETE", "/api/admin/v1/webhooks/:webhook_id", "/api/admin/v1/webhooks/{webhook_id}",
            &Api::admin_delete_webhook},
      Route{"POST", "/api/admin/v1/api-keys", "/api/admin/v1/api-keys", &Api::admin_create_api_key},
      Route{"GET", "/api/admin/v1/api-keys", "/api/admin/v1/api-keys", &Api::admin_list_api_keys},
      Route{"DELETE", "/api/admin/v1/api-keys/:key_id", "/api/admin/v1/api-keys/{key_id}",
            &Api::admin_revoke_api_key},
      Route{"POST", "/api/admin/v1/webhooks/:webhook_id/enable",
            "/api/admin/v1/webhooks/{webhook_id}/enable", &Api::admin_enable_webhook},
      Route{"GET", "/api/admin/v1/webhooks/:webhook_id/dead-events",
            "/api/admin/v1/webhooks/{webhook_id}/dead-events", &Api::admin_dead_events, false,
            true},
      Route{"POST", "/api/admin/v1/webhooks/:webhook_id/redeliver",
            "/api/admin/v1/webhooks/{webhook_id}/redeliver", &Api::admin_redeliver},
      Route{"GET", "/admin", "/admin", &Api::console},
      Route{"GET", "/admin/:file", "/admin/{file}", &Api::console},
      Route{"GET", "/api/health/live", "/api/health/live", &Api::live, true},
      Route{"GET", "/api/health/ready", "/api/health/ready", &Api::ready, true},
      Route{"GET", "/metrics", "/metrics", &Api::metrics, true},
      Route{"GET", "/api/openapi.json", "/api/openapi.json", &Api::openapi, true},
      Route{"GET", "/docs", "/docs", &Api::docs, true},
      Route{"GET", "/docs/:file", "/docs/{file}", &Api::docs, true},
      Route{"GET", "/", "/", &Api::root, true},
  };
  return kRoutes;
}

} // namespace regroup::http
