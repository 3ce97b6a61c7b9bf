#include "db/outcomes.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace regroup::db {

using domain::Refused;

std::optional<Refused> refusal_named(std::string_view outcome) {
  static constexpr std::pair<std::string_view, Refused> kOutcomes[]{
      {"already_in_group", Refused::already_in_group},
      {"already_linked", Refused::device_already_linked},
      {"already_migrated", Refused::already_migrated},
      {"already_rolled_back", Refused::already_rolled_back},
      {"device_linked", Refused::device_linked},
      {"forbidden", Refused::forbidden},
      {"group_full", Refused::group_full},
      {"group_modified", Refused::group_modified},
      {"group_name_exists", Refused::group_name_exists},
      {"group_not_found", Refused::not_found},
      {"idempotency_mismatch", Refused::idempotency_mismatch},
      {"in_progress", Refused::in_progress},
      {"migrated_in_parts", Refused::already_migrated},
      {"no_devices", Refused::no_devices},
      {"not_device_owner", Refused::not_device_owner},
      {"not_found", Refused::not_found},
      {"not_group_member", Refused::not_group_member},
      {"not_owner_of_device", Refused::not_owner_of_device},
      {"not_owner_of_enough", Refused::not_owner_of_enough},
      {"rollback_expired", Refused::rollback_expired},
      {"too_many_devices", Refused::too_many_devices},
      {"unauthorized", Refused::unauthorized},
  };
  const auto* found = std::find_if(std::begin(kOutcomes), std::end(kOutcomes),
                                   [&](const auto& known) { return known.first == outcome; });
  return found == std::end(kOutcomes) ? std::nullopt : std::optional{found->second};
}

} // namespace regroup::db
