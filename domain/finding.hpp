#pragma once
#include <cstdint>
#include <string>

namespace regroup::domain {

/// One result of `regroup doctor`.
struct Finding {
  enum class Severity : std::uint8_t {
    good,
    note,    // nothing is wrong, but worth knowing
    warning, // it works, but perhaps not for long or not as promised
    error,   // a guarantee does not hold here, or the service cannot work
  };
  Severity severity = Severity::good;
  std::string code;   // "lock/excludes": names the check, not its result
  std::string what;   // one line
  std::string remedy; // one line; empty when there is nothing to do
};

} // namespace regroup::domain
