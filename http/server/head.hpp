#pragma once
#include "domain/outcome.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <optional>
#include <string>
#include <string_view>

namespace regroup::http {

/// The fields that the service reads. For all others it only checks the syntax.
enum class Field : std::uint8_t {
  host,
  connection,
  content_length,
  transfer_encoding,
  content_type,
  content_encoding,
  expect,
  authorization,
  api_key,
  accept,
  idempotency_key,
  device_id,
  request_id,
  traceparent,
  origin,
  requested_method, // Access-Control-Request-Method
};
inline constexpr std::size_t kFieldCount = static_cast<std::size_t>(Field::requested_method) + 1;

inline constexpr std::size_t kMaxTargetBytes = 8192;
inline constexpr std::size_t kMaxHeadBytes = 32768; // of request line and fields together
inline constexpr std::size_t kMaxFields = 100;
inline constexpr std::size_t kMaxFieldNameBytes = 256;
inline constexpr std::size_t kMaxFieldValueBytes = 16384;

/// How a request's body is delimited (RFC 9112, 6.3).
enum class Framing : std::uint8_t { none, length, chunked };

/// A request's head: the request line and the fields (RFC 9112, 3 and 5), or why it is refused.
/// A refused head still gives access to its well-formed fields, but not to the framing of its body.
class Head {
public:
  /// `bytes`: a whole head including the empty line; every line ends with CRLF.
  explicit Head(std::string_view bytes);
  /// A head that could not be read to its end. `begins`: the part that has arrived, with any line
  /// ends.
  explicit Head(domain::Refused why, std::size_t limit = 0, std::string_view begins = {});
  Head(const Head&) = delete; // members are views into its own strings
  Head& operator=(const Head&) = delete;

  /// After a refused head the connection is out of step, and must close.
  const std::optional<domain::Refused>& refused() const { return refused_; }
  /// The limit that was exceeded, for `uri_too_long` and `header_too_large`.
  std::int64_t limit() const { return limit_; }

  /// A method that HTTP knows; empty if none was read.
  std::string_view method() const { return method_; }
  /// GET for HEAD, which is answered like GET without the content (RFC 9110, 9.3.2).
  std::string_view served_as() const { return method_ == "HEAD" ? "GET" : method_; }
  /// Without the query, not decoded; may be `*` for OPTIONS.
  std::string_view path() const { return path_; }
  std::string_view query() const { return query_; }
  bool is_http_1_0() const { return http_1_0_; }
  bool keep_alive() const { return keep_alive_; }

  /// The field's value, trimmed (RFC 9112, 5.1). Several lines of a list are joined by commas
  /// (RFC 9110, 5.3). Empty if the field is absent.
  std::string_view operator[](Field field) const { return values_[index(field)]; }
  bool has(Field field) const { return present_[index(field)]; }

  Framing framing() const { return framing_; }
  std::uint64_t content_length() const { return content_length_; }
  bool expects_continue() const { return expects_continue_; }

private:
  static constexpr std::size_t index(Field field) { return static_cast<std::size_t>(field); }

  void read();
  bool refuse(domain::Refused why, std::size_t limit = 0);
  bool read_request_line(std::string_view line);
  bool read_target(std::string_view target);
  bool read_absolute(std::string_view rest);
  bool read_field(std::string_view line);
  bool keep(Field field, bool is_list, std::string_view value);
  bool check_fields();
  bool check_framing();
  bool check_coding();

  std::string bytes_;
  std::optional<domain::Refused> refused_;
  std::int64_t limit_ = 0;
  std::string_view method_;
  std::string_view path_;
  std::string_view query_;
  bool http_1_0_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  Framing framing_ = Framing::none;
  std::uint64_t content_length_ = 0;
  std::array<std::string_view, kFieldCount> values_{};
  std::array<bool, kFieldCount> present_{};
  std::forward_list<std::string> joined_; // lists that came in several lines
};

/// Whether a byte is allowed in a method or field name (RFC 9110, 5.6.2).
bool is_token_byte(char byte);
/// Whether a byte is allowed in a field value (RFC 9110, 5.5).
bool is_value_byte(char byte);

} // namespace regroup::http
