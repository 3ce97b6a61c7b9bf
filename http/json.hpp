#pragma once
#include "domain/admin.hpp"
#include "domain/command.hpp"
#include "domain/outcome.hpp"
#include "domain/unicode.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace regroup::http {

/// A parsed body, or why it is refused (`invalid_json`, or `invalid_request` with every field that
/// is wrong). Parsing is strict (RFC 8259, and RFC 7493 on duplicates): UTF-8, no duplicate names,
/// at most 32 levels of nesting, no unknown field.
template <class T> using Parsed = std::variant<T, domain::Refusal>;

struct MigrationBody {
  domain::MigrationRequest request;
  /// Hex SHA-256 of the body as a JSON value: the order of fields and white space do not matter.
  /// Empty for a request without an Idempotency-Key.
  std::string hash;
};
/// At most `most_devices` in `device_ids`.
Parsed<MigrationBody> parse_migration(std::string_view body, const domain::Unicode& unicode,
                                      std::size_t most_devices, bool with_hash);

/// For a request whose body must be {}: `invalid_json`, or `invalid_request` for anything else.
std::optional<domain::Refusal> refuse_content(std::string_view body,
                                              const domain::Unicode& unicode);

/// The caller fills in user and deadline.
Parsed<domain::RegisterDevice> parse_registration(std::string_view body,
                                                  const domain::Unicode& unicode);

/// The URL of a new webhook: https, or also http if `allow_http`.
Parsed<std::string> parse_webhook(std::string_view body, const domain::Unicode& unicode,
                                  bool allow_http);

/// A new API key, without the key itself. Its expiry is after `now`, or absent: it never expires.
Parsed<domain::CreateApiKey> parse_api_key(std::string_view body, const domain::Unicode& unicode,
                                           std::chrono::system_clock::time_point now);
/// `event_ids`: 1 to 1000 ids such as "evt_42"; nothing if the field is absent.
Parsed<std::optional<std::vector<std::int64_t>>> parse_event_ids(std::string_view body,
                                                                 const domain::Unicode& unicode);

std::string to_json(const domain::MigrationCompleted& done);
std::string to_json(const domain::MigrationPlan& plan);
std::string to_json(const domain::MigrationUndone& undone);
std::string to_json(const domain::DeviceRegistered& done);
std::string to_json(const domain::RegistrationGroupFound& found);
std::string to_json(const domain::GroupDevicesPage& page);
std::string to_json(const domain::MigrationReport& report);
std::string to_json(const domain::OperationReport& report);

/// The 202 body of a migration that goes on, and the report of one that runs in this replica.
std::string in_progress_json(const domain::MigrationCommand& command);
domain::MigrationReport report_of(const domain::MigrationCommand& running);

/// Path of a migration's status.
std::string status_url(const domain::Uuid& migration_id);

/// Path of the status of an undo or a change of devices.
std::string operation_url(const domain::Uuid& operation_id);

} // namespace regroup::http
