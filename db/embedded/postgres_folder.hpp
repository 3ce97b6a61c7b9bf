#pragma once
#include "db/embedded/child_process.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace regroup::db {

/// Creates the folder with mode 0700, for the account (if none is given: this process's user). If
/// it is empty and owned by this process's user, it is given to the account: an earlier start may
/// have been cut short, or another may be under way. Any other folder is left as it is. Throws
/// std::runtime_error with one line.
void make_folder(const std::filesystem::path& folder, const std::optional<Account>& owner);

/// The same, and checks that the folder belongs to that user and is open to no other. Throws
/// std::runtime_error with one line that says what to do.
void make_private_folder(const std::filesystem::path& folder, const std::optional<Account>& owner);

/// Where the server puts its socket: `socket` in the server's folder. If that is impossible (a
/// socket's path has at most 107 bytes, and libpq reads a comma as a list of hosts), a folder under
/// the system's temporary one, whose name is derived from the server's folder so that it can be
/// found again.
std::filesystem::path socket_folder(const std::filesystem::path& directory,
                                    const std::string& port);

/// The server that is running on the data folder, found by its `postmaster.pid` and checked to be a
/// postgres whose working folder this is: the pid alone may be any other process by now.
struct RunningServer {
  pid_t pid;
  std::filesystem::path socket;
};
std::optional<RunningServer> running_server(const std::filesystem::path& data);

/// The server's log from byte `since` on.
std::string log_since(const std::filesystem::path& log, std::uintmax_t since);

/// The log line that says what went wrong: the last FATAL or PANIC, or else the last line; empty if
/// there is none.
std::string last_complaint(const std::string& log);

} // namespace regroup::db
