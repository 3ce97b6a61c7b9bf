#include "db/schema/schema.hpp"

#include "app/commands.hpp"
#include "app/foundation.hpp"
#include "db/adoption/inspection.hpp"

#include <iostream>
#include <stdexcept>

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
    std::string line = name_of(each.severity);
    line.resize(8, ' ');
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

} // namespace

int schema(const CommandLine& line, const config::Settings& settings, domain::Log& log) {
  const std::string action = line.words.size() == 2 ? line.words[1] : "";
  if (action != "status" && action != "apply")
    throw std::runtime_error("regroup schema: say `status` or `apply`");
  const Foundation foundation{settings};
  const auto& database = foundation.settings().database;
  if (action == "apply")
    print_list("changed in the database:", db::apply_schema(database, log));
  const db::Inspection found = db::inspect_schema(database);
  if (action == "status")
    print_list("`regroup schema apply` and `regroup serve` will change in the database:",
               announced(found.changes));
  print_findings(found.findings);
  return found.stop().empty() ? 0 : 1;
}

} // namespace regroup::app
