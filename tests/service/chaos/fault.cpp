#include "tests/service/chaos/fault.hpp"

#include "tests/support/eventually.hpp"

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

void Field::wait_for_commits(int count, const std::string& application) {
  auto sql = stage.sql();
  if (!test::eventually([&] {
        return sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
                              "AND query = 'COMMIT' AND application_name LIKE $1",
                              application) >= count;
      }))
    throw std::runtime_error{"there were never " + std::to_string(count) + " COMMITs under way"};
}

int count_of(const std::string& text, const std::string& words) {
  int count = 0;
  for (auto at = text.find(words); at != text.npos; at = text.find(words, at + words.size()))
    ++count;
  return count;
}

Faults all_faults() {
  Faults faults;
  add_process_faults(faults);
  add_session_faults(faults);
  add_standby_faults(faults);
  add_network_faults(faults);
  return faults;
}

} // namespace regroup::chaos
