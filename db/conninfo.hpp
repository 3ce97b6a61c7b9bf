#pragma once
#include "config/settings.hpp"

#include <string>
#include <vector>

namespace regroup::db {

/// The connection string that the service connects with: `database.url` (a libpq URI or key=value
/// pairs), and where the url does not say otherwise: the connect timeout (which it cannot turn off:
/// a server that was stopped accepts connections, and never answers), TCP keepalives and
/// tcp_user_timeout, application_name `regroup`; and always client_encoding UTF8. Never `options`,
/// which poolers refuse. Throws std::runtime_error with one line, without the url (it may hold a
/// password), when it does not parse.
std::string conninfo(const config::Settings::Database& settings);

/// The same for each host that the url names, in its order. Where libpq is to find the hosts by
/// itself, one with all of them.
std::vector<std::string> conninfo_of_each_host(const config::Settings::Database& settings);

} // namespace regroup::db
