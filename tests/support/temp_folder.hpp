#pragma once
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace regroup::test {

/// A new folder under the system's temporary one, removed with all that is in it at the end.
class TempFolder {
public:
  TempFolder() {
    auto name = (std::filesystem::temp_directory_path() / "regroup-test-XXXXXX").string();
    if (!::mkdtemp(name.data()))
      throw std::system_error{errno, std::generic_category(), "cannot make " + name};
    path_ = name;
    // The server's user must be able to walk through.
    std::filesystem::permissions(path_, std::filesystem::perms{0711});
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

private:
  std::filesystem::path path_;
};

} // namespace regroup::test
