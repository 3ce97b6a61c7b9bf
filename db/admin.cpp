#include "db/admin.hpp"

#include "db/codec.hpp"
#include "db/key_statements.hpp"
#include "db/session.hpp"

#include <stdexcept>

namespace regroup::db {
namespace {

/// One transaction; whatever goes wrong is one line for the operator's terminal.
template <class Work>
void in_transaction(const config::Settings::Database& settings, domain::Log& log, Work work) {
  try {
    domain::Metrics nobody_looks;
    Session session{settings, std::make_shared<Servers>(settings), log, nobody_looks};
    session.connect();
    Transaction transaction{session};
    work(transaction);
    transaction.commit();
  } catch (const NotKept& why) {
    const std::string what = why.what();
    throw std::runtime_error((why.sqlstate().empty() ? "" : "database: ") +
                             what.substr(0, what.find('\n')));
  }
}

std::string numbered(const std::string& name, int number) {
  return number == 1 ? name : name + "-" + std::to_string(number);
}

} // namespace

void insert_api_key(const config::Settings::Database& settings, domain::Log& log,
                    const domain::CreateApiKey& key) {
  in_transaction(settings, log, [&](Transaction& transaction) {
    transaction.run(statements::insert_api_key, key.key_hash, key.prefix, key.name, key.is_admin,
                    text_or_null(key.expires_at));
  });
}

std::string list_api_keys(const config::Settings::Database& settings, domain::Log& log) {
  std::string keys;
  in_transaction(settings, log, [&](Transaction& transaction) {
    keys = transaction.run(statements::list_api_keys).front()["document"].c_str();
  });
  return keys;
}

void revoke_api_key(const config::Settings::Database& settings, domain::Log& log, std::int64_t id) {
  in_transaction(settings, log, [&](Transaction& transaction) {
    if (transaction.run(statements::revoke_api_key, id).empty())
      throw std::runtime_error("there is no API key with the id " + std::to_string(id));
  });
}

DemoData insert_demo_data(const config::Settings::Database& settings, domain::Log& log) {
  DemoData demo;
  demo.user_id = *domain::Uuid::parse("5ca1ab1e-2025-4000-8000-000000000001");
  in_transaction(settings, log, [&](Transaction& transaction) {
    const std::string user = demo.user_id.text();
    transaction.run(statements::insert_demo_user, user, "chen@example.com", "Chen");
    for (int number = 1;; ++number) {
      demo.registration_group_id = numbered("camping-2025", number);
      const auto migrated = transaction.run(statements::was_migrated, demo.registration_group_id);
      if (!migrated.front().front().as<bool>())
        break;
    }
    // The user's own phone first, then two that nobody has claimed.
    transaction.run(statements::insert_demo_device, domain::Uuid::random().text(), "Chen's phone",
                    demo.registration_group_id, user.c_str());
    const char* nobody = nullptr;
    for (const char* name : {"Tent", "Kayak"})
      transaction.run(statements::insert_demo_device, domain::Uuid::random().text(), name,
                      demo.registration_group_id, nobody);
  });
  return demo;
}

} // namespace regroup::db
