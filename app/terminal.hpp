#pragma once
#include <string>
#include <string_view>

namespace regroup::app {

/// Whether the output `descriptor` is a terminal that takes colours: none with NO_COLOR, nor with
/// TERM=dumb.
bool takes_colours(int descriptor);

/// The width of the terminal at `descriptor`, at most 120 columns; 80 if it is none.
std::size_t columns_of(int descriptor);

enum class Colour { bold, red, yellow, green, dim };

/// `text` in this colour, or as it is if `on` is false.
std::string painted(std::string_view text, Colour colour, bool on);

/// The colour of a finding: "ok", "note", "warning", "error". `on`: as above.
std::string painted_severity(const std::string& severity, bool on);

/// `text` broken into lines of at most `width` columns, each after `indent` blanks.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

/// Whether the person at the terminal answers yes. False if there is no terminal to ask at.
bool says_yes(const std::string& question);

} // namespace regroup::app
