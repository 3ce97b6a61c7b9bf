#include "tests/service/chaos/fault.hpp"

#include "tests/support/eventually.hpp"

#include <sstream>
#include <stdexcept>

namespace regroup::chaos {

using namespace std::chrono_literals;

void Field::wait_for(std::size_t count, const char* what,
                     const std::function<bool(const Request&)>& condition) {
  const auto from = now();
  if (!test::eventually([&] {
        return record.count([&](const Request& request) {
          return request.end >= from && condition(request);
        }) >= count;
      }))
    throw std::runtime_error{std::string{"there were not "} + std::to_string(count) + " " + what};
}

void Field::wait_for_successes(std::size_t count) {
  wait_for(count, "more successes",
           [](const Request& request) { return request.answer.status == 201; });
}

void Field::wait_for_answers(std::size_t count) {
  wait_for(count, "more answers", [](const Request&) { return true; });
}

void Field::wait_until_answered() {
  const auto moment = now();
  if (!test::eventually([&] { return record.is_answered(moment); }))
    throw std::runtime_error{"a request is not answered"};
}

void Field::wait_for_commits(int count, const std::string& application) {
  auto sql = stage.sql();
  if (!test::eventually([&] {
        return sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
                              "AND query = 'COMMIT' AND application_name LIKE $1",
                              application) >= count;
      }))
    throw std::runtime_error{"there were never " + std::to_string(count) + " COMMITs under way"};
}

void Field::cut(test::CommitCutter& cutter, test::CommitCutter::Cut how,
                std::vector<std::string> words, test::CommitCutter::Refusal refusal) {
  const int before = cutter.cuts();
  cutter.cut_next(how, std::move(words), refusal);
  if (!test::eventually([&] { return cutter.cuts() > before; }))
    throw std::runtime_error{"no COMMIT came to be cut"};
  ++counted;
}

int count_of(const std::string& text, const std::string& words) {
  int count = 0;
  for (auto at = text.find(words); at != text.npos; at = text.find(words, at + words.size()))
    ++count;
  return count;
}

Counts settlements(const std::string& logs) {
  Counts counts;
  std::istringstream lines{logs};
  for (std::string line; std::getline(lines, line);) {
    const auto has = [&](const char* words) { return line.find(words) != line.npos; };
    if (!has(R"("event":"settlement.ended")"))
      continue;
    counts.migrations += has(R"("kind":"migration")") ? 1 : 0;
    counts.undos += has(R"("kind":"undo")") ? 1 : 0;
    counts.changes += has(R"("kind":"device_change")") ? 1 : 0;
  }
  return counts;
}

std::string statement_of(Request::Kind kind) {
  return kind == Request::Kind::migrate ? "regroup_migrate"
         : kind == Request::Kind::undo  ? "regroup_undo"
                                        : "regroup_change_devices";
}

Faults all_faults() {
  Faults faults;
  add_process_faults(faults);
  add_session_faults(faults);
  add_standby_faults(faults);
  add_network_faults(faults);
  add_delivery_faults(faults);
  add_pooler_faults(faults);
  add_disk_faults(faults);
  return faults;
}

} // namespace regroup::chaos
