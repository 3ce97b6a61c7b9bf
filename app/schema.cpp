#include "db/schema/schema.hpp"

#include "app/commands.hpp"
#include "app/foundation.hpp"
#include "app/terminal.hpp"
#include "db/adoption/inspection.hpp"
#include "text/json_text.hpp"

#include <iostream>
#include <unistd.h>

namespace regroup::app {
namespace {

using domain::Finding;

const char* name_of(Finding::Severity severity) {
  switch (severity) {
  case Finding::Severity::good:
  case Finding::Severity::note:
    return "note";
  case Finding::Severity::warning:
    return "warning";
  case Finding::Severity::error:
    return "error";
  }
  return "error";
}

void print_list(const char* title, const std::vector<std::string>& lines) {
  std::cout << title << (lines.empty() ? " nothing\n" : "\n");
  for (const auto& line : lines)
    std::cout << "  " << line << "\n";
}

void print_findings(const std::vector<Finding>& findings) {
  std::vector<std::string> lines;
  for (const auto& each : findings) {
    std::string line = painted_severity(name_of(each.severity), takes_colours(STDOUT_FILENO));
    line += each.code + ": " + each.what;
    lines.push_back(line + (each.remedy.empty() ? "" : " -> " + each.remedy));
  }
  if (!lines.empty())
    print_list("to be known:", lines);
}

std::vector<std::string> announced(const std::vector<db::SchemaChange>& changes) {
  std::vector<std::string> lines;
  for (const auto& each : changes)
    if (!each.what.empty())
      lines.push_back(each.what);
  return lines;
}

void print_json(const db::Inspection& found) {
  std::vector<text::JsonObject> findings;
  for (const auto& each : found.findings)
    findings.emplace_back()
        .add("code", std::string_view{each.code})
        .add("severity", name_of(each.severity))
        .add("what", std::string_view{each.what})
        .add("remedy", std::string_view{each.remedy});
  std::vector<text::JsonObject> changes;
  for (const auto& each : announced(found.changes))
    changes.emplace_back().add("what", std::string_view{each});
  text::JsonObject report;
  std::cout << report.add("can_be_applied", found.stop().empty())
                   .add("changes", changes)
                   .add("findings", findings)
                   .text()
            << "\n";
}

/// Leaves out of the log what the command prints on its own: the changes and the findings.
class LogOfWaits : public domain::Log {
public:
  explicit LogOfWaits(domain::Log& log) : log_(log) {}
  void event(domain::LogLevel level, std::string_view name,
             std::initializer_list<domain::LogField> fields) noexcept override {
    if (name == "schema.waiting")
      log_.event(level, name, fields);
  }

private:
  domain::Log& log_;
};

} // namespace

int schema(const CommandLine& line, const config::Settings& settings, domain::Log& log) {
  const bool apply = line.words[1] == "apply";
  const Foundation foundation{settings};
  const auto& database = foundation.settings().database;
  if (apply) {
    LogOfWaits waits{log};
    print_list("changed in the database:", db::apply_schema(database, waits));
  }
  const db::Inspection found = db::inspect_schema(database);
  if (line.has("--json")) {
    print_json(found);
  } else {
    if (!apply)
      print_list("`regroup schema apply` and `regroup serve` will change in the database:",
                 announced(found.changes));
    print_findings(found.findings);
  }
  return found.stop().empty() ? 0 : 1;
}

} // namespace regroup::app
