#pragma once
#include "tests/support/postgres.hpp"

#include <string>
#include <vector>

namespace regroup::test {

/// A new database as the backend of a phone manager leaves it (phone_manager.sql), on which Regroup
/// has never been; its url. `more` is run on it as well.
std::string phone_manager_database(Postgres& server, const std::string& more = {});

/// The original backend's whole schema (original_backend/), empty, on which Regroup has never been.
/// phone_manager_database() above is a smaller one, with what Regroup did not expect.
std::string original_backend_database(Postgres& server, const std::string& more = {});

/// What makes it, in one text.
std::string original_backend_schema();

/// Rows for it: users, devices, a group (original_people.sql).
std::string original_people();

/// An installation of Regroup whose webhook_endpoints and migration_events had no
/// prefix (unprefixed_names.sql).
std::string unprefixed_database(Postgres& server, const std::string& more = {});

/// The url of a role of its own that may do what deploy/grants.sql grants, and nothing before
/// Regroup's tables are there. In the phone manager's database it may write what the triggers there
/// write.
std::string granted_role_url(const std::string& url);

/// What pg_dump says of the database's schema; without comments.
std::string schema_dump(const std::string& url);

} // namespace regroup::test
