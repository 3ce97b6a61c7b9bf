// The handlers for groups, their members and their devices.
#include "http/api.hpp"
#include "http/auth/api_key.hpp"
#include "http/groups/group_json.hpp"
#include "http/outcome_table.hpp"
#include "http/query.hpp"
#include "http/replies.hpp"

#include <memory>
#include <utility>
#include <variant>

namespace regroup::http {
namespace {

using domain::ChangeGroupDevices;
using domain::Refusal;
using domain::Uuid;
using Action = ChangeGroupDevices::Action;
using Clock = std::chrono::steady_clock;

/// The path parameter as a UUID, or a refusal that names it.
std::variant<Uuid, Refusal> path_id(const Request& request, std::size_t index, const char* name) {
  const auto id = Uuid::parse(request.parameters.at(index));
  if (!id)
    return invalid(name, "must be a UUID");
  return *id;
}

/// X-Device-Id; nothing if the header is absent; a refusal if it is not a UUID.
std::variant<std::optional<Uuid>, Refusal> current_device(const Request& request) {
  if (request.device_id.empty())
    return std::nullopt;
  const auto id = Uuid::parse(request.device_id);
  if (!id)
    return invalid("X-Device-Id", "must be a UUID");
  return id;
}

/// The first refusal among several parsed values, or null.
template <class... Read> const Refusal* first_refusal(const Read&... read) {
  const Refusal* first = nullptr;
  ((first = first ? first : std::get_if<Refusal>(&read)), ...);
  return first;
}

/// Identifies the request behind an Idempotency-Key: changes with equal hashes are the same
/// request, however their bodies were written.
std::string hash_of(const ChangeGroupDevices& change, bool bulk) {
  std::string text = change.action == Action::add ? "add" : "remove";
  text += std::string{bulk ? " several " : " one "} + (change.partial ? "partial " : "whole ");
  text += change.group_id.text();
  for (const auto& id : change.device_ids)
    text += ' ' + id.text();
  return sha256_hex(text);
}

template <class Query> void ask_page(Query query, Gateway& gateway, const Respond& respond) {
  gateway.ask(std::move(query), answer_with<typename Query::Answer>(respond, kRetryReadAfter));
}

/// Answers a change: 201 if a device was added, else 200; a bulk change is always 200.
auto change_done(const Respond& respond, Action action, bool bulk) {
  return [respond, action, bulk](const domain::Result<domain::GroupDevicesChanged>& result) {
    const auto* done = result.value();
    if (done == nullptr) {
      Refusal why = result.refusal();
      if (!bulk)
        why.devices.clear(); // the request named only one device
      return respond(refused(why, kRetryWriteAfter));
    }
    Reply reply;
    reply.status = action == Action::add && !bulk ? 201 : 200;
    reply.body = bulk ? bulk_change_json(action, *done) : one_change_json(action, *done);
    if (done->replayed)
      reply.headers.emplace_back("Idempotency-Replayed", "true");
    respond(std::move(reply));
  };
}

} // namespace

void Api::submit_change(ChangeGroupDevices change, const Request& request, bool bulk,
                        const Respond& respond) {
  auto key = idempotency_key(request);
  if (const auto* refusal = std::get_if<Refusal>(&key))
    return respond(to_reply(*refusal));
  change.change_id = Uuid::time_ordered();
  change.deadline = deadline_of(request);
  if (auto& text = std::get<0>(key))
    change.idempotency = {std::move(*text), hash_of(change, bulk)};
  const Action action = change.action;
  parts_.gateway.ask(std::make_shared<const ChangeGroupDevices>(std::move(change)),
                     change_done(respond, action, bulk));
}

void Api::add_group_device(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    with_body(request, respond, [this, &request, respond, user](std::string_view body) {
      const auto group = path_id(request, 0, "group_id");
      const auto device = parse_device(body, parts_.unicode);
      if (const auto* refusal = first_refusal(group, device))
        return respond(to_reply(*refusal));
      ChangeGroupDevices change;
      change.user_id = user;
      change.group_id = std::get<Uuid>(group);
      change.device_ids = {std::get<Uuid>(device)};
      submit_change(std::move(change), request, false, respond);
    });
  });
}

void Api::remove_group_device(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    const auto group = path_id(request, 0, "group_id");
    const auto device = path_id(request, 1, "device_id");
    if (const auto* refusal = first_refusal(group, device))
      return respond(to_reply(*refusal));
    ChangeGroupDevices change;
    change.action = Action::remove;
    change.user_id = user;
    change.group_id = std::get<Uuid>(group);
    change.device_ids = {std::get<Uuid>(device)};
    submit_change(std::move(change), request, false, respond);
  });
}

void Api::bulk_change(const Request& request, const Respond& respond, Action action) {
  with_user(request, respond, [&](const Uuid& user) {
    with_body(request, respond, [this, &request, respond, user, action](std::string_view body) {
      const auto group = path_id(request, 0, "group_id");
      auto parsed = parse_bulk(body, parts_.unicode);
      if (const auto* refusal = first_refusal(group, parsed))
        return respond(to_reply(*refusal));
      auto& bulk = std::get<BulkBody>(parsed);
      ChangeGroupDevices change;
      change.action = action;
      change.user_id = user;
      change.group_id = std::get<Uuid>(group);
      change.device_ids = std::move(bulk.device_ids);
      change.partial = bulk.partial;
      submit_change(std::move(change), request, true, respond);
    });
  });
}

void Api::bulk_add_devices(const Request& request, const Respond& respond) {
  bulk_change(request, respond, Action::add);
}

void Api::bulk_remove_devices(const Request& request, const Respond& respond) {
  bulk_change(request, respond, Action::remove);
}

void Api::group_members(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    const auto group = path_id(request, 0, "group_id");
    auto list = parse_list(request.query, {"role", "include_devices"});
    if (const auto* refusal = first_refusal(group, list))
      return respond(to_reply(*refusal));
    auto& query = std::get<ListQuery>(list);
    ask_page(domain::ListGroupMembers{user, std::get<Uuid>(group), query.page, deadline_of(request),
                                      std::move(query.role)},
             parts_.gateway, respond);
  });
}

void Api::my_groups(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    const auto device = current_device(request);
    auto list = parse_list(request.query, {"role", "device_id"});
    if (const auto* refusal = first_refusal(device, list))
      return respond(to_reply(*refusal));
    auto& query = std::get<ListQuery>(list);
    ask_page(domain::ListGroups{user, query.device_id ? query.device_id : std::get<0>(device),
                                query.page, deadline_of(request), std::move(query.role)},
             parts_.gateway, respond);
  });
}

void Api::my_devices(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    const auto device = current_device(request);
    const auto page = parse_list(request.query, {});
    if (const auto* refusal = first_refusal(device, page))
      return respond(to_reply(*refusal));
    ask_page(domain::ListDevices{user, std::get<0>(device), std::get<ListQuery>(page).page,
                                 deadline_of(request)},
             parts_.gateway, respond);
  });
}

void Api::groups_of_device(const Request& request, const Respond& respond) {
  with_user(request, respond, [&](const Uuid& user) {
    const auto device = path_id(request, 0, "device_id");
    const auto page = parse_list(request.query, {});
    if (const auto* refusal = first_refusal(device, page))
      return respond(to_reply(*refusal));
    ask_page(domain::ListGroupsOfDevice{user, std::get<Uuid>(device),
                                        std::get<ListQuery>(page).page, deadline_of(request)},
             parts_.gateway, respond);
  });
}

} // namespace regroup::http
