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

/// The fields that the service reads. Of any other, only the form is checked.
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
inline constexpr std::size_t kMaxHeadBytes = 32768; // request line and fields
inline constexpr std::size_t kMaxFields = 100;
inline constexpr std::size_t kMaxFieldNameBytes = 256;
inline constexpr std::size_t kMaxFieldValueBytes = 16384;

/// How a request's body is delimited (RFC 9112, 6.3).
enum class Framing : std::uint8_t { none, length, chunked };

/// A request's head: the request line and the fields (RFC 9112, 3 and 5), or why it is refused.
/// Where it is refused, the fields that are there and are well-formed can be read all the same, but
/// for what says how a body is framed.
class Head {
public:
  /// `bytes`: up to and with the empty line, every line of which ends with CRLF.
  explicit Head(std::string_view bytes);
  /// One that could not be read to its end. `begins`: what is there of it, however its lines end.
  explicit Head(domain::Refused why, std::size_t limit = 0, std::string_view begins = {});
  Head(const Head&) = delete; // its texts are views of its own bytes
  Head& operator=(const Head&) = delete;

  /// After a head that is refused the connection is out of step, and closed.
  const std::optional<domain::Refused>& refused() const { return refused_; }
  /// `uri_too_long`, `header_too_large`: the limit that was passed.
  std::int64_t limit() const { return limit_; }

  /// Of those that HTTP knows; empty where it was not read.
  std::string_view method() const { return method_; }
  /// HEAD is answered as GET would be, without the content (RFC 9110, 9.3.2).
  std::string_view served_as() const { return method_ == "HEAD" ? "GET" : method_; }
  /// Without the query, as it came; `*` of OPTIONS.
  std::string_view path() const { return path_; }
  std::string_view query() const { return query_; }
  bool is_http_1_0() const { return http_1_0_; }
  bool keep_alive() const { return keep_alive_; }

  /// Without white space around it (RFC 9112, 5.1); lists of several lines are one, with commas
  /// (RFC 9110, 5.3). Empty where there is none.
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
  std::forward_list<std::string> joined_; // lists of several lines
};

/// Whether a byte may be part of a method's or a field's name (RFC 9110, 5.6.2).
bool is_token_byte(char byte);
/// Whether a byte may be part of a field's value (RFC 9110, 5.5).
bool is_value_byte(char byte);

} // namespace regroup::http
