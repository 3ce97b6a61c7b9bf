#include "db/adoption/doctor.hpp"

#include "app/commands.hpp"
#include "app/foundation.hpp"
#include "app/terminal.hpp"
#include "config/flaws.hpp"
#include "db/rehearsal.hpp"
#include "text/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <iterator>
#include <unistd.h>

namespace regroup::app {
namespace {

using domain::Finding;
using Severity = Finding::Severity;

const char* name_of(Severity severity) {
  switch (severity) {
  case Severity::good:
    return "ok";
  case Severity::note:
    return "note";
  case Severity::warning:
    return "warning";
  case Severity::error:
    return "error";
  }
  return "error";
}

Finding keys(const config::Settings& settings) {
  const char* code = "keys/readable";
  if (const auto flaw = config::find_flaw(settings))
    return {Severity::error, code, std::string{flaw->key} + ": " + flaw->why,
            "set the auth.jwt_ keys that go together, and let the user that runs regroup read the "
            "file"};
  try {
    const http::JwtVerifier verifier{jwt_settings(settings)};
    if (const auto skipped = verifier.skipped_keys(); !skipped.empty())
      return {Severity::warning, code,
              "auth.jwt_jwks_file: " + std::to_string(skipped.size()) +
                  " of its keys cannot be used: " + skipped.front(),
              "mend them in the file: tokens signed with them are refused"};
    return {Severity::good, code, "the keys for tokens can be read", {}};
  } catch (const std::exception& why) {
    return {Severity::error, code, why.what(), "put a key of auth.jwt_algorithm there"};
  }
}

/// A provider signs tokens for other services too, and its key does not tell them apart (RFC 8725,
/// 3.12).
Finding audience(const config::Settings& settings) {
  const char* code = "keys/audience";
  if (makes_own_secret(settings))
    return {Severity::good, code, "the secret for tokens is this service's own", {}};
  if (settings.auth.jwt_audience.empty())
    return {Severity::warning, code,
            "auth.jwt_audience is not set: every token that the provider signs is taken, also one "
            "for another service",
            "set auth.jwt_audience to what the provider puts into aud for Regroup"};
  return {Severity::good, code, "only tokens for " + settings.auth.jwt_audience + " are taken", {}};
}

void print_lines(const std::vector<Finding>& findings) {
  for (const auto& each : findings) {
    std::cout << painted_severity(name_of(each.severity), takes_colours(STDOUT_FILENO)) << each.code
              << ": " << each.what;
    if (!each.remedy.empty())
      std::cout << " -> " << each.remedy;
    std::cout << "\n";
  }
}

void print_json(const std::vector<Finding>& findings, bool healthy) {
  std::vector<text::JsonObject> objects;
  for (const auto& each : findings) {
    auto& object = objects.emplace_back();
    object.add("code", std::string_view{each.code}).add("severity", name_of(each.severity));
    object.add("what", std::string_view{each.what}).add("remedy", std::string_view{each.remedy});
  }
  text::JsonObject report;
  std::cout << report.add("healthy", healthy).add("findings", objects).text() << "\n";
}

unsigned replicas_of(const CommandLine& line) {
  const std::string text = line.value_of("--replicas", "1");
  unsigned replicas = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), replicas);
  if (error != std::errc{} || end != text.data() + text.size() || replicas == 0 || replicas > 1000)
    throw UsageError("regroup doctor: --replicas must be a number from 1 to 1000");
  return replicas;
}

} // namespace

int doctor(const CommandLine& line, const config::Settings& settings) {
  const unsigned replicas = replicas_of(line);
  const Foundation foundation{settings};
  auto findings = db::examine(foundation.settings().database, replicas);
  if (line.has("--rehearse")) {
    auto rehearsed = db::rehearse(foundation.settings().database);
    std::move(rehearsed.begin(), rehearsed.end(), std::back_inserter(findings));
  }
  findings.push_back(keys(foundation.settings()));
  findings.push_back(audience(settings));
  const bool healthy = std::none_of(findings.begin(), findings.end(), [](const Finding& each) {
    return each.severity == Severity::error;
  });
  if (line.has("--json"))
    print_json(findings, healthy);
  else
    print_lines(findings);
  return healthy ? 0 : 1;
}

} // namespace regroup::app
