#include "tests/service/chaos/round.hpp"

#include "tests/service/chaos/settle.hpp"
#include "tests/support/eventually.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <stdexcept>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// More than the clients get through in a round.
constexpr std::size_t kContested = 1000;
constexpr std::size_t kUndone = 600;
constexpr std::size_t kChanged = 300;
constexpr std::size_t kSpareGroups = 4;
constexpr std::size_t kProbes = 200;
constexpr auto kRecoveryLimit = 60s;

/// What writes and was being served at one of the strikes. Who was told 409 had nothing to write.
int open_at_strikes(const std::vector<Field::Strike>& strikes,
                    const std::vector<Request>& requests) {
  return static_cast<int>(
      std::count_if(requests.begin(), requests.end(), [&](const Request& request) {
        return writes(request.kind) && request.answer.status != 409 &&
               std::any_of(strikes.begin(), strikes.end(), [&](const auto& strike) {
                 return request.start <= strike.at && strike.at < request.end &&
                        (strike.replica.empty() || strike.replica == request.replica);
               });
      }));
}

const char* kind_name(Request::Kind kind) {
  switch (kind) {
  case Request::Kind::migrate:
    return "migrate";
  case Request::Kind::undo:
    return "undo";
  case Request::Kind::change:
    return "change";
  case Request::Kind::status:
    return "status";
  case Request::Kind::last_status:
    break;
  }
  return "last-status";
}

void write_story(const std::filesystem::path& path, const History& history,
                 const std::string& logs) {
  std::ofstream file{path};
  file << std::fixed << std::setprecision(3);
  for (const auto& request : history.requests)
    file << request.start << ' ' << request.end << ' ' << kind_name(request.kind) << ' '
         << request.replica << " group=" << request.group << " user=" << request.user
         << " key=" << request.idempotency_key << " trace=" << request.trace
         << " authenticated=" << request.authenticated_group << ' ' << request.action
         << " about=" << request.id << " -> " << request.answer.status << ' ' << request.answer.code
         << request.answer.state << (request.answer.replayed ? " replayed" : "")
         << " id=" << request.answer.migration_id << request.answer.operation_id << '\n';
  file << logs;
}

} // namespace

std::vector<Group> Rounds::new_groups(const std::string& kind, std::size_t count,
                                      std::size_t smallest, std::size_t largest, Owners owners) {
  auto sql = deployment_->stage.sql();
  auto groups =
      add_groups(sql, kind + "-" + std::to_string(tally_.rounds), count, smallest, largest, owners);
  for (const auto& group : groups)
    for (const auto& device : group.devices)
      deployment_->history.devices[group.id].push_back(device.text());
  return groups;
}

void Rounds::run_one() {
  if (!deployment_)
    deployment_ = std::make_unique<Deployment>(fault_.stage());
  auto& stage = deployment_->stage;
  auto& record = deployment_->record;
  const std::string own = kOwnGroups;
  const Load::Groups groups{new_groups("group", kContested, 1, 5, Owners::each),
                            new_groups(own + "undone", kUndone, 1, 3, Owners::one),
                            new_groups(own + "changed", kChanged, 3, 6, Owners::one)};
  const auto spare = new_groups("spare", kSpareGroups, 2, 2, Owners::each);
  const auto probes = new_groups("probe", kProbes, 1, 1, Owners::each);

  Field field{stage, record, tally_.rounds, spare};
  Load load{record, stage.targets(), groups};
  field.wait_for_successes(20);
  fault_.strike(field);
  recover(field, probes);
  field.wait_for_successes(20);
  if (load.spent())
    throw std::runtime_error{"the clients ran out of groups: the fault took too long"};
  load.finish();

  std::vector<Group> all;
  for (const auto* some : {&groups.contested, &groups.undone, &groups.changed, &spare, &probes})
    all.insert(all.end(), some->begin(), some->end());
  settle(stage, record, all);
  look_for_reports();
  judge(field);
  ++tally_.rounds;
}

void Rounds::finish() {
  if (!deployment_)
    return;
  deployment_->stage.end_replicas();
  look_for_reports();
}

/// With a binary that a sanitizer watches.
void Rounds::look_for_reports() const {
  const auto report = test::sanitizer_report(deployment_->stage.logs());
  if (!report.empty())
    throw std::runtime_error{"a sanitizer reports: " + report};
}

