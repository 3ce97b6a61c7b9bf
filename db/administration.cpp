// Jobs of administrators: each is one statement, after a look at the key.
#include "db/admin_statements.hpp"
#include "db/codec.hpp"
#include "db/event_statements.hpp"
#include "db/jobs.hpp"
#include "db/key_statements.hpp"
#include "db/transaction.hpp"
#include "domain/admin.hpp"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using domain::AdminDocument;
using domain::Refusal;
using domain::Refused;
using Document = domain::Result<AdminDocument>;

/// The statement of a job, and how to make the answer from its reply.
struct Request {
  const Statement& statement;
  Parameters parameters;
  std::function<Document(const Reply&)> answer;
};

Document document(const Reply& reply) {
  if (reply.empty())
    return Refusal{.reason = Refused::not_found};
  return AdminDocument{std::string{reply.text(0, "document")}, std::nullopt};
}

/// Says that the object with this id now has this status.
Document confirmed(const domain::Uuid& id, const char* status) {
  return AdminDocument{R"({"id":")" + id.text() + R"(","status":")" + status + R"("})",
                       std::nullopt};
}

Request request_of(const domain::CheckAdminKey&, bool) {
  return {statements::plan_for_values, {}, [](const Reply&) { return AdminDocument{"{}", {}}; }};
}

Document page_from(const Reply& reply, std::size_t limit) {
  const auto shown = std::min(reply.rows(), limit);
  AdminDocument page{"[", std::nullopt};
  for (std::size_t row = 0; row < shown; ++row) {
    page.json += row == 0 ? "" : ",";
    page.json += reply.text(row, "document");
  }
  page.json += ']';
  if (reply.rows() > shown)
    page.next = {std::string{reply.text(shown - 1, "position")}, uuid(reply.text(shown - 1, "id"))};
  return page;
}

Request request_of(const domain::ReadHistory& query, bool) {
  const auto& after = query.after;
  const auto limit = static_cast<std::size_t>(query.limit);
  return {statements::read_history,
          {text_of(query.user_id), query.status, query.registration_group_id, query.from, query.to,
           after ? std::optional{after->created_at} : std::nullopt,
           after ? std::optional{after->migration_id.text()} : std::nullopt,
           // One row more than asked for shows whether there is another page.
           std::to_string(limit + 1)},
          [limit](const Reply& reply) { return page_from(reply, limit); }};
}

Request request_of(const domain::ReadMigration& query, bool) {
  return {statements::read_migration, {query.migration_id.text()}, document};
}

Request request_of(const domain::ReadAnalytics& query, bool) {
  return {statements::read_analytics, {query.from, query.to, query.granularity}, document};
}

Request request_of(const domain::ReadLive&, bool) { return {statements::read_live, {}, document}; }

Request request_of(const domain::CancelMigration& what, bool again) {
  return {statements::cancel_migration,
          {what.migration_id.text()},
          [id = what.migration_id, again](const Reply& reply) -> Document {
            const std::string_view outcome = reply.text(0, "outcome");
            if (outcome == "not_found")
              return Refusal{.reason = Refused::not_found};
            if (outcome == "not_cancellable" || (outcome == "was_cancelled" && !again))
              return Refusal{.reason = Refused::not_cancellable, .migration_id = id};
            return AdminDocument{R"({"migration_id":")" + id.text() + R"(","status":"cancelled"})",
                                 std::nullopt};
          }};
}

Request request_of(const domain::CreateWebhook& what, bool) {
  return {statements::insert_webhook, {what.id.text(), what.url, what.secret}, document};
}

Request request_of(const domain::ListWebhooks&, bool) {
  return {statements::list_webhooks, {}, document};
}

Request request_of(const domain::DeleteWebhook& what, bool again) {
  return {statements::delete_webhook,
          {what.id.text()},
          [id = what.id, again](const Reply& reply) -> Document {
            if (!reply.row(0).flag("deleted") && !again)
              return Refusal{.reason = Refused::not_found};
            return confirmed(id, "deleted");
          }};
}

Request request_of(const domain::EnableWebhook& what, bool) {
  return {
      statements::enable_webhook, {what.id.text()}, [id = what.id](const Reply& reply) -> Document {
        if (!reply.row(0).flag("enabled"))
          return Refusal{.reason = Refused::not_found};
        return confirmed(id, "enabled");
      }};
}

Request request_of(const domain::CreateApiKey& what, bool) {
  return {
      statements::insert_api_key,
      {what.key_hash, what.prefix, what.name, what.is_admin ? "true" : "false", what.expires_at},
      document};
}

Request request_of(const domain::ListApiKeys&, bool) {
  return {statements::list_api_keys, {}, document};
}

Request request_of(const domain::RevokeApiKey& what, bool) {
  return {statements::revoke_api_key, {std::to_string(what.id)}, document};
}

Request request_of(const domain::ListDeadEvents& what, bool) {
  return {statements::list_dead_events,
          {what.webhook_id.text(), std::to_string(what.after), std::to_string(what.limit)},
          document};
}

Request request_of(const domain::RedeliverEvents& what, bool) {
  return {statements::redeliver_events,
          {what.webhook_id.text(),
           what.ids ? std::optional{number_array_text(*what.ids)} : std::nullopt},
          [id = what.webhook_id](const Reply& reply) -> Document {
            if (reply.is_null(0, "moved"))
              return Refusal{.reason = Refused::not_found};
            return AdminDocument{R"({"id":")" + id.text() + R"(","redelivered":)" +
                                     std::string{reply.text(0, "moved")} + "}",
                                 std::nullopt};
          }};
}

/// Why the key is not accepted, or nothing.
Task<std::optional<Refused>> refused(Transaction& transaction, const std::string& key_hash) {
  Parameters parameters{key_hash};
  const Reply found = co_await transaction.run(statements::find_api_key, std::move(parameters));
  if (found.empty())
    co_return Refused::unauthorized;
  if (!found.row(0).flag("is_admin"))
    co_return Refused::forbidden;
  co_return std::nullopt;
}

template <class Work>
Task<Document> administer(Session& session, const domain::AdminJob<Work>& job, bool again) {
  Transaction transaction{session};
  if (job.key_hash) {
    const auto reason = co_await refused(transaction, *job.key_hash);
    if (reason)
      co_return Refusal{.reason = *reason};
  }
  co_await transaction.run(statements::plan_for_values);
  auto request = request_of(job.what, again);
  const Reply reply =
      co_await transaction.run_and_commit(request.statement, std::move(request.parameters));
  co_return decoded(reply, request.answer);
}

template <class... Work> void add_each(JobTable& table) { (table.add(administer<Work>), ...); }

} // namespace

void add_administration(JobTable& table) {
  using namespace domain;
  add_each<CheckAdminKey, ReadHistory, ReadMigration, ReadAnalytics, ReadLive, CancelMigration,
           CreateWebhook, ListWebhooks, DeleteWebhook, EnableWebhook, CreateApiKey, ListApiKeys,
           RevokeApiKey, ListDeadEvents, RedeliverEvents>(table);
}

} // namespace regroup::db
