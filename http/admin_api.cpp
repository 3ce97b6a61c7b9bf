// The handlers of /api/admin/v1: each is one job, and the administrator's key goes with it, so that
// it is looked at in the same transaction.
#include "http/admin_query.hpp"
#include "http/api.hpp"
#include "http/api_key.hpp"
#include "http/json.hpp"
#include "http/outcome_table.hpp"

#include <utility>
#include <variant>

namespace regroup::http {
namespace {

using domain::AdminDocument;
using domain::Answer;
using domain::Refusal;
using domain::Refused;
using Clock = std::chrono::steady_clock;

Reply refused(const Refusal& refusal, int timeout_retry_after) {
  return refusal.reason == Refused::timeout ? to_reply(refusal, timeout_retry_after)
                                            : to_reply(refusal);
}

/// An administrator's answer is nobody else's: no cache keeps it.
Reply private_reply(std::string body, int status = 200) {
  return {status, std::move(body), {{"Cache-Control", "no-store"}}};
}

std::string page_json(const AdminDocument& page) {
  return R"({"migrations":)" + page.json + R"(,"next_cursor":)" +
         (page.next ? '"' + cursor_text(*page.next) + '"' : std::string{"null"}) + "}";
}

} // namespace

void Api::administer(const Request& request, const Respond& respond, domain::AdminWork work,
                     std::function<void(const AdminDocument&)> answer) {
  constexpr int kRetryAfter = 5;
  if (request.api_key.empty())
    return respond(to_reply(Refusal{Refused::unauthorized}));
  const auto go_on = [this, respond, work = std::move(work),
                      answer = std::move(answer)](std::string hash) {
    parts_.gateway.ask(domain::AdminJob{hash, work, Clock::now() + settings_.request_timeout},
                       settings_.request_timeout,
                       [this, respond, answer, hash](const Answer& done) {
                         if (const auto* document = std::get_if<AdminDocument>(&done))
                           return answer(*document);
                         const auto* refusal = std::get_if<Refusal>(&done);
                         if (refusal && refusal->reason == Refused::unauthorized)
                           keys_.refuse(hash, Clock::now());
                         respond(refused(refusal ? *refusal : Refusal{}, kRetryAfter));
                       });
  };
  prove(
      request, respond, kRetryAfter,
      [respond, go_on, hash = sha256_hex(request.api_key)](const domain::ApiKeyFacts& key) {
        if (!key.is_admin)
          return respond(to_reply(Refusal{Refused::forbidden}));
        go_on(hash);
      },
      go_on);
}

void Api::refuse_administrator(const Request& request, const Respond& respond,
                               const Refusal& refusal) {
  administer(request, respond, domain::CheckAdminKey{},
             [respond, refusal](const AdminDocument&) { respond(to_reply(refusal)); });
}

void Api::with_path_id(const char* name, const Request& request, const Respond& respond,
                       const std::function<void(const domain::Uuid&)>& go_on) {
  if (const auto id = domain::Uuid::parse(request.parameters.at(0)))
    return go_on(*id);
  Refusal refusal{Refused::invalid_request};
  refusal.fields.push_back({name, "must be a UUID"});
  refuse_administrator(request, respond, refusal);
}

void Api::admin_history(const Request& request, const Respond& respond) {
  auto query = parse_history(request.query, parts_.unicode);
  if (const auto* refusal = std::get_if<Refusal>(&query))
    return refuse_administrator(request, respond, *refusal);
  administer(request, respond, std::get<domain::ReadHistory>(std::move(query)),
             [respond](const AdminDocument& page) { respond(private_reply(page_json(page))); });
}

void Api::admin_migration(const Request& request, const Respond& respond) {
  with_path_id("migration_id", request, respond, [&](const domain::Uuid& id) {
    request.facts.migration_id = id;
    administer(request, respond, domain::ReadMigration{id},
               [respond](const AdminDocument& found) { respond(private_reply(found.json)); });
  });
}

void Api::admin_analytics(const Request& request, const Respond& respond) {
  auto query = parse_analytics(request.query, parts_.unicode, std::chrono::system_clock::now());
  if (const auto* refusal = std::get_if<Refusal>(&query))
    return refuse_administrator(request, respond, *refusal);
  administer(request, respond, std::get<domain::ReadAnalytics>(std::move(query)),
             [respond](const AdminDocument& found) { respond(private_reply(found.json)); });
}

void Api::admin_live(const Request& request, const Respond& respond) {
  administer(request, respond, domain::ReadLive{}, [respond](const AdminDocument& live) {
    respond(private_reply(R"({"migrations":)" + live.json + "}"));
  });
}

void Api::admin_live_events(const Request& request, const Respond& respond) {
  administer(request, respond, domain::CheckAdminKey{}, [this, respond](const AdminDocument&) {
    if (feed_.full())
      return respond(to_reply(Refusal{Refused::overloaded}));
    Reply reply = private_reply({});
    reply.content_type = "text/event-stream";
    reply.close = true;
    reply.headers.emplace_back("X-Accel-Buffering", "no"); // a proxy must not wait for more
    reply.stream = [this](std::shared_ptr<EventStream> stream) { feed_.join(std::move(stream)); };
    respond(std::move(reply));
  });
}

void Api::admin_cancel(const Request& request, const Respond& respond) {
  with_path_id("migration_id", request, respond, [&](const domain::Uuid& id) {
    request.facts.migration_id = id;
    administer(request, respond, domain::CancelMigration{id},
               [respond](const AdminDocument& done) { respond(private_reply(done.json)); });
  });
}

void Api::admin_create_webhook(const Request& request, const Respond& respond) {
  // The key first: what is wrong with a body is nobody else's to learn.
  administer(request, respond, domain::CheckAdminKey{}, [this, request, respond](const auto&) {
    if (refuse_body(request, respond))
      return;
    auto url = parse_webhook(request.body, parts_.unicode, settings_.allow_private_webhooks);
    if (const auto* refusal = std::get_if<Refusal>(&url))
      return respond(to_reply(*refusal));
    administer(request, respond,
               domain::CreateWebhook{domain::Uuid::time_ordered(),
                                     std::get<std::string>(std::move(url)),
                                     "whsec_" + new_api_key().substr(4)},
               [respond](const AdminDocument& made) { respond(private_reply(made.json, 201)); });
  });
}

void Api::admin_list_webhooks(const Request& request, const Respond& respond) {
  administer(request, respond, domain::ListWebhooks{}, [respond](const AdminDocument& list) {
    respond(private_reply(R"({"webhooks":)" + list.json + "}"));
  });
}

void Api::admin_delete_webhook(const Request& request, const Respond& respond) {
  with_path_id("webhook_id", request, respond, [&](const domain::Uuid& id) {
    administer(request, respond, domain::DeleteWebhook{id},
               [respond](const AdminDocument& done) { respond(private_reply(done.json)); });
  });
}

void Api::admin_enable_webhook(const Request& request, const Respond& respond) {
  with_path_id("webhook_id", request, respond, [&](const domain::Uuid& id) {
    administer(request, respond, domain::EnableWebhook{id},
               [respond](const AdminDocument& done) { respond(private_reply(done.json)); });
  });
}

void Api::admin_dead_events(const Request& request, const Respond& respond) {
  with_path_id("webhook_id", request, respond, [&](const domain::Uuid& id) {
    auto query = parse_dead_events(request.query, parts_.unicode);
    if (const auto* refusal = std::get_if<Refusal>(&query))
      return refuse_administrator(request, respond, *refusal);
    auto& list = std::get<domain::ListDeadEvents>(query);
    list.webhook_id = id;
    administer(request, respond, list,
               [respond](const AdminDocument& found) { respond(private_reply(found.json)); });
  });
}

void Api::admin_redeliver(const Request& request, const Respond& respond) {
  with_path_id("webhook_id", request, respond, [&](const domain::Uuid& id) {
    // The key first: what is wrong with a body is nobody else's to learn.
    administer(
        request, respond, domain::CheckAdminKey{}, [this, &request, respond, id](const auto&) {
          domain::RedeliverEvents what{id, std::nullopt};
          if (!request.body.empty()) {
            if (refuse_body(request, respond))
              return;
            auto ids = parse_event_ids(request.body, parts_.unicode);
            if (const auto* refusal = std::get_if<Refusal>(&ids))
              return respond(to_reply(*refusal));
            what.ids = std::get<0>(std::move(ids));
          }
          administer(request, respond, std::move(what),
                     [respond](const AdminDocument& done) { respond(private_reply(done.json)); });
        });
  });
}

} // namespace regroup::http
