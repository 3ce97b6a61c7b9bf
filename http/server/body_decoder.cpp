#include "http/server/body_decoder.hpp"

#include <algorithm>

namespace regroup::http {
namespace {

constexpr unsigned kMaxSizeDigits = 15; // of a chunk size: fits 64 bits, and no sum overflows

int digit_of(char byte) {
  if (byte >= '0' && byte <= '9')
    return byte - '0';
  const char lower = static_cast<char>(byte | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

} // namespace

BodyDecoder::BodyDecoder(const Head& head) {
  if (head.framing() == Framing::chunked)
    state_ = State::size;
  else if (head.content_length() > 0)
    state_ = State::length;
  remaining_ = head.content_length();
}

BodyDecoder::Step BodyDecoder::step(std::string_view bytes) {
  std::size_t used = 0;
  for (; used < bytes.size() && state_ != State::end; ++used) {
    if (state_ == State::length || state_ == State::chunk) {
      auto step =
          content_of(bytes.substr(used), state_ == State::length ? State::end : State::chunk_end);
      step.used += used;
      return step;
    }
    if (!take(bytes[used]))
      return {Found::malformed, used};
    if (unused_ > kMaxUnused)
      return {Found::too_long, used};
  }
  return {state_ == State::end ? Found::end : Found::nothing, used};
}

BodyDecoder::Step BodyDecoder::content_of(std::string_view bytes, State after) {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
  remaining_ -= count;
  if (remaining_ == 0)
    state_ = after;
  return {Found::content, count, bytes.substr(0, count)};
}

/// Takes one byte of the chunked framing. Returns false if it is not allowed there.
bool BodyDecoder::take(char byte) {
  const auto expect = [&](char expected, State next) {
    state_ = next;
    return byte == expected;
  };
  switch (state_) {
  case State::size:
    return take_size(byte);
  case State::before_extension: // RFC 9112, 7.1.1: BWS
    ++unused_;
    if (byte == ';')
      state_ = State::extension;
    return byte == ';' || byte == ' ' || byte == '\t';
  case State::extension:
    ++unused_;
    if (byte == '\r')
      state_ = State::size_line_end;
    return byte == '\r' || is_value_byte(byte);
  case State::size_line_end:
    digits_ = 0;
    return expect('\n', remaining_ > 0 ? State::chunk : State::trailer);
  case State::chunk_end:
    return expect('\r', State::chunk_line_end);
  case State::chunk_line_end:
    return expect('\n', State::size);
  case State::trailer:
    if (byte == '\r')
      return expect('\r', State::last_line_end);
    state_ = State::trailer_name;
    ++unused_;
    return is_token_byte(byte);
  case State::trailer_name:
    if (byte == ':')
      state_ = State::trailer_value;
    ++unused_;
    return byte == ':' || is_token_byte(byte);
  case State::trailer_value:
    if (byte == '\r')
      state_ = State::trailer_line_end;
    ++unused_;
    return byte == '\r' || is_value_byte(byte);
  case State::trailer_line_end:
    return expect('\n', State::trailer);
  case State::last_line_end:
    return expect('\n', State::end);
  default: // states within content and at the end have no framing bytes
    return false;
  }
}

bool BodyDecoder::take_size(char byte) {
  if (const int digit = digit_of(byte); digit >= 0) {
    remaining_ = remaining_ * 16 + static_cast<unsigned>(digit);
    return ++digits_ <= kMaxSizeDigits;
  }
  if (digits_ == 0)
    return false;
  if (byte == '\r') {
    state_ = State::size_line_end;
    return true;
  }
  state_ = State::before_extension;
  return take(byte);
}

} // namespace regroup::http
