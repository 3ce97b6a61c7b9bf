#include "versions/libpqxx.hpp"

#if PQXX_VERSION_MAJOR >= 7
#include <pqxx/except>

#include <libpq-fe.h>
#endif

namespace regroup::versions {

#if PQXX_VERSION_MAJOR < 7

LibpqConnection::LibpqConnection(const std::string& conninfo)
    : connection_base(policy_), policy_(conninfo) {
  init();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  // Deprecated, but the only way to stop libpqxx 6 from reconnecting behind our back.
  inhibit_reactivation(true);
#pragma GCC diagnostic pop
}

LibpqConnection::~LibpqConnection() { close(); }

#else

namespace {

PGconn* opened(const std::string& conninfo) {
  PGconn* connection = PQconnectdb(conninfo.c_str());
  if (PQstatus(connection) == CONNECTION_OK)
    return connection;
  const std::string why = PQerrorMessage(connection); // also for a null one: no memory
  PQfinish(connection);
  throw pqxx::broken_connection{why};
}

} // namespace

LibpqConnection::LibpqConnection(const std::string& conninfo) : LibpqConnection(opened(conninfo)) {}

#endif

} // namespace regroup::versions
