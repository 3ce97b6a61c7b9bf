#include "app/command_line.hpp"

#include "app/nearest.hpp"
#include "app/terminal.hpp"
#include "config/loader.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include <unistd.h>

namespace regroup::app {
namespace {

struct Flag {
  const char* name;  // "--user"
  const char* value; // how its help calls the value; nullptr: takes none
  const char* help;
  bool required = false;
};

constexpr Flag kJson{"--json", nullptr, "print JSON, for programs"};

struct Command {
  const char* path; // "api-key create"
  const char* help;
  const char* example = nullptr;          // absent: it only has subcommands
  std::array<Flag, 6> flags{};            // up to the first without a name
  const char* argument = nullptr;         // a word that must follow, such as an id
  const char* about_argument = nullptr;   // what it is
  std::array<const char*, 3> arguments{}; // the words that it may be; none: any
};

/// Every subcommand. `help` is not one of them: `regroup help X` is `regroup X --help`.
constexpr std::array kCommands{
    Command{"serve",
            "Runs the service until Ctrl-C or SIGTERM.",
            "regroup serve --config /etc/regroup/regroup.toml",
            {{{"--check-config", nullptr, "print the settings in force, start nothing"}}}},
    Command{"schema", "What Regroup needs in the database."},
    Command{"schema status",
            "Lists what would be changed in the database, and what stops that.\n"
            "Changes nothing. Status 1: something stops it.",
            "regroup schema status --database.url postgresql://owner@db/app",
            {{kJson}}},
    Command{"schema apply", "Makes the changes that `schema status` lists, and no others.",
            "regroup schema apply --database.url postgresql://owner@db/app"},
    Command{"doctor",
            "Tries what the service relies on.\n"
            "It changes nothing. Status 1: a finding is an error.",
            "regroup doctor --config /etc/regroup/regroup.toml --replicas 3",
            {{{"--replicas", "N", "how many share the database; 1 if not given"},
              {"--rehearse", nullptr, "also migrate made-up devices, and roll that back"},
              kJson}}},
    Command{"token",
            "Makes a token for a user, to try things out.\nThe configured key must be able to "
            "sign: HS256, or auth.jwt_private_key_file.",
            "regroup token --user 5ca1ab1e-2025-4000-8000-000000000001 --ttl 1h",
            {{{"--user", "UUID", "a row of the table users", true},
              {"--ttl", "DURATION", "how long it is valid; 15m if not given"}}}},
    Command{"api-key", "API keys, of administrators and of devices."},
    Command{"api-key create",
            "Makes a key and prints it, once: the database keeps its hash alone.",
            "regroup api-key create --admin --expires 2160h",
            {{{"--name", "NAME", "for the list; you, at this machine, if not given"},
              {"--admin", nullptr, "it opens /admin and /api/admin/v1"},
              {"--expires", "WHEN", "720h from now, or 2030-01-31T00:00:00Z"}}}},
    Command{"api-key list",
            "Lists the keys by their first characters.",
            "regroup api-key list --json",
            {{kJson}}},
    Command{"api-key revoke",
            "Refuses a key from now on. It stays in the list.",
            "regroup api-key revoke 7",
            {},
            "ID",
            "a number in `regroup api-key list`"},
    Command{"migrations", "The history of migrations, and those that run."},
    Command{"migrations list",
            "Lists migrations, newest first.",
            "regroup migrations list --status failed --from 2026-11-01",
            {{{"--group", "TEXT", "of this registration group"},
              {"--user", "UUID", "that this user asked for"},
              {"--status", "STATUS", "success, partial, failed or rolled_back"},
              {"--from", "TIME", "2026-11-24, or 2026-11-24T20:33:18Z"},
              {"--limit", "N", "how many at most; 50 if not given"},
              kJson}}},
    Command{"migrations show",
            "Shows one migration: its outcome, its times, its devices.",
            "regroup migrations show 01a20f43-4d0d-7a2c-b484-8920b1cc3284",
            {{kJson}},
            "ID",
            "a migration_id"},
    Command{"migrations cancel",
            "Stops a migration that runs, on any replica: it changes nothing.",
            "regroup migrations cancel 01a20f43-4d0d-7a2c-b484-8920b1cc3284",
            {},
            "ID",
            "a migration_id of `regroup live`"},
    Command{
        "live", "Lists the migrations that run now, on all replicas.", "regroup live", {{kJson}}},
    Command{"demo",
            "Inserts demo data, and prints a curl line for it.\n"
            "A user and three devices, and a token of the user's to migrate them.",
            "regroup demo",
            {{{"--yes", nullptr, "do not ask before writing into database.url"}}}},
    Command{"completion",
            "Prints the completions for a shell.",
            "regroup completion bash >/etc/bash_completion.d/regroup",
            {},
            "SHELL",
            "bash, zsh or fish",
            {"bash", "zsh", "fish"}},
    Command{"version", "Prints the version.", "regroup version"},
};

constexpr const char* kAbout = "regroup turns registration groups into authenticated groups, "
                               "exactly once";

constexpr const char* kVersion = "regroup " REGROUP_VERSION "\n";

constexpr const char* kAboutSettings =
    "Every setting is a flag as well, such as --http.port 8081 or --database.url URL:\n"
    "`regroup help settings` lists them. section.key is REGROUP_SECTION_KEY in the\n"
    "environment. Flags win over the environment, that over the file of --config.";

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> words;
  std::istringstream text{std::string{path}};
  for (std::string word; text >> word;)
    words.push_back(word);
  return words;
}

std::vector<Flag> flags_of(const Command& command) {
  std::vector<Flag> flags;
  for (const Flag& flag : command.flags)
    if (flag.name != nullptr)
      flags.push_back(flag);
  return flags;
}

/// The flags that take a value, of all subcommands, and the settings.
bool takes_value(std::string_view flag) {
  if (flag == "--config")
    return true;
  for (const Command& command : kCommands)
    for (const Flag& each : flags_of(command))
      if (each.value != nullptr && flag == each.name)
        return true;
  const auto keys = config::keys();
  return flag.starts_with("--") && std::any_of(keys.begin(), keys.end(), [&](const auto& key) {
           return key.name == flag.substr(2);
         });
}

/// CLI11's program: the subcommands, each with its flags, and every setting as a flag of all.
class Program {
public:
  Program() {
    root_.set_version_flag("-V,--version", "regroup " REGROUP_VERSION, "print the version");
    root_.get_formatter()->label("REQUIRED", "(required)");
    root_.get_formatter()->column_width(26);
    root_.set_help_flag("-h,--help", "print this help");
    root_.add_option("--config")
        ->expected(1)
        ->description("a file of settings, in TOML")
        ->option_text("FILE");
    for (const auto& key : config::keys())
      root_.add_option("--" + std::string{key.name})
          ->expected(1)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
          ->group(""); // `regroup help settings` lists them
    root_.require_subcommand(1, 1);
    root_.fallthrough();
    for (const Command& command : kCommands)
      add(command);
    root_.footer(std::string{"\n"} + kAboutSettings +
                 "\n\n`regroup help SUBCOMMAND` shows its flags and an example.");
  }

