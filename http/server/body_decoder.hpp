#pragma once
#include "http/server/head.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace regroup::http {

/// Finds the content in the bytes that follow a head (RFC 9112, 6 and 7). Buffers none of it.
class BodyDecoder {
public:
  BodyDecoder() = default; // for a request without a body
  explicit BodyDecoder(const Head& head);

  enum class Found : std::uint8_t {
    content, // `content` is the next part of the body
    nothing, // all bytes were used; the body goes on
    end,     // the body is complete
    malformed,
    too_long, // too many bytes of chunk extensions and trailer fields
  };
  struct Step {
    Found found;
    std::size_t used = 0; // of the bytes passed in
    std::string_view content{};
  };
  /// Call again with the bytes that were not used.
  Step step(std::string_view bytes);

  bool at_end() const { return state_ == State::end; }
  /// Bytes of content that are certain to follow.
  std::uint64_t remaining() const { return remaining_; }

private:
  enum class State : std::uint8_t {
    length, // content, up to Content-Length
    size,   // of a chunk
    before_extension,
    extension,
    size_line_end,
    chunk, // content of a chunk
    chunk_end,
    chunk_line_end,
    trailer, // at the start of a line
    trailer_name,
    trailer_value,
    trailer_line_end,
    last_line_end,
    end,
  };
  /// Limit on the bytes of chunk extensions and trailer fields, which are ignored, in one request.
  static constexpr std::size_t kMaxUnused = 16384;

  Step content_of(std::string_view bytes, State after);
  bool take(char byte);
  bool take_size(char byte);

  State state_ = State::end;
  std::uint64_t remaining_ = 0; // bytes of the chunk, or of the whole body
  unsigned digits_ = 0;
  std::size_t unused_ = 0;
};

} // namespace regroup::http
