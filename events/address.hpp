#pragma once
#include <sys/socket.h>

namespace regroup::events {

/// Whether an address is a public Internet address: not this machine's own, not in a private
/// network, nor for any other special purpose in IANA's registries (RFC 6890). An IPv4 address
/// inside an IPv6 one is judged as IPv4.
bool is_public(const sockaddr& address);

} // namespace regroup::events
