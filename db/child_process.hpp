#pragma once
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace regroup::db {

/// A user of this machine, with all the groups that a login would give.
struct Account {
  std::string name;
  uid_t uid;
  gid_t gid;
  std::vector<gid_t> groups;
};
std::optional<Account> find_account(const std::string& name);

/// Where a shell would find the program, if anywhere.
std::optional<std::filesystem::path> find_on_path(const std::string& program);

/// A program that this process starts and stays responsible for. Not to be shared by threads.
class ChildProcess {
public:
  struct Options {
    std::vector<std::string> command;     // the program's absolute path first
    std::vector<std::string> environment; // "NAME=value"; the child gets these alone
    std::optional<Account> account;       // become this user first; needs root
    int output = -1;                      // descriptor for its stdout; -1: /dev/null
    int errors = -1;                      // the same for its stderr
    int death_signal = SIGKILL;           // the kernel sends it when the starting *thread* ends
    bool own_process_group = false;       // out of reach of a Ctrl-C at our terminal
  };

  /// Starts it in the folder `/`, with /dev/null as its stdin and every signal at its default.
  /// Throws std::system_error when it cannot be started, also when the program cannot be executed.
  /// The thread that calls this must live as long as the child: `death_signal` follows it.
  explicit ChildProcess(const Options& options);

  /// SIGKILL, and the end is waited for, unless it has ended.
  ~ChildProcess();

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  /// Does nothing once wait() has seen the end: the number may be another process by then.
  void signal(int number) const;

  /// The status of waitpid(2) once the child has ended, nothing when it runs on after `timeout`.
  std::optional<int> wait(std::chrono::milliseconds timeout);

private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

/// Everything that a short command writes to its stdout; empty when it cannot be started.
std::string output_of(const std::vector<std::string>& command);

/// The first of `folders` that the user may not pass through; nothing when all let it pass.
/// It is the kernel that is asked, as that user, so access lists count. Throws std::system_error.
std::optional<std::filesystem::path>
first_closed_folder(const std::vector<std::filesystem::path>& folders, const Account& account);

} // namespace regroup::db
