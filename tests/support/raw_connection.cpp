#include "tests/support/raw_connection.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <utility>

namespace regroup::test {
namespace {

/// How long the answer that `text` begins with is, once its head is there.
std::optional<std::size_t> length_of(const std::string& text) {
  constexpr std::string_view kName = "Content-Length: ", kEnd = "\r\n\r\n";
  const auto head = text.find(kEnd);
  if (head == text.npos)
    return std::nullopt;
  const auto name = text.substr(0, head).find(kName);
  const auto body = name == text.npos ? 0 : std::stoul(text.substr(name + kName.size(), 12));
  return head + kEnd.size() + body;
}

} // namespace

RawConnection::RawConnection(unsigned port)
    : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    socket_ = {};
    return;
  }
  const int yes = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  ::fcntl(socket_.get(), F_SETFL, O_NONBLOCK);
}

void RawConnection::reset() {
  const linger at_once{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_ = {};
}

bool RawConnection::send(std::string_view bytes) {
  const auto count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return count >= 0 || errno == EAGAIN;
}

std::size_t RawConnection::send_some(std::string_view bytes) {
  const auto count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return count > 0 ? static_cast<std::size_t>(count) : 0;
}

void RawConnection::end() { ::shutdown(socket_.get(), SHUT_WR); }

bool RawConnection::closed_by_peer() {
  std::array<char, 4096> chunk{};
  for (;;) {
    const auto count = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
    if (count <= 0)
      return count == 0 || errno != EAGAIN;
  }
}

/// Something more, before the deadline; false at the end.
bool RawConnection::receive(std::chrono::steady_clock::time_point deadline) {
  std::array<char, 16384> chunk{};
  const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  pollfd waiting{socket_.get(), POLLIN, 0};
  if (rest.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(rest.count())) <= 0)
    return false;
  const auto count = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
  if (count == 0 || (count < 0 && errno != EAGAIN))
    return false;
  if (count > 0)
    received_.append(chunk.data(), static_cast<std::size_t>(count));
  return true;
}

std::optional<std::string> RawConnection::receive_answer(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  do {
    if (const auto length = length_of(received_); length && received_.size() >= *length) {
      auto answer = received_.substr(0, *length);
      received_.erase(0, *length);
      return answer;
    }
  } while (receive(deadline));
  return std::nullopt;
}

std::optional<std::string> RawConnection::receive_until(std::string_view word,
                                                        std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  do {
    if (const auto at = received_.find(word); at != received_.npos) {
      auto text = received_.substr(0, at + word.size());
      received_.erase(0, at + word.size());
      return text;
    }
  } while (receive(deadline));
  return std::nullopt;
}

std::string RawConnection::receive_exactly(std::size_t count, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (received_.size() < count && receive(deadline)) {
  }
  auto bytes = received_.substr(0, count);
  received_.erase(0, bytes.size());
  return bytes;
}

std::string RawConnection::receive_some() {
  std::array<char, 16384> chunk{};
  for (ssize_t count = 1; count > 0;) {
    count = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
    if (count > 0)
      received_.append(chunk.data(), static_cast<std::size_t>(count));
  }
  return std::exchange(received_, {});
}

} // namespace regroup::test
