#pragma once
#include <sys/socket.h>

namespace regroup::events {

/// Whether an address is one that anybody on the Internet may have: not this machine's own, not a
/// private network's, nor any other of the special purposes that IANA's registries (RFC 6890) list.
/// An IPv4 address inside an IPv6 one counts as itself.
bool is_public(const sockaddr& address);

} // namespace regroup::events
