#pragma once
#include "http/head.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace regroup::http {

/// The bytes that a client has sent and that were not used yet: what of them is the next request's
/// head, and that its lines end as RFC 9112, 2.2 says. Bounded: it asks for no more than a head may
/// have. Knows no socket.
class Inbox {
public:
  /// Where to put bytes that come; never empty.
  std::span<char> room();
  /// So many were put there.
  void received(std::size_t count) { end_ += count; }

  bool empty() const { return begin_ == end_; }
  std::string_view bytes() const { return {buffer_.data() + begin_, end_ - begin_}; }
  /// The first of them are not needed any more.
  void use(std::size_t count);

  /// Takes the next head out, whole or refused; nothing while more of it has to come. After one
  /// that is refused the rest means nothing.
  std::shared_ptr<const Head> next_head();

private:
  static constexpr std::size_t kUsualBytes = 8192;

  std::vector<char> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  // Of the head that has begun, from begin_:
  std::size_t searched_ = 0;   // no line ends in there that was not looked at
  std::size_t line_begin_ = 0; // the line that is not complete
};

} // namespace regroup::http
