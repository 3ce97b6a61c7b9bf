#include "db/embedded/postgres_folder.hpp"

#include "db/file_descriptor.hpp"

#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <unistd.h>

namespace regroup::db {
namespace {

namespace fs = std::filesystem;

/// FNV-1a: stable between builds and machines, which std::hash is not.
std::string stable_name(const std::string& text) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char byte : text)
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  std::ostringstream name;
  name << std::hex << hash;
  return name.str();
}

[[noreturn]] void refuse(const fs::path& folder) {
  throw std::runtime_error{"cannot use " + folder.string() + " as a folder: " + errno_text()};
}

/// By descriptor and without following links, so that as root we chown what we opened.
struct stat open_folder(const fs::path& folder, const std::optional<Account>& owner) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    throw std::runtime_error{"cannot make the folder " + folder.string() + ": " + errno_text()};
  const FileDescriptor opened{::open(folder.c_str(), O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  struct stat status {};
  if (!opened)
    refuse(folder);
  // In this order: a process that fills the folder at the same time has changed its owner before.
  std::error_code why;
  const bool empty = fs::is_empty(folder, why);
  if (::fstat(opened.get(), &status) != 0)
    refuse(folder);
  if (owner && empty && !why && status.st_uid == ::geteuid() &&
      (::fchown(opened.get(), owner->uid, owner->gid) != 0 || ::fstat(opened.get(), &status) != 0))
    refuse(folder);
  return status;
}

} // namespace

void make_folder(const fs::path& folder, const std::optional<Account>& owner) {
  open_folder(folder, owner);
}

void make_private_folder(const fs::path& folder, const std::optional<Account>& owner) {
  const auto status = open_folder(folder, owner);
  const uid_t uid = owner ? owner->uid : ::geteuid();
  if (status.st_uid != uid)
    throw std::runtime_error{"the folder " + folder.string() + " belongs to user id " +
                             std::to_string(status.st_uid) + ", not " + std::to_string(uid) +
                             ": start Regroup as the user that made it, or name another folder"};
  if ((status.st_mode & 077) != 0)
    throw std::runtime_error{"the folder " + folder.string() +
                             " is open to other users: chmod it to 0700"};
}

fs::path socket_folder(const fs::path& directory, const std::string& port) {
  auto folder = directory / "socket";
  const auto socket = folder.string() + "/.s.PGSQL." + port;
  if (socket.size() < sizeof(sockaddr_un::sun_path) && socket.find_first_of(",\"") == socket.npos)
    return folder;
  return fs::temp_directory_path() / ("regroup-" + stable_name(directory.string()));
}

std::optional<RunningServer> running_server(const fs::path& data) {
  std::ifstream file{data / "postmaster.pid"};
  // pid, data folder, start time, port, socket folder, ... (PostgreSQL's pidfile.h)
  std::string number, skipped, socket;
  std::getline(file, number);
  for (int line = 2; line <= 4; ++line)
    std::getline(file, skipped);
  std::getline(file, socket);
  RunningServer server{static_cast<pid_t>(std::strtol(number.c_str(), nullptr, 10)), socket};
  if (server.pid <= 0)
    return std::nullopt;
  const auto process = fs::path{"/proc"} / std::to_string(server.pid);
  std::string program;
  std::getline(std::ifstream{process / "comm"}, program);
  std::error_code gone;
  if (program != "postgres" || !fs::equivalent(process / "cwd", data, gone))
    return std::nullopt;
  return server;
}

std::string log_since(const fs::path& log, std::uintmax_t since) {
  std::ifstream file{log};
  file.seekg(static_cast<std::streamoff>(since));
  return {std::istreambuf_iterator<char>{file}, {}};
}

std::string last_complaint(const std::string& log) {
  std::istringstream lines{log};
  std::string complaint, last;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("FATAL:") != line.npos || line.find("PANIC:") != line.npos)
      complaint = line;
    if (!line.empty())
      last = line;
  }
  return complaint.empty() ? last : complaint;
}

} // namespace regroup::db
