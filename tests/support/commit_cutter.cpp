#include "tests/support/commit_cutter.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <poll.h>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace regroup::test {
namespace {

constexpr int kPollMilliseconds = 50; // how soon a proxy that is told to stop does

sockaddr_in loopback(unsigned port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error{errno, std::generic_category(), what};
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// What there is now; empty when the other side has closed.
std::string receive(int socket) {
  std::array<char, 16384> buffer{};
  const auto got = ::recv(socket, buffer.data(), buffer.size(), 0);
  return got > 0 ? std::string{buffer.data(), static_cast<std::size_t>(got)} : std::string{};
}

bool readable(int socket, int milliseconds) {
  pollfd entry{socket, POLLIN, 0};
  return ::poll(&entry, 1, milliseconds) > 0;
}

std::size_t length_at(std::string_view bytes, std::size_t at) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i)
    length = length * 256 + static_cast<unsigned char>(bytes[at + i]);
  return length;
}

/// A stream taken apart into messages: a type, a length that counts itself, and the rest. The first
/// one of a client has no type.
class Messages {
public:
  explicit Messages(bool first_is_untyped) : untyped_(first_is_untyped) {}

  void add(std::string_view bytes) { bytes_ += bytes; }

  std::optional<std::string> next() {
    const std::size_t type = untyped_ ? 0 : 1;
    if (bytes_.size() < type + 4)
      return std::nullopt;
    const auto size = type + length_at(bytes_, type);
    if (bytes_.size() < size)
      return std::nullopt;
    untyped_ = false;
    auto message = bytes_.substr(0, size);
    bytes_.erase(0, size);
    return message;
  }

private:
  bool untyped_;
  std::string bytes_;
};

/// As a query of its own, or in a pipeline: unnamed or prepared for the first time in a Parse
/// message, later on by its name in a Bind message (manual, 55.7).
bool is_commit(std::string_view message) {
  const char type = message.front();
  const auto words = message.substr(std::min<std::size_t>(5, message.size()));
  if (type == 'Q')
    return words.starts_with("COMMIT");
  const auto second = words.substr(std::min(words.find('\0'), words.size() - 1) + 1);
  return (type == 'P' && second.starts_with("COMMIT")) ||
         (type == 'B' && second.starts_with("regroup_commit"));
}

/// What PostgreSQL answers with "ready for the next".
bool ends_a_trip(std::string_view message) {
  return message.front() == 'Q' || message.front() == 'S';
}

/// Reads until PostgreSQL is ready for the next query: it has committed.
void wait_until_committed(int server) {
  Messages answers{false};
  for (;;) {
    const auto bytes = receive(server);
    if (bytes.empty())
      return;
    answers.add(bytes);
    while (const auto message = answers.next())
      if (message->front() == 'Z')
        return;
  }
}

} // namespace

CommitCutter::CommitCutter(unsigned postgres_port)
    : postgres_port_{postgres_port}, listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), generic(address), size) != 0 || ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fail("cannot listen");
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread{[this] { accept_all(); }};
}

CommitCutter::~CommitCutter() {
  stopping_ = true;
  accepting_.join();
  for (auto& connection : connections_)
    connection.join();
}

void CommitCutter::accept_all() {
  while (!stopping_) {
    if (!readable(listener_.get(), kPollMilliseconds))
      continue;
    db::FileDescriptor client{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    connections_.emplace_back(
        [this, socket = std::move(client)]() mutable { serve(std::move(socket)); });
  }
}

void CommitCutter::serve(db::FileDescriptor client) {
  const db::FileDescriptor server{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const auto address = loopback(postgres_port_);
  if (::connect(server.get(), generic(address), sizeof address) != 0)
    return;
  Messages requests{true};
  Cut cut = Cut::never;
  while (!stopping_) {
    std::array<pollfd, 2> both{{{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}}};
    if (::poll(both.data(), both.size(), kPollMilliseconds) <= 0)
      continue;
    if (both[1].revents != 0) {
      const auto bytes = receive(server.get());
      if (bytes.empty() || !send_all(client.get(), bytes))
        return;
    }
    if (both[0].revents == 0)
      continue;
    const auto bytes = receive(client.get());
    if (bytes.empty())
      return;
    requests.add(bytes);
    while (const auto message = requests.next()) {
      if (cut == Cut::never && is_commit(*message)) {
        cut = next_.exchange(Cut::never);
        cuts_ += cut != Cut::never ? 1 : 0;
      }
      if (cut == Cut::before_commit || !send_all(server.get(), *message))
        return;
      trips_ += ends_a_trip(*message) ? 1 : 0;
      if (cut == Cut::after_commit && ends_a_trip(*message))
        return wait_until_committed(server.get());
    }
  }
}

} // namespace regroup::test
