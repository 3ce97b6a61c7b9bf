#pragma once
#include <filesystem>
#include <string>

namespace regroup::app {

/// The first line of the file `name` in the folder. If there is none, `fresh`, which is written
/// there first, readable by this process's user alone. Processes that start together all get the
/// same secret.
///
/// The folder may belong to another user (the embedded PostgreSQL's, when Regroup runs as root), so
/// nothing in it is trusted: links are not followed, and anything but a plain file that belongs to
/// this process's user and is closed to all others is refused. Throws std::runtime_error with one
/// line.
std::string secret_in(const std::filesystem::path& folder, const std::string& name,
                      const std::string& fresh);

} // namespace regroup::app
