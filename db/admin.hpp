#pragma once
#include "config/settings.hpp"
#include "domain/admin.hpp"
#include "domain/uuid.hpp"

#include <cstdint>
#include <string>

namespace regroup::db {

// What an operator's subcommands write. Each throws std::runtime_error with one line.

void insert_api_key(const config::Settings::Database& settings, const domain::CreateApiKey& key);

/// As JSON, the same as `GET /api/admin/v1/api-keys` has it: an array.
std::string list_api_keys(const config::Settings::Database& settings);

void revoke_api_key(const config::Settings::Database& settings, std::int64_t id);

struct DemoData {
  domain::Uuid user_id;
  std::string registration_group_id; // of three devices, never migrated yet
};
/// A user and a registration group of three devices, one of which is the user's: `camping-2025`, or
/// where that was migrated `camping-2025-2` and so on.
DemoData insert_demo_data(const config::Settings::Database& settings);

} // namespace regroup::db
