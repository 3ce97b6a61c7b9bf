#pragma once
#include <span>
#include <string_view>

namespace regroup::http {

/// A file of the console or of the page of the API (folder console/), built into the binary.
struct PageAsset {
  std::string_view
      name; // below /admin/ or /docs/; empty: the page itself. Other names contain a hash
  const char* content_type;
  std::string_view text;
};

/// The page comes first. console/build.mjs generates the definition.
std::span<const PageAsset> console_assets();
std::span<const PageAsset> docs_assets();

} // namespace regroup::http
