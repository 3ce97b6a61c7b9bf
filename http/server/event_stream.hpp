#pragma once
#include <string>

namespace regroup::http {

/// A streamed answer of Server-Sent Events (WHATWG HTML, 9.2). Each event is a text that ends with
/// an empty line. Thread-safe.
class EventStream {
public:
  EventStream() = default;
  virtual ~EventStream() = default; // ends the stream
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  /// Returns false without sending if the stream has ended, the client is gone, or it has not taken
  /// the previous event yet: nothing is queued for a slow client.
  virtual bool send(std::string event) = 0;
  virtual void end() = 0;

  /// False once the stream has ended or the client is gone.
  virtual bool is_open() const = 0;
};

} // namespace regroup::http
