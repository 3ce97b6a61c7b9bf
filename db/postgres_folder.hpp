#pragma once
#include "db/child_process.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace regroup::db {

/// Makes the folder, mode 0700, for the account (nobody given: this process's user). An empty one
/// that this process's user made before is given to the account: a start may have been cut short,
/// or go on beside this one. Any other is left as it is. Throws std::runtime_error with one line.
void make_folder(const std::filesystem::path& folder, const std::optional<Account>& owner);

/// The same, and checks that the folder is that user's own and open to nobody else. Throws
/// std::runtime_error with one line that says what to do.
void make_private_folder(const std::filesystem::path& folder, const std::optional<Account>& owner);

/// Where the server puts its socket: `socket` in the server's folder. Where that cannot be (a
/// socket's path has at most 107 bytes, and libpq reads a comma as a list of hosts), a folder under
/// the system's temporary one, whose name follows from the server's folder, so that it is found
/// again.
std::filesystem::path socket_folder(const std::filesystem::path& directory,
                                    const std::string& port);

/// The server that runs on the data folder, by its `postmaster.pid`, checked to be a postgres whose
/// working folder this is: the number alone may have become any other process.
struct RunningServer {
  pid_t pid;
  std::filesystem::path socket;
};
std::optional<RunningServer> running_server(const std::filesystem::path& data);

/// What a server's log has from byte `since` on.
std::string log_since(const std::filesystem::path& log, std::uintmax_t since);

/// The line of it that says what went wrong: the last FATAL or PANIC one, else the last; empty
/// where there is none.
std::string last_complaint(const std::string& log);

} // namespace regroup::db
