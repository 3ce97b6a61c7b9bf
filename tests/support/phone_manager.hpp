#pragma once
#include "tests/support/postgres.hpp"

#include <string>
#include <vector>

namespace regroup::test {

/// A new database as the backend of a phone manager leaves it (phone_manager.sql), on which Regroup
/// has never been; its url. `more` is run on it as well.
std::string phone_manager_database(Postgres& server, const std::string& more = {});

/// The same of an installation of Regroup whose webhook_endpoints and migration_events had no
/// prefix (unprefixed_names.sql).
std::string unprefixed_database(Postgres& server, const std::string& more = {});

/// The url of a role of its own that may read and write every table that the database has now, and
/// neither make nor change one.
std::string limited_role_url(const std::string& url);

/// What pg_dump says of the database's schema; without comments.
std::string schema_dump(const std::string& url);

} // namespace regroup::test
