#pragma once
#include <cstdint>
#include <string>

namespace regroup::domain {

/// What `regroup doctor` found out about a deployment.
struct Finding {
  enum class Severity : std::uint8_t {
    good,
    note,    // nothing is wrong, but it should be known
    warning, // it works, and may not for long or not as promised
    error,   // a guarantee does not hold here, or the service cannot work
  };
  Severity severity = Severity::good;
  std::string code;   // "lock/excludes": names the check, whatever came of it
  std::string what;   // one line
  std::string remedy; // one line; empty when there is nothing to do
};

} // namespace regroup::domain
