#pragma once
#include "db/embedded/child_process.hpp"
#include "db/file_descriptor.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace regroup::test {

/// A program under test. It ends with this object and, by the kernel's hand, with the thread that
/// made this object.
class Process {
public:
  using Environment = std::map<std::string, std::string>;

  /// `program`: a path, or a name to be found on the PATH or where Debian puts daemons. It gets the
  /// environment of this process without any `REGROUP_…` (an unknown one stops Regroup's start),
  /// and `environment` on top. Throws std::runtime_error when it cannot be started.
  Process(const std::string& program, const std::vector<std::string>& arguments,
          const Environment& environment = {});

  pid_t pid() const { return child_->pid(); }
  void signal(int number) { child_->signal(number); }

  /// The exit status once it has ended (128 and the signal's number when a signal ended it, as a
  /// shell says it), nothing when it runs on after `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit);

  /// What it has written so far.
  std::string output() const;
  std::string errors() const;

  /// Waits for a line, of either, that the expression is found in: what its first group matched, or
  /// the whole match where it has none; nothing when there is no such line within `limit` or at
  /// its end.
  std::optional<std::string> wait_for_output(const std::string& expression,
                                             std::chrono::milliseconds limit);

private:
  db::FileDescriptor output_, errors_; // files without a name
  std::optional<db::ChildProcess> child_;
};

/// The program's path; throws std::runtime_error where there is none.
std::filesystem::path find_program(const std::string& name);

/// SIGSTOP to any process, and waits until it has stopped, or has ended.
void stop_process(pid_t pid);

/// A loopback TCP port that nobody listens on, another one at each call.
unsigned free_port();

} // namespace regroup::test
