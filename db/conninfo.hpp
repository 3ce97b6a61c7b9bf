#pragma once
#include "config/settings.hpp"

#include <string>
#include <vector>

namespace regroup::db {

/// The connection string of the service: `database.url` (a libpq URI or key=value pairs), with
/// defaults for what the url leaves out: the connect timeout (which the url cannot turn off: a
/// server that was stopped accepts connections and never answers), TCP keepalives and
/// tcp_user_timeout, application_name `regroup`; client_encoding is always UTF8. Never adds
/// `options`, which poolers refuse. Throws std::runtime_error with one line, without the url (it
/// may hold a password), if the url cannot be parsed.
std::string conninfo(const config::Settings::Database& settings);

/// The same for each host that the url names, in the url's order. If libpq is to find the hosts by
/// itself, one string with all of them.
std::vector<std::string> conninfo_of_each_host(const config::Settings::Database& settings);

} // namespace regroup::db
