#pragma once
#include "domain/command.hpp"
#include "domain/outcome.hpp"
#include "domain/unicode.hpp"
#include "http/json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace regroup::http {

Parsed<domain::Uuid> parse_device(std::string_view body, const domain::Unicode& unicode);

struct BulkBody {
  std::vector<domain::Uuid> device_ids; // in the caller's order, no id twice
  bool partial = false;
};
Parsed<BulkBody> parse_bulk(std::string_view body, const domain::Unicode& unicode);

/// The answers to a change of one device, and to a bulk change.
std::string one_change_json(domain::ChangeGroupDevices::Action action,
                            const domain::GroupDevicesChanged& done);
std::string bulk_change_json(domain::ChangeGroupDevices::Action action,
                             const domain::GroupDevicesChanged& done);

std::string to_json(const domain::Page<domain::GroupMember>& page);
std::string to_json(const domain::Page<domain::MyGroup>& page);
std::string to_json(const domain::Page<domain::GroupOfDevice>& page);
std::string to_json(const domain::Page<domain::MyDevice>& page);

} // namespace regroup::http
