#pragma once
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

/// What a body says, or why it cannot be used (`invalid_json` or `invalid_request` with every field
/// that is wrong). Strict (RFC 8259, and RFC 7493 on duplicates): UTF-8, no duplicate names, nested
/// 32 deep at most, no unknown field.
template <class T> using Parsed = std::variant<T, domain::Refusal>;

struct MigrationBody {
  domain::MigrationRequest request;
  /// Hex SHA-256 of the body as a JSON value: order and white space do not count. For a request
  /// with an Idempotency-Key, else empty.
  std::string hash;
};
/// At most `most_devices` in `device_ids`.
Parsed<MigrationBody> parse_migration(std::string_view body, const domain::Unicode& unicode,
                                      std::size_t most_devices, bool with_hash);

/// For a request that has nothing to say: `invalid_json`, or `invalid_request` for anything but {}.
std::optional<domain::Refusal> refuse_content(std::string_view body,
                                              const domain::Unicode& unicode);

/// Without user and deadline.
Parsed<domain::RegisterDevice> parse_registration(std::string_view body,
                                                  const domain::Unicode& unicode);

/// The url of a new webhook: https, or http where private addresses are allowed.
Parsed<std::string> parse_webhook(std::string_view body, const domain::Unicode& unicode,
                                  bool allow_http);

/// A new API key, but for the key itself. It expires after `now`, or never.
Parsed<domain::CreateApiKey> parse_api_key(std::string_view body, const domain::Unicode& unicode,
                                           std::chrono::system_clock::time_point now);
/// `event_ids`, 1 to 1000 of them as "evt_42"; nothing where the field is absent.
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

/// The 202 of a migration that goes on, and what is known of it while it runs here.
std::string in_progress_json(const domain::MigrationCommand& command);
domain::MigrationReport report_of(const domain::MigrationCommand& running);

/// Where a migration's status is found.
std::string status_url(const domain::Uuid& migration_id);

/// Where an undo's is, and that of a change of devices.
std::string operation_url(const domain::Uuid& operation_id);

} // namespace regroup::http
