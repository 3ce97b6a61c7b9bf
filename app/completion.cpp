// regroup completion: what completes command lines in bash, zsh and fish, made from the list of
// subcommands and the list of settings.
#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "config/loader.hpp"

#include <algorithm>
#include <iostream>
#include <sstream>

namespace regroup::app {
namespace {

/// A flag of every subcommand: a setting, or one of the few others.
struct Common {
  std::string name; // "--http.port"
  std::string help;
  bool takes_value = true;
  bool takes_file = false;
  std::vector<std::string> values{}; // those that it may have, if there are few
};

/// "debug, info, warning, error": the words; nothing for other types.
std::vector<std::string> words_of(const std::string& type) {
  std::vector<std::string> words;
  if (type.find(", ") == std::string::npos)
    return words;
  std::istringstream text{type};
  for (std::string word; text >> word;)
    words.push_back(word.substr(0, word.find(',')));
  return words;
}

std::vector<Common> common_flags() {
  std::vector<Common> flags{{"--help", "print its help", false},
                            {"--config", "a file of settings, in TOML", true, true}};
  for (const auto& key : config::keys()) {
    const std::string type = key.type();
    flags.push_back({"--" + std::string{key.name}, std::string{key.help}, true,
                     type == "file" || type == "folder", words_of(type)});
  }
  return flags;
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (const auto& word : words)
    text += (text.empty() ? "" : between) + word;
  return text;
}

/// " api-key create"; empty for `regroup` itself.
std::string path_of(const CommandWords& command) {
  std::string path;
  for (const auto& word : command.path)
    path += " " + word;
  return path;
}

std::string quoted(const std::string& text, const std::string& for_quote) {
  std::string safe = "'";
  for (const char c : text)
    safe += c == '\'' ? for_quote : std::string{c};
  return safe + "'";
}

std::string in_sh(const std::string& text) { return quoted(text, "'\\''"); }
std::string in_fish(const std::string& text) {
  std::string doubled;
  for (const char c : text)
    doubled += c == '\\' ? "\\\\" : std::string{c};
  return quoted(doubled, "\\'");
}

/// The flags whose value the shell cannot know, as a pattern of `case`.
std::string opaque_flags() {
  std::vector<std::string> names;
  for (const auto& flag : common_flags())
    if (flag.takes_value && !flag.takes_file && flag.values.empty())
      names.push_back(flag.name);
  for (const auto& command : command_words())
    for (const auto& flag : command.flags)
      if (flag.takes_value && std::find(names.begin(), names.end(), flag.name) == names.end())
        names.push_back(flag.name);
  return joined(names, " | ");
}

std::string file_flags() {
  std::vector<std::string> names;
  for (const auto& flag : common_flags())
    if (flag.takes_file)
      names.push_back(flag.name);
  return joined(names, " | ");
}

/// The pattern of `case` that knows every subcommand by the words up to it.
std::string known_paths() {
  std::vector<std::string> paths;
  for (const auto& command : command_words())
    if (!command.path.empty())
      paths.push_back(in_sh(path_of(command)));
  return joined(paths, " | ");
}

void print_bash(std::ostream& out) {
  out << R"sh(# Completes the command lines of regroup in bash: made by `regroup completion bash`.
_regroup() {
  local word=${COMP_WORDS[COMP_CWORD]} path='' words='' flags='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path ${COMP_WORDS[i]}" in
    )sh"
      << known_paths() << R"sh() path="$path ${COMP_WORDS[i]}" ;;
    esac
  done
  case ${COMP_WORDS[COMP_CWORD - 1]} in
  )sh" << file_flags()
      << R"sh()
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
    return
    ;;
)sh";
  for (const auto& flag : common_flags())
    if (!flag.values.empty())
      out << "  " << flag.name << ")\n    mapfile -t COMPREPLY < <(compgen -W '"
          << joined(flag.values, " ") << "' -- \"$word\")\n    return\n    ;;\n";
  out << "  " << opaque_flags() << ")\n    COMPREPLY=()\n    return\n    ;;\n  esac\n";
  out << "  case $path in\n";
  for (const auto& command : command_words()) {
    std::vector<std::string> flags;
    for (const auto& flag : command.flags)
      flags.push_back(flag.name);
    out << "  " << in_sh(path_of(command)) << ") words='" << joined(command.words, " ")
        << "' flags='" << joined(flags, " ") << "' ;;\n";
  }
  std::vector<std::string> all;
  for (const auto& flag : common_flags())
    all.push_back(flag.name);
  out << "  esac\n  [[ $word == -* ]] && words=\"$flags " << joined(all, " ") << "\"\n"
      << R"sh(  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _regroup regroup
)sh";
}

