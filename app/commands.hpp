#pragma once
#include "app/reload.hpp"
#include "config/loader.hpp"
#include "domain/log.hpp"

#include <string>
#include <vector>

namespace regroup::app {

/// A parsed command line: the words and options of the subcommand, and the flags that are settings.
struct CommandLine {
  std::vector<std::string> words; // "schema", "status"
  bool has(const std::string& flag) const;
  /// The value of `--flag value`; throws std::runtime_error with one line when it is missing.
  std::string value_of(const std::string& flag) const;
  std::string value_of(const std::string& flag, const std::string& otherwise) const;

  std::vector<std::pair<std::string, std::string>> options; // "--user", "…"
  std::vector<std::string> settings;                        // "--http.port", "8081"
  std::string config_file;                                  // empty: none
};

/// Throws std::runtime_error with one line when a flag lacks its value. Does not check the names of
/// subcommands and settings.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

// The subcommands. Each returns the process's exit status, or throws std::runtime_error with one
// line for the terminal.
/// `how.take_over` may be empty: serve() sets it itself.
int serve(const config::Settings& settings, const Reload& how, domain::Log& log);
/// `regroup serve --check-config`: prints the effective settings, and starts nothing. Throws for
/// settings that would stop the start, as far as that shows without a database.
int check_config(const config::Loaded& loaded);
int schema(const CommandLine& line, const config::Settings& settings, domain::Log& log);
int doctor(const CommandLine& line, const config::Settings& settings);
int token(const CommandLine& line, const config::Settings& settings);
int api_key(const CommandLine& line, const config::Settings& settings, domain::Log& log);
int demo(const config::Settings& settings, domain::Log& log);

} // namespace regroup::app
