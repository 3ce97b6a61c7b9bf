#pragma once
#include "config/settings.hpp"

#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::config {

/// A setting that cannot be used. what() is one line that names the key and where its value came
/// from.
struct SettingsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The same for a value that a flag has.
struct FlagError : SettingsError {
  using SettingsError::SettingsError;
};

/// Where a value came from.
enum class Source { built_in, file, environment, flag };

/// The declaration of one key: the parser, `--help`, the README's table and `--check-config` use
/// it.
struct Key {
  std::string_view name; // "http.port"
  std::string_view help;
  bool secret = false;                               // print() masks it
  bool reloads = false;                              // SIGHUP changes it in a running service
  bool quoted = true;                                // in TOML: a string
  bool is_list = false;                              // in TOML: or an array of strings
  std::string (*type)();                             // "0 to 65535", "duration"
  void (*parse)(Settings&, const std::string& text); // throws SettingsError with the reason
  std::string (*print)(const Settings&); // for display: masks secrets and passwords in URLs
  bool (*same)(const Settings&, const Settings&);   // compares this key
  void (*copy)(const Settings& from, Settings& to); // copies this key
};
std::span<const Key> keys();

/// What to do with the findings of flaws.hpp, settings that are well formed but cannot work.
enum class Flaws { refuse, leave };

struct Loaded {
  Settings settings;
  std::vector<Source> sources;      // one per key of keys()
  std::vector<std::string> origins; // the same in words: "flag --http.port", "regroup.toml:3"
  std::vector<std::string> ignored; // variables that Kubernetes sets, not the operator
};

/// Reads the built-in defaults, then the TOML file (if one is given), then the environment
/// (`REGROUP_HTTP_PORT`), then flags (`--http.port 8081` or `--http.port=8081`; `arguments` holds
/// flags alone, without `--config`). `environment_names` are the names of all variables; those that
/// do not begin with `REGROUP_` are left alone, empty ones count as not set, and those that
/// Kubernetes sets for a Service named `regroup` or `regroup-…` are ignored.
///
/// Throws SettingsError on an unknown key in the file, in a `REGROUP_…` variable or flag, on a key
/// that is set twice in one place, on a value that does not parse or is out of range, on a key file
/// that cannot be read, and on settings that contradict each other (these two not with
/// Flaws::leave). No message repeats a value, except a file's name.
Loaded load(const std::optional<std::string>& file, std::span<const std::string> arguments,
            const std::function<std::optional<std::string>(const std::string& name)>& environment,
            std::span<const std::string> environment_names, Flaws flaws = Flaws::refuse);

/// One line per key: flag, type, built-in default, help.
std::string help_text();

/// The effective settings as TOML, one line per key, each with where its value came from. Secrets
/// are masked.
std::string effective_text(const Loaded& loaded);

/// The README's table of keys.
std::string markdown_table();

/// Parses "250ms", "2s", "15m" or "24h", 0 included; throws SettingsError for anything else.
Settings::Duration parse_duration(const std::string& text);

/// Prints it in the largest unit that divides it: 60 s as "1m", 90 s as "90s".
std::string print_duration(Settings::Duration duration);

} // namespace regroup::config
