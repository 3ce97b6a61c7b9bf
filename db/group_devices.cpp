#include "db/group_devices.hpp"

#include "db/codec.hpp"
#include "db/group_statements.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::ChangeGroupDevices;
using domain::Refusal;
using domain::Refused;

constexpr int kMostAttempts = 4;

/// The words of regroup_change_devices_v1, of a whole change and of one device.
constexpr std::pair<std::string_view, Refused> kRefusals[]{
    {"unauthorized", Refused::unauthorized},
    {"idempotency_mismatch", Refused::idempotency_mismatch},
    {"not_found", Refused::not_found},
    {"not_group_member", Refused::not_group_member},
    {"forbidden", Refused::forbidden},
    {"not_owner_of_device", Refused::not_owner_of_device},
    {"already_in_group", Refused::already_in_group},
    {"group_full", Refused::group_full},
};

Refused refusal_from(std::string_view word) {
  const auto found = std::find_if(std::begin(kRefusals), std::end(kRefusals),
                                  [&](const auto& known) { return known.first == word; });
  if (found == std::end(kRefusals))
    throw std::runtime_error("a change of devices ended in a way that is not known");
  return found->second;
}

/// `verdicts` has one word for each device.
std::vector<domain::DeviceResult> results_from(const ChangeGroupDevices& change,
                                               std::string_view verdicts) {
  std::vector<domain::DeviceResult> results;
  results.reserve(change.device_ids.size());
  for (const auto& device : change.device_ids) {
    const auto comma = verdicts.find(',');
    const auto word = verdicts.substr(0, comma);
    results.push_back({device, word == "done" ? std::nullopt : std::optional{refusal_from(word)}});
    verdicts = comma == std::string_view::npos ? std::string_view{} : verdicts.substr(comma + 1);
  }
  return results;
}

/// Of a change that is to be whole or nothing: the first device that stood in its way gives the
/// reason.
Refusal refusal_of_all(const ChangeGroupDevices& change, const pqxx::row& row) {
  auto results = results_from(change, row["verdicts"].c_str());
  const auto counts = [](const domain::DeviceResult& each) {
    return !each.refused || each.refused == Refused::group_full;
  };
  const auto would_be_added = std::count_if(results.begin(), results.end(), counts);
  std::erase_if(results, [](const domain::DeviceResult& each) { return !each.refused; });
  Refusal refusal;
  refusal.reason = results.at(0).refused.value();
  if (refusal.reason == Refused::group_full) {
    refusal.authenticated_group_id = change.group_id;
    refusal.device_count = row["o_device_count"].as<std::int64_t>() + would_be_added;
    refusal.limit = row["o_limit"].as<std::int64_t>();
  }
  refusal.devices = std::move(results);
  return refusal;
}

Answer attempt(Session& session, const ChangeGroupDevices& change) {
  const auto& key = change.idempotency;
  Transaction transaction{session};
  const auto row =
      transaction
          .run(statements::change_devices, change.change_id.text(), change.user_id.text(),
               change.group_id.text(),
               change.action == ChangeGroupDevices::Action::add ? "add" : "remove",
               uuid_array_text(change.device_ids), change.partial, key ? key->key.c_str() : nullptr,
               key ? key->request_hash.c_str() : nullptr)
          .front();
  const std::string_view outcome = row["outcome"].c_str();
  if (outcome == "refused")
    return refusal_of_all(change, row);
  if (outcome != "changed" && outcome != "replayed")
    return Refusal{refusal_from(outcome)};
  domain::GroupDevicesChanged done{change.group_id, results_from(change, row["verdicts"].c_str()),
                                   row["changed_at"].c_str(), outcome == "replayed"};
  if (done.replayed)
    transaction.run(statements::write_marker); // the earlier COMMIT may lack the standby's word
  transaction.commit();
  return done;
}

/// What may be otherwise a moment later: a device moved to another registration group, a deadlock
/// with another program, or its row where this change was to put one.
bool is_worth_retrying(std::string_view sqlstate) {
  return sqlstate == "RG001" || sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "23505" ||
         sqlstate == "23503";
}

} // namespace

Answer change_group_devices(Session& session, const ChangeGroupDevices& change) {
  for (int attempts = 1;; ++attempts) {
    try {
      return attempt(session, change);
    } catch (const StatementFailed& why) {
      if (attempts == kMostAttempts || !is_worth_retrying(why.sqlstate()))
        throw;
    }
  }
}

} // namespace regroup::db
