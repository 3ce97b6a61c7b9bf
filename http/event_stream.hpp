#pragma once
#include <string>

namespace regroup::http {

/// An answer that goes on: Server-Sent Events (WHATWG HTML, 9.2), each a text that ends with an
/// empty line. Thread-safe.
class EventStream {
public:
  EventStream() = default;
  virtual ~EventStream() = default; // ends it
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  /// False, and not sent, where it has ended, or the client is gone or has not taken what was sent
  /// before: nothing is queued up for one that is slow.
  virtual bool send(std::string event) = 0;
  virtual void end() = 0;

  /// False once it has ended, or the client is gone.
  virtual bool is_open() const = 0;
};

} // namespace regroup::http
