// The handlers of /api/admin/v1. Each is one job that carries the administrator's key, so that the
// key is checked in the job's own transaction.
#include "http/admin/admin_query.hpp"
#include "http/api.hpp"
#include "http/auth/api_key.hpp"
#include "http/json.hpp"
#include "http/outcome_table.hpp"
#include "http/replies.hpp"

#include <charconv>
#include <chrono>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace regroup::http {
namespace {

using domain::AdminDocument;
using domain::Refusal;
using domain::Refused;
using Clock = std::chrono::steady_clock;

std::string page_json(const AdminDocument& page) {
  return R"({"migrations":)" + page.json + R"(,"next_cursor":)" +
         (page.next ? '"' + cursor_text(*page.next) + '"' : std::string{"null"}) + "}";
}

} // namespace

template <class Work>
void Api::administer(const Request& request, const Respond& respond, Work work,
                     std::function<void(const AdminDocument&)> answer) {
  if (request.api_key.empty())
    return respond(unauthorized(""));
  if (const auto refusal = unknown_parameters(request)) {
    if constexpr (!std::is_same_v<Work, domain::CheckAdminKey>)
      return refuse_administrator(request, respond, *refusal);
    else
      answer = [respond, refusal](const AdminDocument&) { respond(to_reply(*refusal)); };
  }
  const auto go_on = [this, respond, deadline = deadline_of(request), work = std::move(work),
                      answer = std::move(answer)](std::string hash) {
    parts_.gateway.ask(domain::AdminJob<Work>{hash, work, deadline},
                       [this, respond, answer, hash](const domain::Result<AdminDocument>& done) {
                         if (const auto* document = done.value())
                           return answer(*document);
                         if (done.is_refused(Refused::unauthorized)) {
                           keys_.refuse(hash, Clock::now());
                           return respond(unauthorized(kNoSuchKey));
                         }
                         respond(refused(done.refusal(), kRetryReadAfter));
                       });
  };
  prove(
      request, respond, kRetryReadAfter,
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
             [respond](const AdminDocument& page) {
               respond({200, page_json(page)});
             });
}

void Api::admin_migration(const Request& request, const Respond& respond) {
  with_path_id("migration_id", request, respond, [&](const domain::Uuid& id) {
    request.facts.migration_id = id;
    administer(request, respond, domain::ReadMigration{id}, [respond](const AdminDocument& found) {
      respond({200, found.json});
    });
  });
}

void Api::admin_analytics(const Request& request, const Respond& respond) {
  auto query = parse_analytics(request.query, parts_.unicode, std::chrono::system_clock::now());
  if (const auto* refusal = std::get_if<Refusal>(&query))
    return refuse_administrator(request, respond, *refusal);
  administer(request, respond, std::get<domain::ReadAnalytics>(std::move(query)),
             [respond](const AdminDocument& found) {
               respond({200, found.json});
             });
}

void Api::admin_live(const Request& request, const Respond& respond) {
  administer(request, respond, domain::ReadLive{}, [respond](const AdminDocument& live) {
    respond({200, R"({"migrations":)" + live.json + "}"});
  });
}

void Api::admin_live_events(const Request& request, const Respond& respond) {
  administer(request, respond, domain::CheckAdminKey{},
             [this, respond](const AdminDocument&) { publisher_.watch(respond); });
}

void Api::admin_cancel(const Request& request, const Respond& respond) {
  with_path_id("migration_id", request, respond, [&](const domain::Uuid& id) {
    request.facts.migration_id = id;
    administer(request, respond, domain::CancelMigration{id}, [respond](const AdminDocument& done) {
      respond({200, done.json});
    });
  });
}

void Api::admin_create_webhook(const Request& request, const Respond& respond) {
  // Check the key first: only an administrator may learn what is wrong with the body.
  administer(request, respond, domain::CheckAdminKey{}, [this, &request, respond](const auto&) {
    with_body(request, respond, [this, &request, respond](std::string_view body) {
      auto url = parse_webhook(body, parts_.unicode, settings_.allow_private_webhooks);
      if (const auto* refusal = std::get_if<Refusal>(&url))
        return respond(to_reply(*refusal));
      administer(request, respond,
                 domain::CreateWebhook{domain::Uuid::time_ordered(),
                                       std::get<std::string>(std::move(url)),
                                       "whsec_" + new_api_key().substr(4)},
                 [respond](const AdminDocument& made) {
                   respond({201, made.json});
                 });
    });
  });
}

