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

/// A setting that cannot be used; what() is one line that names the key and where it came from.
struct SettingsError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Where a value came from.
enum class Source { built_in, file, environment, flag };

/// One declared key: the parser, `--help`, the README's table and `--check-config` come from it.
struct Key {
  std::string_view name; // "http.port"
  std::string_view help;
  bool secret = false;                               // print() masks it
  bool reloads = false;                              // SIGHUP changes it in a running service
  bool quoted = true;                                // in TOML: text
  bool is_list = false;                              // in TOML: or an array of texts
  std::string (*type)();                             // "0 to 65535", "duration"
  void (*parse)(Settings&, const std::string& text); // throws SettingsError that says why
  std::string (*print)(const Settings&); // fit for people's eyes: no secret, no password of a url
  bool (*same)(const Settings&, const Settings&);   // in this key
  void (*copy)(const Settings& from, Settings& to); // this key
};
std::span<const Key> keys();

/// What to do with flaws.hpp's findings: settings that are well formed and cannot work.
enum class Flaws { refuse, leave };

struct Loaded {
  Settings settings;
  std::vector<Source> sources;      // one for each of keys()
  std::vector<std::string> origins; // the same in words: "flag --http.port", "regroup.toml:3"
  std::vector<std::string> ignored; // variables that Kubernetes sets, not who runs this
};

/// Built-in defaults, then the TOML file (when one is given), then the environment
/// (`REGROUP_HTTP_PORT`), then flags (`--http.port 8081` or `--http.port=8081`; `arguments` holds
/// flags alone, without `--config`). `environment_names` are the names of all variables; those
/// that do not begin with `REGROUP_` are left alone, those that are empty count as not set, and
/// those that Kubernetes sets for a Service named `regroup` or `regroup-…` are ignored. Where
/// nothing sets it, `database.prepared_statements` is true for the embedded PostgreSQL.
///
/// Throws SettingsError on an unknown key in the file, in a `REGROUP_…` variable or flag, on a key
/// that is set twice in one place, on a value that does not parse or is out of range, on a key
/// file that cannot be read, and on settings that contradict each other (these two not with
/// Flaws::leave). No message repeats a value, but for the name of a file.
Loaded load(const std::optional<std::string>& file, std::span<const std::string> arguments,
            const std::function<std::optional<std::string>(const std::string& name)>& environment,
            std::span<const std::string> environment_names, Flaws flaws = Flaws::refuse);

/// One line per key: flag, type, built-in default, help.
std::string help_text();

/// The settings in force as TOML, a line per key with where its value came from. Secrets are
/// masked.
std::string effective_text(const Loaded& loaded);

/// The README's table of keys.
std::string markdown_table();

/// "250ms", "2s", "15m", "24h", 0 included; throws SettingsError for anything else.
Settings::Duration parse_duration(const std::string& text);

/// In the largest unit that divides it: 60 s are "1m", 90 s "90s".
std::string print_duration(Settings::Duration duration);

} // namespace regroup::config
