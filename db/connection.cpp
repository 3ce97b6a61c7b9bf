#include "db/connection.hpp"

#include <libpq-fe.h>
#include <poll.h>
#include <string_view>

namespace regroup::db {
namespace {

void receive_notice(void* warned, const PGresult* notice) {
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr || std::string_view{severity} == "WARNING")
    *static_cast<bool*>(warned) = true;
}

} // namespace

Connection::Connection(const std::string& conninfo)
    : connection_base(policy_), conninfo_(conninfo), policy_(conninfo_) {
  init();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  // Deprecated, but the one way to stop libpqxx 6 from reconnecting behind our back.
  inhibit_reactivation(true);
#pragma GCC diagnostic pop
  // In place of libpqxx's own, which hands on the text alone and prints it.
  PQsetNoticeReceiver(handle(), &receive_notice, &warned_);
}

Connection::~Connection() { close(); }

bool Connection::is_interrupted() const {
  pollfd socket{PQsocket(handle()), POLLIN, 0};
  return ::poll(&socket, 1, 0) != 0;
}

} // namespace regroup::db
