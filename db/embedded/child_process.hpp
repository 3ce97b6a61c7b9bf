#pragma once
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace regroup::db {

/// A user of this machine, with all groups that a login would give.
struct Account {
  std::string name;
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
};
std::optional<Account> find_account(const std::string& name);

/// Where a shell would find the program; nothing if it would not.
std::optional<std::filesystem::path> find_on_path(const std::string& program);

/// A program that this process starts and remains responsible for. Not thread-safe.
class ChildProcess {
public:
  struct Options {
    std::vector<std::string> command;     // the program's absolute path first
    std::vector<std::string> environment; // "NAME=value"; the child gets only these
    std::optional<Account> account;       // become this user first; needs root
    int output = -1;                      // descriptor for its stdout; -1: /dev/null
    int errors = -1;                      // the same for its stderr
    int death_signal = SIGKILL;           // the kernel sends it when the starting *thread* ends
    bool own_process_group = false;       // so that a Ctrl-C at our terminal does not reach it
  };

  /// Starts the program in the folder `/`, with /dev/null as its stdin and every signal at its
  /// default. Throws std::system_error if it cannot be started, also if exec fails. The calling
  /// thread must live as long as the child: `death_signal` follows that thread.
  explicit ChildProcess(const Options& options);

  /// Kills a child that is still running with SIGKILL and waits for its end.
  ~ChildProcess();

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  /// Does nothing once wait() has seen the end: the pid may be another process by then.
  void signal(int number) const;

  /// The status of waitpid(2) once the child has ended; nothing if it still runs after `timeout`.
  std::optional<int> wait(std::chrono::milliseconds timeout);

private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

/// Everything that a short command writes to its stdout; empty if it cannot be started.
std::string output_of(const std::vector<std::string>& command);

/// The first of `folders` that the user may not enter; nothing if the user may enter all. The
/// kernel decides, in a process of that user, so access lists count. Throws std::system_error.
std::optional<std::filesystem::path>
first_closed_folder(const std::vector<std::filesystem::path>& folders, const Account& account);

} // namespace regroup::db