  CommandLine parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());
    try {
      root_.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
      if (root_.get_subcommands().empty() && !root_.remaining().empty())
        refuse_rest();
      return {.text = help()};
    } catch (const CLI::CallForVersion&) {
      return {.text = kVersion};
    } catch (const CLI::ParseError& why) {
      if (!root_.remaining(true).empty())
        refuse_rest();
      const std::string what = why.get_name() == "RequiredError" && !command_of(*chosen())
                                   ? "say " + children_of(*chosen())
                                   : std::string{why.what()};
      throw UsageError(name_of(*chosen()) + ": " + what + where_help());
    }
    return line();
  }

  std::string help() { return with_headings(root_.help()); }

private:
  void add(const Command& command) {
    const auto words = split(command.path);
    CLI::App* parent = &root_;
    for (std::size_t i = 0; i + 1 < words.size(); ++i)
      parent = parent->get_subcommand(words[i]);
    const std::string help{command.help};
    CLI::App* app = parent->add_subcommand(words.back(), help.substr(0, help.find('\n')));
    commands_[app] = &command;
    app->require_subcommand(command.example == nullptr ? 1 : 0, 1);
    app->footer(command.example == nullptr
                    ? std::string{"\n`regroup help "} + command.path + " SUBCOMMAND` shows more."
                    : after_first_line(help) + "\nExample:\n  " + command.example + "\n\n" +
                          kAboutSettings);
    if (command.argument != nullptr)
      app->add_option(command.argument)->required()->description(command.about_argument);
    for (const Flag& flag : flags_of(command)) {
      if (flag.value == nullptr) {
        app->add_flag(flag.name)->description(flag.help);
        continue;
      }
      auto* option = app->add_option(flag.name)->expected(1)->required(flag.required);
      option->description(flag.help)->option_text(std::string{flag.value} +
                                                  (flag.required ? " (required)" : ""));
    }
  }

  static std::string after_first_line(const std::string& text) {
    const auto end = text.find('\n');
    return end == std::string::npos ? "" : text.substr(end) + "\n";
  }

  /// The subcommand as far as it was understood.
  CLI::App* chosen() {
    CLI::App* app = &root_;
    while (!app->get_subcommands().empty())
      app = app->get_subcommands().front();
    return app;
  }

  /// Nothing if it only has subcommands.
  const Command* command_of(const CLI::App& app) const {
    const auto found = commands_.find(&app);
    return found == commands_.end() || found->second->example == nullptr ? nullptr : found->second;
  }

  std::string name_of(const CLI::App& app) const {
    const auto found = commands_.find(&app);
    return found == commands_.end() ? "regroup" : "regroup " + std::string{found->second->path};
  }

  std::string where_help() { return " (" + name_of(*chosen()) + " --help)"; }

  static std::vector<std::string> names_of_children(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* child : app.get_subcommands({}))
      names.push_back(child->get_name());
    return names;
  }

  static std::string children_of(const CLI::App& app) {
    std::string text;
    const auto names = names_of_children(app);
    for (std::size_t i = 0; i < names.size(); ++i)
      text += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
    return text;
  }

  std::vector<std::string> flags_of_chosen() {
    std::vector<std::string> names{"--help", "--version", "-h", "-V"};
    for (CLI::App* app = chosen(); app != nullptr; app = app->get_parent())
      for (const auto* option : app->get_options({}))
        for (const auto& name : option->get_lnames())
          names.push_back("--" + name);
    return names;
  }

  /// What is not known: the first flag or word that no option and no subcommand takes.
  [[noreturn]] void refuse_rest() {
    const std::string first = root_.remaining(true).front();
    if (first.starts_with('-')) {
      const std::string flag = first.substr(0, first.find('='));
      if (const auto owner = owner_of(flag))
        throw UsageError(name_of(*chosen()) + ": it takes no " + flag + ", as `regroup " + *owner +
                         "` does" + where_help());
      throw UsageError(name_of(*chosen()) + ": no such flag: " + flag +
                       proposed(nearest(flag, flags_of_chosen())) + where_help());
    }
    const auto names = names_of_children(*chosen());
    if (!names.empty())
      throw UsageError(name_of(*chosen()) + ": no such subcommand: " + first +
                       proposed(nearest(first, names)) + where_help());
    // Not repeated: it may be part of a secret with a blank.
    throw UsageError(name_of(*chosen()) + ": a word too many" +
                     (first.ends_with(".toml") ? "; a file of settings is --config FILE" : "") +
                     where_help());
  }

  static std::string proposed(const std::optional<std::string>& name) {
    return name ? "; did you mean " + *name + "?" : std::string{};
  }

  /// The subcommand that has this flag.
  static std::optional<std::string> owner_of(const std::string& flag) {
    for (const Command& command : kCommands)
      for (const Flag& each : flags_of(command))
        if (flag == each.name)
          return command.path;
    return std::nullopt;
  }

  CommandLine line() {
    CommandLine parsed;
    CLI::App& app = *chosen();
    const Command& command = *commands_.at(&app);
    parsed.words = split(command.path);
    for (const CLI::Option* option : app.get_options({})) {
      if (option->count() == 0)
        continue;
      if (option->get_positional())
        parsed.words.push_back(option->results().front());
      else
        parsed.options.emplace_back("--" + option->get_lnames().front(), option->results().front());
    }
    for (const CLI::Option* option : root_.get_options({}))
      for (const auto& value : option->results()) {
        if (option->get_lnames().front() == "config")
          parsed.config_file = value;
        else
          parsed.settings.push_back("--" + option->get_lnames().front() + "=" + value);
      }
    refuse_other_words(command, parsed.words.back());
    if (parsed.words.front() == "version")
      parsed.text = kVersion;
    return parsed;
  }

  void refuse_other_words(const Command& command, const std::string& word) {
    if (command.arguments.front() == nullptr)
      return;
    const std::vector<std::string> known{command.arguments.begin(), command.arguments.end()};
    if (std::find(known.begin(), known.end(), word) == known.end())
      throw UsageError(name_of(*chosen()) + ": " + command.argument + " is " +
                       command.about_argument + where_help());
  }

  /// CLI11's text, with headings and without lines that are empty twice.
  static std::string with_headings(const std::string& text) {
    const bool on = takes_colours(STDOUT_FILENO);
    std::istringstream lines{text};
    std::string result, last;
    for (std::string line; std::getline(lines, line); last = line) {
      if (line.empty() && last.empty())
        continue;
      if (line.starts_with("Usage: "))
        line = "\n" + painted("Usage:", Colour::bold, on) + line.substr(6);
      const bool heading = !line.empty() && line.front() != ' ' && line.back() == ':';
      result += (heading ? painted(line, Colour::bold, on) : line) + "\n";
    }
    return result;
  }

  CLI::App root_{kAbout, "regroup"};
  std::map<const CLI::App*, const Command*> commands_;
};

