#pragma once
#include "http/server/head.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace regroup::http {

/// Buffers the bytes that a client has sent and that were not used yet, and finds the next
/// request's head in them. Checks the line ends (RFC 9112, 2.2). Bounded: it asks for no more than
/// a head may have. Independent of the socket.
class Inbox {
public:
  /// Where to write received bytes. Never empty.
  std::span<char> room();
  /// Call after writing `count` bytes to room().
  void received(std::size_t count) { end_ += count; }

  bool empty() const { return begin_ == end_; }
  std::string_view bytes() const { return {buffer_.data() + begin_, end_ - begin_}; }
  /// Discards the first `count` bytes.
  void use(std::size_t count);

  /// Takes the next head out, complete or refused. Returns null while more of it has to arrive.
  /// After a refused head the remaining bytes are meaningless.
  std::shared_ptr<const Head> next_head();

private:
  static constexpr std::size_t kUsualBytes = 8192;

  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  // Of the incomplete head, relative to begin_:
  std::size_t searched_ = 0;   // line ends before this were already examined
  std::size_t line_begin_ = 0; // start of the incomplete line
};

} // namespace regroup::http
