#include "http/outcome_table.hpp"

#include "http/json.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace regroup::http {
namespace {

using domain::Refusal;
using domain::Refused;
using text::JsonObject;

constexpr std::array<OutcomeRow, domain::kRefusedCount> kOutcomes{{
    {Refused::invalid_json, 400, "validation/invalid-json", "The body is not valid JSON"},
    {Refused::invalid_request, 400, "validation/invalid-request", "The request is not valid"},
    {Refused::no_devices, 400, "validation/no-devices",
     "No active device is in the registration group"},
    {Refused::too_many_devices, 400, "validation/too-many-devices",
     "The registration group has more devices than an authenticated group may have; device_ids can "
     "choose some of them"},
    {Refused::group_full, 400, "validation/too-many-devices",
     "The group may not have as many devices"},
    {Refused::malformed, 400, "request/malformed", "The request is not valid HTTP/1.1"},
    {Refused::unauthorized, 401, "auth/unauthorized", "A valid token or API key is required"},
    {Refused::not_device_owner, 403, "authz/not-device-owner",
     "You own no active device of the registration group"},
    {Refused::not_owner_of_device, 403, "authz/not-device-owner", "The device is not yours"},
    {Refused::not_owner_of_enough, 403, "authz/not-device-owner",
     "You own too few of the registration group's linked devices"},
    {Refused::not_group_member, 403, "authz/not-group-member",
     "You are not a member of this group"},
    {Refused::forbidden, 403, "authz/forbidden", "You may not do this"},
    {Refused::not_found, 404, "resource/not-found", "There is no such thing here"},
    {Refused::method_not_allowed, 405, "request/method-not-allowed",
     "The method is not allowed here"},
    {Refused::request_timeout, 408, "request/timeout", "The request did not come in time"},
    {Refused::in_progress, 409, "migration/in-progress",
     "Migration for this registration group is already in progress", 1},
    {Refused::already_migrated, 409, "resource/already-migrated",
     "The registration group was migrated before"},
    {Refused::group_name_exists, 409, "resource/group-name-exists",
     "A group of this name exists already"},
    {Refused::group_modified, 409, "migration/group-modified",
     "The group was changed since it was migrated, and cannot be undone any more"},
    {Refused::already_rolled_back, 409, "migration/already-rolled-back",
     "The migration was undone before"},
    {Refused::rollback_expired, 409, "migration/rollback-expired",
     "The migration is too long ago to be undone"},
    {Refused::device_already_linked, 409, "resource/already-exists",
     "The device belongs to another user"},
    {Refused::device_linked, 409, "resource/device-linked",
     "The device belongs to a user, and only a token of theirs changes it"},
    {Refused::already_in_group, 409, "resource/already-exists",
     "The device is in the group already"},
    {Refused::cancelled, 409, "migration/cancelled",
     "An administrator cancelled the migration; nothing was changed"},
    {Refused::not_cancellable, 409, "migration/not-cancellable",
     "The migration has ended, or is being committed"},
    {Refused::too_large, 413, "request/too-large", "The body is too large"},
    {Refused::uri_too_long, 414, "request/uri-too-long", "The address is too long"},
    {Refused::header_too_large, 431, "request/header-too-large", "The header is too large"},
    {Refused::unsupported_media_type, 415, "request/unsupported-media-type",
     "The body must be application/json"},
    {Refused::idempotency_mismatch, 422, "request/idempotency-mismatch",
     "The Idempotency-Key was used before with another body"},
    {Refused::rate_limited, 429, "request/rate-limited", "Too many requests", 1},
    {Refused::internal, 500, "server/internal", "Something went wrong; nothing was changed"},
    {Refused::not_implemented, 501, "request/not-implemented",
     "The method or the transfer coding is not known"},
    {Refused::version_not_supported, 505, "request/version-not-supported",
     "The HTTP version is not supported"},
    {Refused::overloaded, 503, "server/overloaded", "The server is busy; nothing was changed", 1},
    {Refused::lock_timeout, 503, "server/lock-timeout",
     "Another session of the database held a lock for too long; nothing was changed", 5},
    {Refused::database_unavailable, 503, "server/database-unavailable",
     "The database is not available; nothing was changed", 5},
    {Refused::shutting_down, 503, "server/shutting-down", "The server is shutting down", 1},
    {Refused::timeout, 504, "server/timeout", "There was no outcome in time", 60},
}};

std::vector<JsonObject> objects_of(const std::vector<domain::DeviceResult>& devices) {
  std::vector<JsonObject> objects;
  for (const auto& each : devices)
    objects.push_back(JsonObject{}
                          .add("device_id", each.device_id.text())
                          .add("code", row_of(each.refused.value_or(Refused::internal)).code));
  return objects;
}

bool is_of_bytes(Refused reason) {
  return reason == Refused::too_large || reason == Refused::uri_too_long ||
         reason == Refused::header_too_large;
}

JsonObject details_of(const Refusal& refusal, int retry_after) {
  JsonObject details;
  if (refusal.registration_group_id)
    details.add("registration_group_id", *refusal.registration_group_id);
  if (refusal.authenticated_group_id)
    details.add("authenticated_group_id", refusal.authenticated_group_id->text());
  if (refusal.migration_id)
    details.add("migration_id", refusal.migration_id->text());
  if (refusal.device_id)
    details.add("device_id", refusal.device_id->text());
  if (refusal.operation_id)
    details.add("operation_id", refusal.operation_id->text());
  if (refusal.device_count)
    details.add("device_count", *refusal.device_count);
  if (refusal.limit)
    details.add(is_of_bytes(refusal.reason) ? "limit_bytes" : "limit", *refusal.limit);
  if (refusal.group_name)
    details.add("group_name", *refusal.group_name);
  if (refusal.ownership)
    details.add("require_owner", domain::name_of(refusal.ownership->required))
        .add("linked_devices", refusal.ownership->linked_devices)
        .add("owned_devices", refusal.ownership->owned_devices);
  if (!refusal.fields.empty()) {
    std::vector<JsonObject> fields;
    for (const auto& [field, message] : refusal.fields)
      fields.push_back(JsonObject{}.add("field", field).add("message", message));
    details.add("fields", fields);
  }
  if (!refusal.devices.empty())
    details.add("devices", objects_of(refusal.devices));
  // By the contract's table these two have it only in the header, all others in the details too.
  if (retry_after > 0 && refusal.reason != Refused::in_progress &&
      refusal.reason != Refused::shutting_down)
    details.add("retry_after_seconds", std::int64_t{retry_after});
  return details;
}

} // namespace

