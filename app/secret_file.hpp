#pragma once
#include <filesystem>
#include <string>

namespace regroup::app {

/// The first line of the file `name` in the folder; where there is none, `fresh`, which is there
/// from now on, readable by this process' user alone. Of several that start together all get the
/// same.
///
/// The folder may belong to another user (the embedded PostgreSQL's, where Regroup runs as root),
/// so that nothing in it is trusted: no link is followed, and what is not a plain file of this
/// process' user, closed to all others, is not used. Throws std::runtime_error with one line.
std::string secret_in(const std::filesystem::path& folder, const std::string& name,
                      const std::string& fresh);

} // namespace regroup::app
