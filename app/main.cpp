#include "app/commands.hpp"
#include "telemetry/json_log.hpp"

#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

// NOLINTNEXTLINE(readability-redundant-declaration): POSIX gives it no header under strict C++
extern char** environ;

namespace regroup::app {
namespace {

constexpr const char* kUsage =
    R"(regroup: turns registration groups into authenticated groups, exactly once

  regroup serve [--check-config]            the service; or prints its settings, starts nothing
  regroup schema status                     what will be changed in the database, and what stops that
  regroup schema apply                      changes it
  regroup doctor [--json] [--replicas N]    checks a deployment; status 1 when something is wrong
                 [--rehearse]               migrates made-up devices in a transaction, rolled back
  regroup token --user UUID [--ttl 15m]     mints a token, where the key can sign
  regroup api-key create --name NAME [--admin] [--expires WHEN]
                                            WHEN: 720h from now, or 2030-01-31T00:00:00Z
  regroup api-key list [--json]
  regroup api-key revoke ID
  regroup demo                              inserts demo data, prints a ready curl line

Each takes --config FILE (TOML) and every setting as a flag; a setting section.key is also
REGROUP_SECTION_KEY in the environment. Flags win over the environment, that over the file.

)";

config::Loaded load_settings(const CommandLine& line, config::Flaws flaws) {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    names.push_back(text.substr(0, text.find('=')));
  }
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet, and it changes no variable
    const char* value = std::getenv(name.c_str());
    return value ? std::optional{std::string{value}} : std::nullopt;
  };
  return config::load(line.config_file.empty() ? std::nullopt : std::optional{line.config_file},
                      line.settings, environment, names, flaws);
}

telemetry::StreamLog::Format format_of(const config::Settings::Log& log) {
  const bool json = log.format.empty() ? isatty(STDERR_FILENO) == 0 : log.format == "json";
  return json ? telemetry::StreamLog::Format::json : telemetry::StreamLog::Format::text;
}

int run(const std::vector<std::string>& arguments) {
  const CommandLine line = parse_command_line(arguments);
  if (line.has("--version")) {
    std::cout << "regroup " REGROUP_VERSION "\n";
    return 0;
  }
  const std::string command = line.words.empty() ? "" : line.words.front();
  if (line.has("--help") || command.empty() || command == "help") {
    std::cout << kUsage << config::help_text();
    return line.has("--help") || command == "help" ? 0 : 2;
  }
  // The doctor reports flaws of the keys itself, and the schema needs none.
  const bool needs_keys = command != "doctor" && command != "schema";
  const auto flaws = needs_keys ? config::Flaws::refuse : config::Flaws::leave;
  const config::Loaded loaded = load_settings(line, flaws);
  const config::Settings& settings = loaded.settings;
  telemetry::StreamLog log{stderr, format_of(settings.log), settings.log.level};
  for (const auto& name : loaded.ignored)
    log.event(domain::LogLevel::debug, "config.ignored_variable",
              {{"name", std::string_view{name}}, {"why", "Kubernetes sets it for a Service"}});
  if (command == "serve" && line.has("--check-config"))
    return check_config(loaded);
  if (command == "serve") {
    Reload how;
    how.read_settings = [&] { return load_settings(line, config::Flaws::refuse).settings; };
    how.set_log_level = [&log](domain::LogLevel level) { log.set_level(level); };
    return serve(settings, how, log);
  }
  if (command == "schema")
    return schema(line, settings, log);
  if (command == "doctor")
    return doctor(line, settings);
  if (command == "token")
    return token(line, settings);
  if (command == "api-key")
    return api_key(line, settings, log);
  if (command == "demo")
    return demo(settings, log);
  throw std::runtime_error("no such subcommand: " + command + " (see regroup --help)");
}

} // namespace
} // namespace regroup::app

int main(int argc, char** argv) {
  try {
    return regroup::app::run({argv + 1, argv + argc});
  } catch (const std::exception& why) {
    std::cerr << "regroup: " << why.what() << std::endl;
    return 1;
  }
}
