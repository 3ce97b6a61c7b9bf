#pragma once
#include <span>
#include <string_view>

namespace regroup::http {

/// A file of the console (folder console/), built into the binary.
struct ConsoleAsset {
  std::string_view name; // below /admin/; empty: the page itself. Other names contain a hash
  const char* content_type;
  std::string_view text;
};

/// The page comes first. console/build.mjs generates the definition.
std::span<const ConsoleAsset> console_assets();

} // namespace regroup::http
