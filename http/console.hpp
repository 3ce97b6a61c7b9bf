#pragma once
#include <span>
#include <string_view>

namespace regroup::http {

/// A file of the console (the folder console/), built into the binary.
struct ConsoleAsset {
  std::string_view name; // below /admin/; empty: the page itself. All others have a hash in it
  const char* content_type;
  std::string_view text;
};

/// The page first. The definition is made by console/build.mjs.
std::span<const ConsoleAsset> console_assets();

} // namespace regroup::http