std::span<const OutcomeRow> outcome_table() { return kOutcomes; }

const OutcomeRow& row_of(Refused reason) { return kOutcomes.at(static_cast<std::size_t>(reason)); }

JsonObject error_of(const Refusal& refusal, std::optional<int> retry_after) {
  const OutcomeRow& row = row_of(refusal.reason);
  return JsonObject{}
      .add("code", row.code)
      .add("message", row.message)
      .add("details", details_of(refusal, retry_after.value_or(row.retry_after)));
}

Reply unauthorized(std::string_view reason) {
  const OutcomeRow& row = row_of(Refused::unauthorized);
  Reply reply;
  reply.status = row.status;
  reply.outcome = row.code;
  reply.body = JsonObject{}.add("error", error_of(Refusal{Refused::unauthorized})).text();
  reply.reason = reason.empty() ? "no token and no API key" : reason;
  // RFC 6750, 3.1: no error code for a request that had no authentication.
  reply.headers.emplace_back(
      "WWW-Authenticate", reason.empty() ? "Bearer"
                                         : "Bearer error=\"invalid_token\", error_description=\"" +
                                               std::string{reason} + '"');
  return reply;
}

Reply no_such_route(std::string_view method, std::string_view path) {
  constexpr std::size_t kShown = 200;
  const OutcomeRow& row = row_of(Refused::not_found);
  Reply reply;
  reply.status = row.status;
  reply.outcome = row.code;
  reply.body =
      JsonObject{}
          .add("error",
               JsonObject{}
                   .add("code", row.code)
                   .add("message", "There is no such route; /docs lists them")
                   .add("details", JsonObject{} // HEAD is answered as GET is (RFC 9110, 9.3.2).
                                       .add("method", method == "HEAD" ? "GET" : method)
                                       .add("path", path.substr(0, kShown))))
          .text();
  return reply;
}

Reply to_reply(const Refusal& refusal, std::optional<int> retry_after) {
  const OutcomeRow& row = row_of(refusal.reason);
  const int wait = retry_after.value_or(row.retry_after);
  Reply reply;
  reply.status = row.status;
  reply.outcome = row.code;
  // The details may repeat what the caller sent. JsonObject replaces bytes that are not UTF-8,
  // rather than throwing.
  reply.body = JsonObject{}.add("error", error_of(refusal, retry_after)).text();
  if (wait > 0)
    reply.headers.emplace_back("Retry-After", std::to_string(wait));
  if (refusal.reason == Refused::timeout) { // the caller can ask for the outcome there
    if (refusal.migration_id)
      reply.headers.emplace_back("Location", status_url(*refusal.migration_id));
    else if (refusal.operation_id)
      reply.headers.emplace_back("Location", operation_url(*refusal.operation_id));
  }
  if (refusal.reason == Refused::unauthorized)
    return unauthorized(kNoSuchUser);
  reply.close = refusal.reason == Refused::shutting_down;
  return reply;
}

} // namespace regroup::http
