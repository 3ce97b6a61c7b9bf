#pragma once
#include "config/loader.hpp"

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// How the tests of the settings load them, and what they hear when that fails.
namespace regroup::test {

using Arguments = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

/// A file that is gone when its test is over.
class TempFile {
public:
  explicit TempFile(const std::string& text);
  ~TempFile() { std::filesystem::remove(path_); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  const std::string& path() const { return path_; }

private:
  std::string path_ = std::filesystem::temp_directory_path() / "regroup-settings-XXXXXX";
};

config::Loaded load_from(const std::optional<std::string>& file, const Variables& variables,
                         const Arguments& flags);
config::Loaded load_toml(const std::string& text, const Variables& variables = {},
                         const Arguments& flags = {});
config::Settings with_flags(const Arguments& flags);

// The one line that stops the start, or "no error".
std::string file_error(const std::string& path);
std::string flags_error(const Arguments& flags);
std::string variables_error(const Variables& variables);
/// Without the file's path: "FILE:2: ...".
std::string toml_error(const std::string& text);

std::size_t index_of(std::string_view name);
std::string printed(std::string_view name, const config::Settings& settings);

} // namespace regroup::test
