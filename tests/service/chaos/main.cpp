// regroup_chaos --rounds N [--fault NAME]... | --list: breaks things under load, and holds what the
// clients were told against the database. Exit status 1 when anything was lost, duplicated, partial
// or untrue, or when a fault did not hit or put nothing in doubt. scripts/chaos builds and runs it.
#include "tests/service/chaos/round.hpp"

#include <algorithm>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace regroup::chaos;

struct Wanted {
  int rounds = 2;
  bool list = false;
  std::vector<std::string> faults; // empty: all
};

Wanted read_arguments(const std::vector<std::string>& words) {
  Wanted wanted;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const bool has_value = at + 1 < words.size();
    if (words[at] == "--list")
      wanted.list = true;
    else if (words[at] == "--rounds" && has_value)
      wanted.rounds = std::stoi(words[++at]);
    else if (words[at] == "--fault" && has_value)
      wanted.faults.push_back(words[++at]);
    else
      throw std::runtime_error{"usage: regroup_chaos [--rounds N] [--fault NAME]... | --list"};
  }
  if (wanted.rounds < 1)
    throw std::runtime_error{"--rounds: at least 1"};
  return wanted;
}

Faults chosen(Faults all, const std::vector<std::string>& names) {
  if (names.empty())
    return all;
  for (const auto& name : names)
    if (std::none_of(all.begin(), all.end(),
                     [&](const auto& each) { return each->name() == name; }))
      throw std::runtime_error{"no fault is called " + name + "; --list names them"};
  std::erase_if(all, [&](const auto& each) {
    return std::find(names.begin(), names.end(), each->name()) == names.end();
  });
  return all;
}

/// Migrations, undos and changes.
std::string text_of(const Counts& counts) {
  return std::to_string(counts.migrations) + "/" + std::to_string(counts.undos) + "/" +
         std::to_string(counts.changes);
}

template <class... Cells> void print_row(const std::string& name, const Cells&... cells) {
  std::cout << std::left << std::setw(23) << name << std::right << std::fixed
            << std::setprecision(1);
  ((std::cout << std::setw(13) << cells), ...);
}

/// "settled" are the answers in doubt that replicas settled (or gave up), "open" those that left
/// their callers in doubt: of migrations, undos and changes.
void print_head() {
  print_row("fault", "rounds", "requests", "successes", "in flight", "settled", "open", "lost",
            "duplicated", "partial", "untrue", "recovery s");
  std::cout << '\n';
}

void print_line(const std::string& name, const Tally& tally, const std::string& remark) {
  print_row(name, tally.rounds, tally.requests, tally.successes, tally.in_flight,
            text_of(tally.settled), text_of(tally.open), tally.lost, tally.duplicated,
            tally.partial, tally.untrue, tally.seconds_to_recover);
  std::cout << remark << std::endl;
}

/// The line of the table for one fault; whether all is well.
bool run(const Fault& fault, int rounds) {
  Rounds running{fault};
  std::string failure;
  try {
    for (int round = 1; round <= rounds; ++round) {
      std::cerr << fault.name() << ": round " << round << " of " << rounds << std::endl;
      running.run_one();
    }
    running.finish();
  } catch (const std::exception& why) {
    failure = why.what();
  }
  const auto& tally = running.tally();
  if (failure.empty())
    failure = tally.missing();
  print_line(fault.name(), tally, failure.empty() ? "" : "  FAILED: " + failure);
  return failure.empty() && tally.clean();
}

} // namespace

int main(int count, char** words) {
  try {
    const auto wanted = read_arguments({words + 1, words + count});
    const auto faults = chosen(all_faults(), wanted.faults);
    if (wanted.list) {
      for (const auto& fault : faults)
        std::cout << fault->name() << '\n';
      return 0;
    }
    print_head();
    bool well = true;
    for (const auto& fault : faults)
      well = run(*fault, wanted.rounds) && well;
    return well ? 0 : 1;
  } catch (const std::exception& why) {
    std::cerr << "regroup_chaos: " << why.what() << '\n';
    return 1;
  }
}
