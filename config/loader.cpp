#include "config/loader.hpp"

#include "config/flaws.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <sstream>
#include <utility>

namespace regroup::config {
namespace {

constexpr std::string_view kVariablePrefix = "REGROUP_";

/// For names from outside: keeps a message on one line.
std::string one_line(std::string text) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), is_control, '?');
  return text;
}

[[noreturn]] void refuse(const std::string& line) { throw SettingsError(one_line(line)); }

/// "http.port": REGROUP_HTTP_PORT
std::string variable_of(std::string_view key) {
  std::string name{kVariablePrefix};
  for (const char c : key)
    name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

template <class Predicate> std::optional<std::size_t> find_key(Predicate is_it) {
  const auto found = std::find_if(keys().begin(), keys().end(), is_it);
  if (found == keys().end())
    return std::nullopt;
  return static_cast<std::size_t>(found - keys().begin());
}

std::optional<std::size_t> find_named(std::string_view name) {
  return find_key([&](const Key& key) { return key.name == name; });
}

/// "lock_timeout: " for a line that begins with that key. Empty if the line begins with no key of
/// ours: it may be the middle of a secret.
std::string key_in_line(std::string_view text, std::size_t number) {
  std::istringstream lines{std::string{text}};
  std::string line;
  for (std::size_t i = 0; i < number; ++i)
    std::getline(lines, line);
  const std::string word = line.substr(0, line.find_first_of(" \t="));
  const bool known = find_key([&](const Key& key) {
                       return key.name == word || key.name.ends_with("." + word);
                     }).has_value();
  return known ? word + ": " : "";
}

/// "_8080_TCP", "_8080_TCP_ADDR": a port's number, and what may follow it.
bool is_link_of_port(std::string_view rest) {
  const auto digits = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
  if (!rest.starts_with('_') || digits < 2)
    return false;
  rest.remove_prefix(digits);
  for (const std::string_view protocol : {"_TCP", "_UDP", "_SCTP"})
    for (const std::string_view part : {"", "_PROTO", "_PORT", "_ADDR"})
      if (rest.starts_with(protocol) && rest.substr(protocol.size()) == part)
        return true;
  return false;
}

/// Whether Kubernetes sets a variable like this in every pod beside a Service whose name begins
/// with `regroup` ("service links").
bool is_service_link(std::string_view name, std::string_view value) {
  constexpr std::string_view kPort = "_PORT";
  constexpr std::string_view kServicePort = "_SERVICE_PORT";
  if (name.ends_with("_SERVICE_HOST"))
    return true;
  if (const auto at = name.find(kServicePort); at != name.npos) {
    const auto port = name.substr(at + kServicePort.size());
    return port.empty() || port.starts_with('_');
  }
  if (name.ends_with(kPort))
    for (const std::string_view scheme : {"tcp://", "udp://", "sctp://"})
      if (value.starts_with(scheme))
        return true;
  for (auto at = name.find(kPort); at != name.npos; at = name.find(kPort, at + 1))
    if (is_link_of_port(name.substr(at + kPort.size())))
      return true;
  return false;
}

/// A TOML value as a flag would spell it; std::nullopt if no flag can.
std::optional<std::string> text_of(const toml::node& node, bool is_list) {
  if (const auto* items = node.as_array(); items && is_list) {
    std::string list;
    for (const auto& item : *items) {
      if (!item.is_string())
        return std::nullopt;
      list += (list.empty() ? "" : ",") + text_of(item, false).value();
    }
    return list;
  }
  if (const auto* text = node.as_string())
    return text->get();
  if (const auto* number = node.as_integer())
    return std::to_string(number->get());
  if (const auto* boolean = node.as_boolean())
    return boolean->get() ? "true" : "false";
  return std::nullopt;
}

/// The settings as they are read, source by source, and where each value comes from.
class Loading {
public:
  Loading() {
    loaded_.sources.assign(keys().size(), Source::built_in);
    loaded_.origins.assign(keys().size(), "built-in default");
  }

  void read_file(const std::string& path);
  void
  read_environment(const std::function<std::optional<std::string>(const std::string&)>& environment,
                   std::span<const std::string> names);
  void read_flags(std::span<const std::string> arguments);
  Loaded finish(Flaws flaws);

private:
  void read_table(const toml::table& root, const std::string& path);
  void set(std::size_t key, const std::string& text, Source source, const std::string& origin);

  [[noreturn]] void refuse_key(std::size_t key, const std::string& why) const {
    refuse(std::string{keys()[key].name} + " (" + loaded_.origins[key] + "): " + why);
  }

  Loaded loaded_;
};

void Loading::set(std::size_t key, const std::string& text, Source source,
                  const std::string& origin) {
  const bool twice = std::exchange(loaded_.sources[key], source) == source;
  loaded_.origins[key] = origin;
  if (twice)
    refuse_key(key, "set twice");
  try {
    keys()[key].parse(loaded_.settings, text);
  } catch (const SettingsError& error) {
    if (source == Source::flag)
      throw FlagError(
          one_line(std::string{keys()[key].name} + " (" + origin + "): " + error.what()));
    refuse_key(key, error.what());
  }
}

void Loading::read_file(const std::string& path) {
  if (const auto why = why_unreadable(path))
    refuse(path + ": the settings cannot be read: " + *why);
  std::ostringstream text;
  text << std::ifstream{path, std::ios::binary}.rdbuf();
  try {
    read_table(toml::parse(text.view(), std::string_view{path}), path);
  } catch (const toml::parse_error& error) {
    const std::size_t line = error.source().begin.line;
    refuse(path + ":" + std::to_string(line) + ": " + key_in_line(text.view(), line) +
           "not TOML (text and durations stand in quotes): " + std::string{error.description()});
  }
}

void Loading::read_table(const toml::table& root, const std::string& path) {
  const auto at = [&](const toml::key& key) {
    return path + ":" + std::to_string(key.source().begin.line);
  };
  for (const auto& [section, node] : root) {
    const std::string prefix = std::string{section.str()} + ".";
    const toml::table* values = node.as_table();
    if (values == nullptr ||
        !find_key([&](const Key& key) { return key.name.starts_with(prefix); }))
      refuse("unknown key " + std::string{section.str()} + " (" + at(section) + ")");
    for (const auto& [key, value] : *values) {
      const std::string name = prefix + std::string{key.str()};
      const auto known = find_named(name);
      if (!known)
        refuse("unknown key " + name + " (" + at(key) + ")");
      const auto text = text_of(value, keys()[*known].is_list);
      if (!text)
        refuse(name + " (" + at(key) + "): must be a string, a whole number, true or false" +
               (keys()[*known].is_list ? ", or an array of strings" : ""));
      set(*known, *text, Source::file, at(key));
    }
  }
}

void Loading::read_environment(
    const std::function<std::optional<std::string>(const std::string&)>& environment,
    std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (!name.starts_with(kVariablePrefix))
      continue;
    const auto text = environment(name);
    if (text && is_service_link(name, *text)) {
      loaded_.ignored.push_back(name);
      continue;
    }
    const auto known = find_key([&](const Key& key) { return variable_of(key.name) == name; });
    if (!known)
      refuse("unknown key " + name + " (environment)");
    if (text && !text->empty())
      set(*known, *text, Source::environment, "environment " + name);
  }
}

