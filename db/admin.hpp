#pragma once
#include "config/settings.hpp"
#include "domain/log.hpp"
#include "domain/uuid.hpp"

#include <string>

namespace regroup::db {

// What an operator's subcommands write. Each throws std::runtime_error with one line.

struct NewApiKey {
  std::string hash;   // hex SHA-256 of the key
  std::string prefix; // its first 8 characters, for lists
  std::string name;   // 1 to 100 characters
  bool is_admin = false;
};
void insert_api_key(const config::Settings::Database& settings, domain::Log& log,
                    const NewApiKey& key);

struct DemoData {
  domain::Uuid user_id;
  std::string registration_group_id; // of three devices, never migrated yet
};
/// A user and a registration group of three devices, one of which is the user's: `camping-2025`, or
/// where that was migrated `camping-2025-2` and so on.
DemoData insert_demo_data(const config::Settings::Database& settings, domain::Log& log);

} // namespace regroup::db
