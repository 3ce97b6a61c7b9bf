#include "db/connection.hpp"

#include <charconv>
#include <cstdint>
#include <libpq-fe.h>
#include <poll.h>
#include <string_view>
#include <system_error>

namespace regroup::db {
namespace {

constexpr std::string_view kProgress = "regroup.progress ";

/// "regroup.progress 500/10000"
void take_progress(std::string_view said, domain::MigrationProgress& to) {
  std::int64_t processed = 0;
  std::int64_t total = 0;
  const char* end = said.data() + said.size();
  const auto slash = std::from_chars(said.data() + kProgress.size(), end, processed);
  if (slash.ec != std::errc{} || slash.ptr == end ||
      std::from_chars(slash.ptr + 1, end, total).ec != std::errc{})
    return;
  to.total = total;
  to.processed = processed;
}

} // namespace

void Connection::hear(void* heard, const pg_result* notice) {
  auto& here = *static_cast<Heard*>(heard);
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity == nullptr || std::string_view{severity} == "WARNING")
    here.warned = true;
  const char* text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  if (here.progress != nullptr && text != nullptr && std::string_view{text}.starts_with(kProgress))
    take_progress(text, *here.progress);
}

Connection::Connection(const std::string& conninfo, Patience& patience)
    : LibpqConnection(conninfo), patience_(patience) {
  patience_.watch(socket());
  // Replaces libpqxx's receiver, which passes on the text alone and prints it.
  PQsetNoticeReceiver(handle(), &Connection::hear, &heard_);
  PQsetnonblocking(handle(), 1);
}

int Connection::socket() const { return PQsocket(handle()); }

bool Connection::is_interrupted() const {
  pollfd polled{socket(), POLLIN, 0};
  return ::poll(&polled, 1, 0) != 0;
}

} // namespace regroup::db
