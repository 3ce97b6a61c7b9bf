#pragma once
#include "db/file_descriptor.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace regroup::test {

/// One TCP connection to a loopback port, byte by byte: for clients that behave badly, and for what
/// an HTTP client would hide, such as whether a connection was refused or broke later.
class RawConnection {
public:
  /// Connects, or is not open().
  explicit RawConnection(unsigned port);

  bool open() const { return static_cast<bool>(socket_); }

  /// Closes so that the other side sees a reset.
  void reset();

  /// What the kernel takes at once. False when the other side is gone.
  bool send(std::string_view bytes);

  /// How much of it the kernel took.
  std::size_t send_some(std::string_view bytes);

  /// Sends no more, and still reads.
  void end();

  /// Whether the other side has closed; what it has sent is thrown away. Does not wait.
  bool closed_by_peer();

  /// One whole answer with a Content-Length, its head and body; nothing when the connection ended
  /// before, or `limit` passed.
  std::optional<std::string> receive_answer(std::chrono::milliseconds limit);

  /// All that has come up to and with the word; nothing when the connection ended before, or
  /// `limit` passed. For answers that go on.
  std::optional<std::string> receive_until(std::string_view word, std::chrono::milliseconds limit);

  /// So many bytes; fewer when the connection ended before, or `limit` passed.
  std::string receive_exactly(std::size_t count, std::chrono::milliseconds limit);

  /// What has come and was not given out yet. Does not wait.
  std::string receive_some();

private:
  bool receive(std::chrono::steady_clock::time_point deadline);

  db::FileDescriptor socket_;
  std::string received_; // and not given out yet
};

} // namespace regroup::test
