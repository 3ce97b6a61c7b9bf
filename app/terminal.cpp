#include "app/terminal.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <unistd.h>

namespace regroup::app {
namespace {

std::string_view variable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet, and it changes no variable
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : std::string_view{value};
}

const char* code_of(Colour colour) {
  switch (colour) {
  case Colour::bold:
    return "1";
  case Colour::red:
    return "31";
  case Colour::yellow:
    return "33";
  case Colour::green:
    return "32";
  case Colour::dim:
    return "2";
  }
  return "0";
}

} // namespace

bool takes_colours(int descriptor) {
  return isatty(descriptor) == 1 && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
}

std::size_t columns_of(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 80;
  return std::clamp<std::size_t>(size.ws_col, 40, 120);
}

std::string painted(std::string_view text, Colour colour, bool on) {
  if (!on)
    return std::string{text};
  return "\033[" + std::string{code_of(colour)} + "m" + std::string{text} + "\033[0m";
}

std::string painted_severity(const std::string& severity, bool on) {
  std::string padded = severity;
  padded.resize(std::max<std::size_t>(8, severity.size()), ' ');
  const Colour colour = severity == "error"     ? Colour::red
                        : severity == "warning" ? Colour::yellow
                        : severity == "ok"      ? Colour::green
                                                : Colour::dim;
  return painted(padded, colour, on);
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::istringstream words{std::string{text}};
  std::string lines, line;
  for (std::string word; words >> word;) {
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) {
      lines += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return lines + std::string(indent, ' ') + line + "\n";
}

bool says_yes(const std::string& question) {
  if (isatty(STDIN_FILENO) == 0)
    return false;
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

} // namespace regroup::app