bool takes_none(std::string_view flag) {
  for (const Command& command : kCommands)
    for (const Flag& each : flags_of(command))
      if (each.value == nullptr && flag == each.name)
        return true;
  return flag == "--help" || flag == "--version";
}

/// Makes `--flag=value` two words, so that an empty value is one, and refuses a flag without its
/// value.
std::vector<std::string> normalised(const std::vector<std::string>& arguments) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    const auto equals = word.find('=');
    const std::string flag = word.substr(0, equals);
    if (equals != std::string::npos && takes_none(flag))
      throw UsageError("regroup: " + flag + " takes no value");
    if (!takes_value(flag)) {
      words.push_back(word);
      continue;
    }
    words.push_back(flag);
    if (equals != std::string::npos) {
      words.push_back(word.substr(equals + 1));
    } else {
      if (i + 1 == arguments.size() || arguments[i + 1].starts_with("--"))
        throw UsageError("regroup: " + flag + " needs a value");
      words.push_back(arguments[++i]);
    }
  }
  return words;
}

/// Every setting with its type, default and meaning: a line each for a program that reads them, and
/// broken into lines for a terminal.
std::string settings_text() {
  if (isatty(STDOUT_FILENO) == 0)
    return config::help_text();
  const bool on = takes_colours(STDOUT_FILENO);
  const config::Settings built_in;
  std::string text;
  for (const auto& key : config::keys()) {
    const std::string value = key.print(built_in);
    text += "  " + painted("--" + std::string{key.name}, Colour::bold, on) + "  " + key.type() +
            (value.empty() ? "" : "; " + value) + "\n";
    text += wrapped(key.help, columns_of(STDOUT_FILENO), 6);
  }
  return text;
}

} // namespace

