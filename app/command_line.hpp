#pragma once
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace regroup::app {

/// A command line that cannot be run. what() is one line; the exit status is 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A parsed command line: the words and options of the subcommand, and the flags that are settings.
struct CommandLine {
  std::vector<std::string> words{}; // "schema", "status"; then its arguments, as the ID of a key
  bool has(const std::string& flag) const;
  /// The value of `--flag value`; throws UsageError when it is missing.
  std::string value_of(const std::string& flag) const;
  std::string value_of(const std::string& flag, const std::string& otherwise) const;

  std::vector<std::pair<std::string, std::string>> options{}; // "--user", "…"
  std::vector<std::string> settings{};                        // "--http.port=8081"
  std::string config_file{};                                  // empty: none
  std::string text{}; // what to print instead of running anything: help, the version; else empty
};

/// Throws UsageError for a subcommand, a flag or a word that is not known, and proposes the nearest
/// one. A message repeats no value, since it may be a secret.
CommandLine parse_command_line(const std::vector<std::string>& arguments);

/// The help of `regroup` itself.
std::string usage_text();

/// A subcommand, for what completes command lines.
struct CommandWords {
  std::vector<std::string> path; // "api-key", "create"; empty: `regroup` itself
  std::string help;
  std::vector<std::string> words; // that may come next
  struct Flag {
    std::string name; // "--user"
    std::string help;
    bool takes_value = false;
  };
  std::vector<Flag> flags{}; // without the settings
};
/// `regroup` itself, then all subcommands.
std::vector<CommandWords> command_words();

} // namespace regroup::app
