#pragma once
#include <memory>
#include <string>

namespace regroup::http {

/// An answer that goes on (WHATWG HTML, "Server-sent events"). Thread-safe.
class EventStream {
public:
  virtual ~EventStream() = default;

  /// Sends what is there now. False when the reader is gone, or has not taken what was sent before:
  /// nothing is queued up for one that is slow.
  virtual bool send(std::string text) = 0;

  /// Whether the reader is gone.
  virtual bool broken() const = 0;

  /// The end of the answer, and of the connection.
  virtual void close() = 0;
};

} // namespace regroup::http
