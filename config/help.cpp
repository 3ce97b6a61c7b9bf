#include "config/loader.hpp"

#include <algorithm>

namespace regroup::config {
namespace {

/// The width of a column: the longest text that `text_of` gives for a key, plus two blanks.
template <class TextOf> std::size_t column(TextOf text_of) {
  std::size_t width = 0;
  for (const Key& key : keys())
    width = std::max(width, std::string{text_of(key)}.size());
  return width + 2;
}

std::string padded(std::string text, std::size_t width) {
  text.resize(std::max(text.size(), width), ' ');
  return text;
}

/// Quotes the value as a TOML basic string. No value holds a control character.
std::string quoted(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\')
      text += '\\';
    text += c;
  }
  return text + '"';
}

std::string assignment(const Key& key, const Settings& settings) {
  const std::string value = key.print(settings);
  return std::string{key.name} + " = " + (key.quoted ? quoted(value) : value);
}

} // namespace

std::string help_text() {
  const Settings built_in;
  const auto names = column([](const Key& key) { return key.name; });
  const auto types = column([](const Key& key) { return key.type(); });
  const auto values = column([&](const Key& key) { return key.print(built_in); });
  std::string text;
  for (const Key& key : keys()) {
    text.append("  --").append(padded(std::string{key.name}, names));
    text.append(padded(key.type(), types)).append(padded(key.print(built_in), values));
    text.append(key.help).append("\n");
  }
  return text;
}

std::string effective_text(const Loaded& loaded) {
  const auto width = column([&](const Key& key) { return assignment(key, loaded.settings); });
  std::string text;
  for (std::size_t i = 0; i < keys().size(); ++i)
    text.append(padded(assignment(keys()[i], loaded.settings), width))
        .append("# ")
        .append(loaded.origins[i])
        .append("\n");
  return text;
}

std::string markdown_table() {
  const Settings built_in;
  std::string table = "| key | type | default | on SIGHUP | meaning |\n|---|---|---|---|---|\n";
  for (const Key& key : keys()) {
    const std::string value = key.print(built_in);
    table.append("| `").append(key.name).append("` | ").append(key.type()).append(" | ");
    table.append(value.empty() ? "" : "`" + value + "` ").append("| ");
    table.append(key.reloads ? "read anew " : "").append("| ").append(key.help).append(" |\n");
  }
  return table;
}

} // namespace regroup::config