void Api::admin_list_webhooks(const Request& request, const Respond& respond) {
  administer(request, respond, domain::ListWebhooks{}, [respond](const AdminDocument& list) {
    respond({200, R"({"webhooks":)" + list.json + "}"});
  });
}

void Api::admin_delete_webhook(const Request& request, const Respond& respond) {
  with_path_id("webhook_id", request, respond, [&](const domain::Uuid& id) {
    administer(request, respond, domain::DeleteWebhook{id}, [respond](const AdminDocument& done) {
      respond({200, done.json});
    });
  });
}

void Api::admin_create_api_key(const Request& request, const Respond& respond) {
  administer(request, respond, domain::CheckAdminKey{}, [this, &request, respond](const auto&) {
    with_body(request, respond, [this, &request, respond](std::string_view body) {
      auto parsed = parse_api_key(body, parts_.unicode, std::chrono::system_clock::now());
      if (const auto* refusal = std::get_if<Refusal>(&parsed))
        return respond(to_reply(*refusal));
      auto& what = std::get<domain::CreateApiKey>(parsed);
      const std::string key = new_api_key();
      what.key_hash = sha256_hex(key);
      what.prefix = key.substr(0, 8);
      administer(request, respond, std::move(what), [respond, key](const AdminDocument& made) {
        respond({201, R"({"key":")" + key + "\"," + made.json.substr(1)});
      });
    });
  });
}

void Api::admin_list_api_keys(const Request& request, const Respond& respond) {
  administer(request, respond, domain::ListApiKeys{}, [respond](const AdminDocument& list) {
    respond({200, R"({"api_keys":)" + list.json + "}"});
  });
}

void Api::admin_revoke_api_key(const Request& request, const Respond& respond) {
  const std::string& text = request.parameters.at(0);
  domain::RevokeApiKey key;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), key.id);
  if (error != std::errc{} || end != text.data() + text.size() || key.id < 1)
    return refuse_administrator(request, respond,
                                {.reason = Refused::invalid_request,
                                 .fields = {{"key_id", "must be a whole number from 1"}}});
  administer(request, respond, key, [respond](const AdminDocument& revoked) {
    respond({200, revoked.json});
  });
}

void Api::admin_enable_webhook(const Request& request, const Respond& respond) {
  with_path_id("webhook_id", request, respond, [&](const domain::Uuid& id) {
    administer(request, respond, domain::EnableWebhook{id}, [respond](const AdminDocument& done) {
      respond({200, done.json});
    });
  });
}

void Api::admin_dead_events(const Request& request, const Respond& respond) {
  with_path_id("webhook_id", request, respond, [&](const domain::Uuid& id) {
    auto query = parse_dead_events(request.query, parts_.unicode);
    if (const auto* refusal = std::get_if<Refusal>(&query))
      return refuse_administrator(request, respond, *refusal);
    auto& list = std::get<domain::ListDeadEvents>(query);
    list.webhook_id = id;
    administer(request, respond, list, [respond](const AdminDocument& found) {
      respond({200, found.json});
    });
  });
}

void Api::admin_redeliver(const Request& request, const Respond& respond) {
  with_path_id("webhook_id", request, respond, [&](const domain::Uuid& id) {
    // Check the key first: only an administrator may learn what is wrong with the body.
    administer(
        request, respond, domain::CheckAdminKey{}, [this, &request, respond, id](const auto&) {
          const auto redeliver = [this, &request, respond](domain::RedeliverEvents what) {
            administer(request, respond, std::move(what), [respond](const AdminDocument& done) {
              respond({200, done.json});
            });
          };
          if (!request.has_body)
            return redeliver({id, std::nullopt});
          with_body(request, respond, [this, respond, id, redeliver](std::string_view body) {
            auto ids = parse_event_ids(body, parts_.unicode);
            if (const auto* refusal = std::get_if<Refusal>(&ids))
              return respond(to_reply(*refusal));
            redeliver({id, std::get<0>(std::move(ids))});
          });
        });
  });
}

} // namespace regroup::http
