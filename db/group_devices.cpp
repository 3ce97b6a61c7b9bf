#include "db/group_devices.hpp"

#include "db/codec.hpp"
#include "db/group_statements.hpp"
#include "db/jobs.hpp"
#include "db/outcomes.hpp"
#include "db/retry.hpp"
#include "db/settlement.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace regroup::db {
namespace {

using domain::Answer;
using domain::ChangeGroupDevices;
using domain::Refusal;
using domain::Refused;

Refused refusal_from(std::string_view word) {
  const auto refused = refusal_named(word);
  if (!refused)
    throw std::runtime_error("a change of devices ended in a way that is not known");
  return *refused;
}

/// `verdicts` holds one outcome per device, in the order of the device ids.
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

/// For a change that is all or nothing: the first refused device gives the reason.
Refusal refusal_of_all(const ChangeGroupDevices& change, const Reply& reply) {
  auto results = results_from(change, reply.text(0, "verdicts"));
  const auto counts = [](const domain::DeviceResult& each) {
    return !each.refused || each.refused == Refused::group_full;
  };
  const auto would_be_added = std::count_if(results.begin(), results.end(), counts);
  std::erase_if(results, [](const domain::DeviceResult& each) { return !each.refused; });
  Refusal refusal;
  refusal.reason = results.at(0).refused.value();
  if (refusal.reason == Refused::group_full) {
    refusal.authenticated_group_id = change.group_id;
    refusal.device_count = reply.number(0, "o_device_count") + would_be_added;
    refusal.limit = reply.number(0, "o_limit");
  }
  refusal.devices = std::move(results);
  return refusal;
}

} // namespace

Parameters parameters_of(const ChangeGroupDevices& change) {
  const auto& key = change.idempotency;
  return {change.change_id.text(),
          change.user_id.text(),
          change.group_id.text(),
          change.action == ChangeGroupDevices::Action::add ? "add" : "remove",
          uuid_array_text(change.device_ids),
          change.partial ? "true" : "false",
          key ? std::optional{key->key} : std::nullopt,
          key ? std::optional{key->request_hash} : std::nullopt};
}

namespace {

Answer answer_from(const Reply& reply, const ChangeGroupDevices& change) {
  const std::string_view outcome = reply.text(0, "outcome");
  if (outcome == "refused")
    return refusal_of_all(change, reply);
  if (outcome != "changed" && outcome != "replayed")
    return Refusal{.reason = refusal_from(outcome)};
  auto done = changed_from(change, reply);
  done.replayed = outcome == "replayed";
  return Answer{std::move(done)};
}

/// From BEGIN to COMMIT in one round trip, like a migration.
Task<Answer> attempt(Session& session, const ChangeGroupDevices& change) {
  auto parameters = parameters_of(change);
  const Reply reply =
      co_await run_in_one_trip(session, statements::change_devices, std::move(parameters));
  co_return decoded(reply, [&](const Reply& kept) { return answer_from(kept, change); });
}

/// Another program inserted a row that this change was to insert (23505), or deleted one that it
/// needs (23503).
bool has_crossed(const NotKept& why) {
  return why.ended() == Ended::refused && (why.sqlstate() == "23505" || why.sqlstate() == "23503");
}

} // namespace

domain::GroupDevicesChanged changed_from(const ChangeGroupDevices& change, const Reply& reply) {
  return {change.group_id, results_from(change, reply.text(0, "verdicts")),
          std::string{reply.text(0, "at")}};
}

namespace {

Task<Answer> change_group_devices(const Tools& tools, domain::ChangePtr change) {
  const domain::Operation operation{change};
  auto ended = co_await run_operation(
      tools, operation, [&] { return attempt(tools.session, *change); }, has_crossed);
  if (const auto* why = std::get_if<NotKept>(&ended))
    co_return Refusal{.reason = refusal_for(*why)};
  co_return std::get<Answer>(std::move(ended));
}

} // namespace

void add_group_devices(JobTable& table) { table.add(change_group_devices); }

} // namespace regroup::db
