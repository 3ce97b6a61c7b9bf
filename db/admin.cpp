#include "db/admin.hpp"

#include "db/admin_statements.hpp"
#include "db/conninfo.hpp"
#include "db/key_statements.hpp"
#include "versions/libpqxx.hpp"

#include <pqxx/pqxx>

#include <stdexcept>

namespace regroup::db {
namespace {

/// A transaction over libpqxx: a command may block.
class Work {
public:
  explicit Work(const config::Settings::Database& settings) : connection_{conninfo(settings)} {
    run(statements::set_local, settings.lock_timeout.count(), settings.statement_timeout.count(),
        settings.idle_in_transaction_timeout.count());
  }

  template <class... Args> pqxx::result run(const Statement& statement, const Args&... args) {
    return versions::exec_params(work_, statement.sql, args...);
  }

  void commit() { work_.commit(); }

private:
  pqxx::connection connection_;
  pqxx::work work_{connection_};
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// Turns errors into one line for the operator's terminal.
template <class Do>
void in_transaction(const config::Settings::Database& settings, const Do& what) {
  try {
    Work work{settings};
    what(work);
    work.commit();
  } catch (const pqxx::sql_error& why) {
    throw std::runtime_error("database: " + first_line(why.what()));
  } catch (const pqxx::failure& why) {
    throw std::runtime_error("the database cannot be reached: " + first_line(why.what()));
  }
}

std::string numbered(const std::string& name, int number) {
  return number == 1 ? name : name + "-" + std::to_string(number);
}

} // namespace

void insert_api_key(const config::Settings::Database& settings, const domain::CreateApiKey& key) {
  in_transaction(settings, [&](Work& work) {
    work.run(statements::insert_api_key, key.key_hash, key.prefix, key.name, key.is_admin,
             key.expires_at ? key.expires_at->c_str() : nullptr);
  });
}

std::string list_api_keys(const config::Settings::Database& settings) {
  std::string keys;
  in_transaction(settings, [&](Work& work) {
    keys = work.run(statements::list_api_keys).front()["document"].c_str();
  });
  return keys;
}

void revoke_api_key(const config::Settings::Database& settings, std::int64_t id) {
  in_transaction(settings, [&](Work& work) {
    if (work.run(statements::revoke_api_key, id).empty())
      throw std::runtime_error("there is no API key with the id " + std::to_string(id));
  });
}

std::string read_history(const config::Settings::Database& settings,
                         const domain::ReadHistory& query) {
  const auto text_or_null = [](const std::optional<std::string>& text) {
    return text ? text->c_str() : nullptr;
  };
  const auto user =
      query.user_id ? std::optional{query.user_id->text()} : std::optional<std::string>{};
  const char* no_cursor = nullptr;
  auto status = query.status; // in the audit, where an undone migration is a failed one
  std::optional<std::string> undone;
  if (status && (*status == "rolled_back" || *status == "failed"))
    undone = std::exchange(*status, "failed") == "rolled_back" ? "true" : "false";
  std::string page = "[";
  in_transaction(settings, [&](Work& work) {
    work.run(statements::plan_for_values);
    const auto rows =
        work.run(statements::read_history, text_or_null(user), text_or_null(status),
                 text_or_null(query.registration_group_id), text_or_null(query.from),
                 text_or_null(query.to), no_cursor, no_cursor, query.limit, text_or_null(undone));
    for (const auto& row : rows)
      page.append(page.size() > 1 ? "," : "").append(row["document"].c_str());
  });
  return page + "]";
}

std::string read_migration(const config::Settings::Database& settings, const domain::Uuid& id) {
  std::string migration;
  in_transaction(settings, [&](Work& work) {
    const auto found = work.run(statements::read_migration, id.text());
    if (found.empty())
      throw std::runtime_error("there is no migration with the id " + id.text() +
                               " in the history; `regroup live` shows those that run");
    migration = found.front()["document"].c_str();
  });
  return migration;
}

std::string read_live(const config::Settings::Database& settings) {
  std::string live;
  in_transaction(settings, [&](Work& work) {
    live = work.run(statements::read_live).front()["document"].c_str();
  });
  return live;
}

void cancel_migration(const config::Settings::Database& settings, const domain::Uuid& id) {
  in_transaction(settings, [&](Work& work) {
    const std::string outcome =
        work.run(statements::cancel_migration, id.text()).front()["outcome"].c_str();
    if (outcome == "not_found")
      throw std::runtime_error("there is no migration with the id " + id.text());
    if (outcome == "was_cancelled")
      throw std::runtime_error("the migration was cancelled before");
    if (outcome != "cancelled")
      throw std::runtime_error("the migration has ended, or is about to commit: too late");
  });
}

DemoData insert_demo_data(const config::Settings::Database& settings) {
  DemoData demo;
  demo.user_id = *domain::Uuid::parse("5ca1ab1e-2025-4000-8000-000000000001");
  in_transaction(settings, [&](Work& work) {
    const auto found = work.run(statements::find_or_insert_demo_user, demo.user_id.text(),
                                "chen@example.com", "Chen");
    const std::string user = found.front().front().c_str();
    demo.user_id = *domain::Uuid::parse(user);
    for (int number = 1;; ++number) {
      demo.registration_group_id = numbered("camping-2025", number);
      const auto migrated = work.run(statements::was_migrated, demo.registration_group_id);
      if (!migrated.front().front().as<bool>())
        break;
    }
    // The user's own phone first, then two devices without an owner.
    work.run(statements::insert_demo_device, domain::Uuid::random().text(), "Chen's phone",
             demo.registration_group_id, user.c_str());
    const char* no_owner = nullptr;
    for (const char* name : {"Tent", "Kayak"})
      work.run(statements::insert_demo_device, domain::Uuid::random().text(), name,
               demo.registration_group_id, no_owner);
  });
  return demo;
}

} // namespace regroup::db
