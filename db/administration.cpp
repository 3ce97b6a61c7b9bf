#include "db/administration.hpp"

#include "db/admin_statements.hpp"
#include "db/codec.hpp"
#include "db/event_statements.hpp"
#include "db/key_statements.hpp"

#include <algorithm>
#include <string_view>
#include <type_traits>

namespace regroup::db {
namespace {

using domain::AdminDocument;
using domain::Answer;
using domain::Refusal;
using domain::Refused;

/// Why the key does not do, or nothing.
std::optional<Refused> refused(Transaction& transaction, const std::string& key_hash) {
  const auto rows = transaction.run(statements::find_api_key, key_hash);
  if (rows.empty())
    return Refused::unauthorized;
  return rows.front()["is_admin"].as<bool>() ? std::nullopt : std::optional{Refused::forbidden};
}

Answer document(const pqxx::result& rows) {
  if (rows.empty())
    return Refusal{Refused::not_found};
  return AdminDocument{rows.front()["document"].c_str()};
}

Answer read_history(Transaction& transaction, const domain::ReadHistory& query) {
  const auto user = text_of(query.user_id);
  const auto& after = query.after;
  const auto after_id = after ? std::optional{after->migration_id.text()} : std::nullopt;
  // One row more than asked for tells whether there is another page.
  const auto rows = transaction.run(
      statements::read_history, text_or_null(user), text_or_null(query.status),
      text_or_null(query.registration_group_id), text_or_null(query.from), text_or_null(query.to),
      after ? after->created_at.c_str() : nullptr, text_or_null(after_id), query.limit + 1);
  const auto shown = std::min(rows.size(), static_cast<pqxx::result::size_type>(query.limit));
  AdminDocument page{"[", std::nullopt};
  for (pqxx::result::size_type i = 0; i < shown; ++i)
    page.json += (i == 0 ? "" : ",") + std::string{rows[i]["document"].c_str()};
  page.json += ']';
  if (rows.size() > shown)
    page.next = {rows[shown - 1]["position"].c_str(), uuid(rows[shown - 1]["id"])};
  return page;
}

Answer cancel(Transaction& transaction, const domain::CancelMigration& what, bool again) {
  const auto rows = transaction.run(statements::cancel_migration, what.migration_id.text());
  const std::string_view outcome = rows.front()["outcome"].c_str();
  if (outcome == "not_found")
    return Refusal{Refused::not_found};
  if (outcome == "not_cancellable" || (outcome == "was_cancelled" && !again)) {
    Refusal refusal{Refused::not_cancellable};
    refusal.migration_id = what.migration_id;
    return refusal;
  }
  transaction.commit();
  return AdminDocument{R"({"migration_id":")" + what.migration_id.text() +
                       R"(","status":"cancelled"})"};
}

Answer create_webhook(Transaction& transaction, const domain::CreateWebhook& what) {
  auto answer =
      document(transaction.run(statements::insert_webhook, what.id.text(), what.url, what.secret));
  transaction.commit();
  return answer;
}

Answer delete_webhook(Transaction& transaction, const domain::DeleteWebhook& what, bool again) {
  const auto rows = transaction.run(statements::delete_webhook, what.id.text());
  if (!rows.front()["deleted"].as<bool>() && !again)
    return Refusal{Refused::not_found};
  transaction.commit();
  return AdminDocument{R"({"id":")" + what.id.text() + R"(","status":"deleted"})"};
}

Answer create_api_key(Transaction& transaction, const domain::CreateApiKey& what) {
  auto answer = document(transaction.run(statements::insert_api_key, what.key_hash, what.prefix,
                                         what.name, what.is_admin, text_or_null(what.expires_at)));
  transaction.commit();
  return answer;
}

Answer revoke_api_key(Transaction& transaction, const domain::RevokeApiKey& what) {
  auto answer = document(transaction.run(statements::revoke_api_key, what.id));
  transaction.commit();
  return answer;
}

Answer enable_webhook(Transaction& transaction, const domain::EnableWebhook& what) {
  const auto rows = transaction.run(statements::enable_webhook, what.id.text());
  if (!rows.front()["enabled"].as<bool>())
    return Refusal{Refused::not_found};
  transaction.commit();
  return AdminDocument{R"({"id":")" + what.id.text() + R"(","status":"enabled"})"};
}

Answer redeliver(Transaction& transaction, const domain::RedeliverEvents& what) {
  std::string ids = "{";
  for (const auto id : what.ids.value_or(std::vector<std::int64_t>{}))
    ids += (ids.size() > 1 ? "," : "") + std::to_string(id);
  ids += '}';
  const auto rows = transaction.run(statements::redeliver_events, what.webhook_id.text(),
                                    what.ids ? ids.c_str() : nullptr);
  const auto moved = rows.front()["moved"];
  if (moved.is_null())
    return Refusal{Refused::not_found};
  transaction.commit();
  return AdminDocument{R"({"id":")" + what.webhook_id.text() + R"(","redelivered":)" +
                       moved.c_str() + "}"};
}

} // namespace

Answer administer(Session& session, const domain::AdminJob& job, bool again) {
  Transaction transaction{session};
  if (job.key_hash)
    if (const auto reason = refused(transaction, *job.key_hash))
      return Refusal{*reason};
  transaction.run(statements::plan_for_values);
  return std::visit(
      [&]<class T>(const T& what) -> Answer {
        if constexpr (std::is_same_v<T, domain::CheckAdminKey>)
          return AdminDocument{"{}"};
        else if constexpr (std::is_same_v<T, domain::ReadHistory>)
          return read_history(transaction, what);
        else if constexpr (std::is_same_v<T, domain::ReadMigration>)
          return document(transaction.run(statements::read_migration, what.migration_id.text()));
        else if constexpr (std::is_same_v<T, domain::ReadAnalytics>)
          return document(
              transaction.run(statements::read_analytics, what.from, what.to, what.granularity));
        else if constexpr (std::is_same_v<T, domain::ReadLive>)
          return document(transaction.run(statements::read_live));
        else if constexpr (std::is_same_v<T, domain::CreateWebhook>)
          return create_webhook(transaction, what);
        else if constexpr (std::is_same_v<T, domain::ListWebhooks>)
          return document(transaction.run(statements::list_webhooks));
        else if constexpr (std::is_same_v<T, domain::DeleteWebhook>)
          return delete_webhook(transaction, what, again);
        else if constexpr (std::is_same_v<T, domain::CreateApiKey>)
          return create_api_key(transaction, what);
        else if constexpr (std::is_same_v<T, domain::ListApiKeys>)
          return document(transaction.run(statements::list_api_keys));
        else if constexpr (std::is_same_v<T, domain::RevokeApiKey>)
          return revoke_api_key(transaction, what);
        else if constexpr (std::is_same_v<T, domain::EnableWebhook>)
          return enable_webhook(transaction, what);
        else if constexpr (std::is_same_v<T, domain::ListDeadEvents>)
          return document(transaction.run(statements::list_dead_events, what.webhook_id.text(),
                                          what.after, what.limit));
        else if constexpr (std::is_same_v<T, domain::RedeliverEvents>)
          return redeliver(transaction, what);
        else
          return cancel(transaction, what, again);
      },
      job.what);
}

} // namespace regroup::db
