#pragma once
#include "config/settings.hpp"
#include "domain/admin.hpp"
#include "domain/uuid.hpp"

#include <cstdint>
#include <string>

namespace regroup::db {

// Database access of the operator's subcommands. Each throws std::runtime_error with one line.

void insert_api_key(const config::Settings::Database& settings, const domain::CreateApiKey& key);

/// As JSON: the same array as in `GET /api/admin/v1/api-keys`.
std::string list_api_keys(const config::Settings::Database& settings);

void revoke_api_key(const config::Settings::Database& settings, std::int64_t id);

/// As JSON: the array of `GET /api/admin/v1/migrations`, whose filters are `query`'s.
std::string read_history(const config::Settings::Database& settings,
                         const domain::ReadHistory& query);

/// As JSON: one migration with its timeline.
std::string read_migration(const config::Settings::Database& settings, const domain::Uuid& id);

/// As JSON: the migrations that run now, on all replicas.
std::string read_live(const config::Settings::Database& settings);

/// Makes sure that a running migration will not commit.
void cancel_migration(const config::Settings::Database& settings, const domain::Uuid& id);

struct DemoData {
  domain::Uuid user_id;
  std::string registration_group_id; // three devices, not migrated
};
/// Inserts a user and a registration group of three devices, one of them the user's:
/// `camping-2025`, or `camping-2025-2` and so on if that was migrated.
DemoData insert_demo_data(const config::Settings::Database& settings);

} // namespace regroup::db