void Loading::read_flags(std::span<const std::string> arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("--")) // not repeated: it may be part of a secret with a blank
      refuse("argument " + std::to_string(i + 1) + ": not a flag (--section.key VALUE)");
    const std::size_t equals = argument.find('=');
    const std::string flag = argument.substr(0, equals);
    const auto known = find_named(std::string_view{flag}.substr(2));
    if (!known)
      refuse("unknown key " + flag + " (flag)");
    if (equals != std::string::npos) {
      set(*known, argument.substr(equals + 1), Source::flag, "flag " + flag);
    } else {
      if (i + 1 == arguments.size() || arguments[i + 1].starts_with("--"))
        refuse(flag.substr(2) + " (flag " + flag + "): the value is missing");
      set(*known, arguments[++i], Source::flag, "flag " + flag);
    }
  }
}

Loaded Loading::finish(Flaws flaws) {
  if (const auto flaw = flaws == Flaws::refuse ? find_flaw(loaded_.settings) : std::nullopt)
    refuse_key(*find_named(flaw->key), flaw->why);
  return std::move(loaded_);
}

} // namespace

Loaded load(const std::optional<std::string>& file, std::span<const std::string> arguments,
            const std::function<std::optional<std::string>(const std::string& name)>& environment,
            std::span<const std::string> environment_names, Flaws flaws) {
  Loading loading;
  if (file)
    loading.read_file(*file);
  loading.read_environment(environment, environment_names);
  loading.read_flags(arguments);
  return loading.finish(flaws);
}

} // namespace regroup::config