/// `name:description`, as zsh's _describe takes it.
std::string described(const std::string& name, const std::string& help) {
  return in_sh(name + ":" + help);
}

void print_zsh(std::ostream& out) {
  out << R"sh(#compdef regroup
# Completes the command lines of regroup in zsh: made by `regroup completion zsh`.
_regroup() {
  local so_far='' i
  local -a choices
  for ((i = 2; i < CURRENT; i++)); do
    case "$so_far ${words[i]}" in
    )sh"
      << known_paths() << R"sh() so_far="$so_far ${words[i]}" ;;
    esac
  done
  case ${words[CURRENT - 1]} in
  )sh" << file_flags()
      << ") _files; return ;;\n";
  for (const auto& flag : common_flags())
    if (!flag.values.empty())
      out << "  " << flag.name << ") compadd -- " << joined(flag.values, " ") << "; return ;;\n";
  out << "  " << opaque_flags() << ") return ;;\n  esac\n";
  out << "  if [[ $PREFIX == -* ]]; then\n    choices=(\n";
  for (const auto& flag : common_flags())
    out << "      " << described(flag.name, flag.help) << "\n";
  out << "    )\n    case $so_far in\n";
  for (const auto& command : command_words()) {
    out << "    " << in_sh(path_of(command)) << ") choices+=(";
    for (const auto& flag : command.flags)
      out << described(flag.name, flag.help) << " ";
    out << ") ;;\n";
  }
  out << "    esac\n    _describe -o flag choices\n    return\n  fi\n  case $so_far in\n";
  const auto all = command_words();
  for (const auto& command : all) {
    out << "  " << in_sh(path_of(command)) << ") choices=(";
    for (const auto& word : command.words) {
      auto path = command.path;
      path.push_back(word);
      const auto child =
          std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.path == path; });
      out << described(word, child == all.end() ? "" : child->help) << " ";
    }
    out << ") ;;\n";
  }
  out << R"sh(  esac
  _describe subcommand choices
}
_regroup "$@"
)sh";
}

void print_fish(std::ostream& out) {
  out << R"sh(# Completes the command lines of regroup in fish: made by `regroup completion fish`.
function __regroup_at
    set -l so_far ''
    for word in (commandline -opc)[2..-1]
        if contains -- "$so_far $word" )sh";
  const auto all = command_words();
  for (const auto& command : all)
    if (!command.path.empty())
      out << in_fish(path_of(command)) << " ";
  out << R"sh(
            set so_far "$so_far $word"
        end
    end
    test "$so_far" = "$argv[1]"
end
complete -c regroup -f
)sh";
  for (const auto& command : all) {
    const std::string here = "complete -c regroup -n \"__regroup_at '" + path_of(command) + "'\"";
    for (const auto& word : command.words) {
      auto path = command.path;
      path.push_back(word);
      const auto child =
          std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.path == path; });
      out << here << " -a " << word << " -d " << in_fish(child == all.end() ? "" : child->help)
          << "\n";
    }
    for (const auto& flag : command.flags)
      out << here << " -l " << flag.name.substr(2) << (flag.takes_value ? " -x" : "") << " -d "
          << in_fish(flag.help) << "\n";
  }
  for (const auto& flag : common_flags()) {
    out << "complete -c regroup -l " << flag.name.substr(2);
    if (flag.takes_file)
      out << " -r -F";
    else if (!flag.values.empty())
      out << " -x -a " << in_fish(joined(flag.values, " "));
    else if (flag.takes_value)
      out << " -x";
    out << " -d " << in_fish(flag.help) << "\n";
  }
}

} // namespace

int completion(const CommandLine& line) {
  const std::string& shell = line.words.back();
  if (shell == "bash")
    print_bash(std::cout);
  else if (shell == "zsh")
    print_zsh(std::cout);
  else
    print_fish(std::cout);
  return 0;
}

} // namespace regroup::app
