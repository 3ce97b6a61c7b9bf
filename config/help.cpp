#include "config/loader.hpp"

#include <algorithm>

namespace regroup::config {

std::string help_text() {
  const Settings built_in;
  std::size_t flag_width = 0;
  std::size_t value_width = 0;
  for (const Key& key : keys()) {
    flag_width = std::max(flag_width, key.name.size());
    value_width = std::max(value_width, key.print(built_in).size());
  }
  std::string text;
  for (const Key& key : keys()) {
    const std::string value = key.print(built_in);
    text.append("  --").append(key.name).append(flag_width - key.name.size() + 2, ' ');
    text.append(value).append(value_width - value.size() + 2, ' ').append(key.help).append("\n");
  }
  return text;
}

std::string markdown_table() {
  const Settings built_in;
  std::string table = "| key | default | meaning |\n|---|---|---|\n";
  for (const Key& key : keys()) {
    const std::string value = key.print(built_in);
    table.append("| `").append(key.name).append("` | ");
    table.append(value.empty() ? "" : "`" + value + "` ").append("| ");
    table.append(key.help).append(" |\n");
  }
  return table;
}

} // namespace regroup::config
