#include "db/admin.hpp"

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

DemoData insert_demo_data(const config::Settings::Database& settings) {
  DemoData demo;
  demo.user_id = *domain::Uuid::parse("5ca1ab1e-2025-4000-8000-000000000001");
  in_transaction(settings, [&](Work& work) {
    const std::string user = demo.user_id.text();
    work.run(statements::insert_demo_user, user, "chen@example.com", "Chen");
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
