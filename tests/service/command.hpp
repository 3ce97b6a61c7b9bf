#pragma once
#include "tests/support/cluster.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace regroup::test {

/// What a command of the program said until its end.
struct Said {
  int status = -1;
  std::string output;
  std::string errors;

  std::string text() const { return output + errors; }
};

/// Runs `regroup ARGUMENTS…`; the test fails where that does not end within a minute.
inline Said run_command(const std::vector<std::string>& arguments,
                        const Process::Environment& environment = {}) {
  Process process{regroup_binary(), arguments, environment};
  const auto status = process.wait(std::chrono::seconds{60});
  INFO(process.output() << process.errors());
  REQUIRE(status);
  return {*status, process.output(), process.errors()};
}

/// The words of a command with the settings that it does not do without.
inline std::vector<std::string> with_settings(std::vector<std::string> words,
                                              const std::string& database_url) {
  words.insert(words.end(), {"--database.url=" + database_url, "--auth.jwt_algorithm=HS256",
                             "--auth.jwt_secret=" + std::string(40, 's')});
  return words;
}

} // namespace regroup::test