/// Until every way in has answered 201: each time with a group that nobody has asked for.
void Rounds::recover(const Field& field, const std::vector<Group>& probes) {
  std::size_t next = 0;
  for (const auto& target : deployment_->stage.targets()) {
    const bool back = test::eventually(
        [&] {
          const auto& probe = probes.at(next++ % probes.size());
          return ask_to_migrate(deployment_->record, target, probe, probe.users.front()).status ==
                 201;
        },
        kRecoveryLimit);
    if (!back)
      throw std::runtime_error{"no 201 from " + target.name + " after the fault"};
  }
  tally_.seconds_to_recover =
      std::max(tally_.seconds_to_recover,
               std::chrono::duration<double>(Clock::now() - field.healed_at).count());
}

void Rounds::judge(const Field& field) {
  auto& deployment = *deployment_;
  auto history = deployment.history;
  history.requests = deployment.record.requests();
  deployment.history.unpromised.insert(deployment.history.unpromised.end(),
                                       field.unpromised.begin(), field.unpromised.end());
  history.unpromised = deployment.history.unpromised;
  auto sql = deployment.stage.sql();
  const auto rows = read_rows(sql);
  count(field, history, rows);

  const auto verdict = check(history, rows);
  tally_.lost += static_cast<int>(verdict.lost.size());
  tally_.duplicated += static_cast<int>(verdict.duplicated.size());
  tally_.partial += static_cast<int>(verdict.partial.size());
  tally_.untrue += static_cast<int>(verdict.untrue.size());
  if (!verdict.clean())
    tell(verdict, history);
  if (!verdict.clean() || fault_.spends_stage())
    deployment_.reset(); // what was found once must not be counted again
}

void Rounds::count(const Field& field, const History& history, const Rows& rows) {
  auto& deployment = *deployment_;
  const std::vector<Request> fresh(history.requests.begin() +
                                       static_cast<std::ptrdiff_t>(deployment.requests),
                                   history.requests.end());
  const auto settled = settlements(deployment.stage.logs());
  const auto open = doubtful(history, rows);
  const int hit = field.counted + open_at_strikes(field.strikes, fresh);
  const auto new_settled = settled - deployment.settled;
  const auto new_open = open - deployment.open;
  tally_.requests += static_cast<int>(fresh.size());
  tally_.successes +=
      static_cast<int>(std::count_if(fresh.begin(), fresh.end(), [](const Request& request) {
        return writes(request.kind) &&
               (request.answer.status == 200 || request.answer.status == 201);
      }));
  tally_.in_flight += hit;
  tally_.settled += new_settled;
  tally_.open += new_open;
  deployment.requests = history.requests.size();
  deployment.settled = settled;
  deployment.open = open;
  if (hit == 0)
    ++tally_.idle_rounds;
}

std::string Tally::missing() const {
  if (idle_rounds > 0)
    return "it hit nothing in " + std::to_string(idle_rounds) + " rounds";
  // One round may be lucky: of a postmaster that is killed the backends answer for a moment yet.
  if (settled.all() + open.all() == 0)
    return "it put no answer in doubt";
  // A fault that strikes where it will meets each kind of operation in some of many rounds.
  constexpr int kManyRounds = 10;
  if (rounds < kManyRounds)
    return {};
  const auto none = [](int settled_ones, int open_ones) { return settled_ones + open_ones == 0; };
  std::string kinds;
  if (none(settled.migrations, open.migrations))
    kinds += " migration";
  if (none(settled.undos, open.undos))
    kinds += " undo";
  if (none(settled.changes, open.changes))
    kinds += " change";
  return kinds.empty() ? kinds : "it put none of these in doubt:" + kinds;
}

void Rounds::tell(const Verdict& verdict, const History& history) const {
  const std::pair<const char*, const std::vector<std::string>*> kinds[]{
      {"lost", &verdict.lost},
      {"duplicated", &verdict.duplicated},
      {"partial", &verdict.partial},
      {"untrue", &verdict.untrue}};
  constexpr std::size_t kMostLines = 10;
  for (const auto& [kind, findings] : kinds)
    for (std::size_t index = 0; index < std::min(findings->size(), kMostLines); ++index)
      std::cerr << kind << ": " << (*findings)[index] << '\n';
  const auto story = std::filesystem::temp_directory_path() /
                     ("regroup-chaos-" + fault_.name() + "-" + std::to_string(tally_.rounds));
  write_story(story, history, deployment_->stage.logs());
  std::cerr << "every request, and the replicas' logs: " << story.string() << '\n';
}

} // namespace regroup::chaos
