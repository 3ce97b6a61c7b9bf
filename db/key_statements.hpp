#pragma once
// API keys: statements of administration.cpp and admin.cpp (`regroup api-key`). None takes a lock,
// except revoke_api_key on its row.
#include "db/statements.hpp"

#define REGROUP_KEY                                                                                \
  "json_build_object('id', k.id, 'name', k.name, 'prefix', k.key_prefix, "                         \
  "'is_admin', coalesce(k.is_admin, false), "                                                      \
  "'status', CASE WHEN k.is_active IS NOT TRUE THEN 'revoked' "                                    \
  "WHEN k.expires_at <= now() THEN 'expired' ELSE 'active' END, "                                  \
  "'created_at', regroup_utc_text(k.created_at::timestamptz), "                                    \
  "'expires_at', regroup_utc_text(k.expires_at::timestamptz), "                                    \
  "'last_used_at', regroup_utc_text(k.last_used_at::timestamptz))"

namespace regroup::db::statements {

inline constexpr Statement insert_api_key{
    "regroup_insert_api_key",
    "INSERT INTO api_keys AS k (key_hash, key_prefix, name, is_admin, expires_at) "
    "VALUES ($1, $2, $3, $4, $5::timestamptz) RETURNING " REGROUP_KEY " AS document"};

inline constexpr Statement list_api_keys{
    "regroup_list_api_keys", "SELECT coalesce(json_agg(" REGROUP_KEY " ORDER BY k.id), '[]') "
                             "AS document FROM api_keys k"};

inline constexpr Statement revoke_api_key{"regroup_revoke_api_key",
                                          "UPDATE api_keys k SET is_active = false WHERE k.id = $1 "
                                          "RETURNING " REGROUP_KEY " AS document"};

} // namespace regroup::db::statements

#undef REGROUP_KEY
