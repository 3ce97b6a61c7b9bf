#pragma once
#include "config/settings.hpp"

#include <string>

namespace regroup::db {

/// The connection string that the service connects with: `database.url` (a libpq URI or key=value
/// pairs), and where the url does not say otherwise: the connect timeout, TCP keepalives and
/// tcp_user_timeout, application_name `regroup`; and always client_encoding UTF8. Never `options`,
/// which poolers refuse. Throws std::runtime_error with one line, without the url (it may hold a
/// password), when it does not parse.
std::string conninfo(const config::Settings::Database& settings);

} // namespace regroup::db