bool CommandLine::has(const std::string& flag) const {
  return std::any_of(options.begin(), options.end(),
                     [&](const auto& option) { return option.first == flag; });
}

std::string CommandLine::value_of(const std::string& flag) const {
  for (const auto& [name, value] : options)
    if (name == flag && !value.empty())
      return value;
  throw UsageError(flag + " needs a value");
}

std::string CommandLine::value_of(const std::string& flag, const std::string& otherwise) const {
  return has(flag) ? value_of(flag) : otherwise;
}

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  auto words = normalised(arguments);
  if (!words.empty() && words.front() == "help") { // `help schema apply`: `schema apply --help`
    words.erase(words.begin());
    if (words == std::vector<std::string>{"settings"})
      return {.text = settings_text()};
    words.emplace_back("--help");
  }
  return Program{}.parse(std::move(words));
}

std::string usage_text() { return Program{}.help(); }

std::vector<CommandWords> command_words() {
  std::vector<CommandWords> all{{{}, kAbout, {"help"}, {}}};
  for (const Command& command : kCommands) {
    CommandWords& own = all.emplace_back();
    own.path = split(command.path);
    const std::string_view help{command.help};
    own.help = help.substr(0, help.find('\n'));
    for (const char* word : command.arguments)
      if (word != nullptr)
        own.words.emplace_back(word);
    for (const Flag& flag : flags_of(command))
      own.flags.push_back({flag.name, flag.help, flag.value != nullptr});
  }
  for (std::size_t i = 1; i < all.size(); ++i) {
    auto parent = all[i].path;
    const std::string word = parent.back();
    parent.pop_back();
    for (auto& each : all)
      if (each.path == parent)
        each.words.push_back(word);
  }
  return all;
}

} // namespace regroup::app
