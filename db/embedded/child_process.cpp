#include "db/embedded/child_process.hpp"

#include "db/file_descriptor.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sstream>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace regroup::db {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

[[noreturn]] void throw_errno(const std::string& what, int number = errno) {
  throw std::system_error{number, std::generic_category(), what};
}

/// A copy above the three standard descriptors, so that dup2 onto them cannot hit another source.
FileDescriptor high_copy(int fd) {
  FileDescriptor copy{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
  if (!copy)
    throw_errno("cannot copy a file descriptor");
  return copy;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const auto& text : texts)
    result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

struct Pipe {
  FileDescriptor read_end, write_end;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw_errno("cannot make a pipe");
  FileDescriptor read_end{ends[0]};
  FileDescriptor write_end{ends[1]};
  return {high_copy(read_end.get()), high_copy(write_end.get())};
}

/// fork with all signals blocked in the child: a handler of ours must not run there.
pid_t quiet_fork() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = ::fork();
  const int why = errno;
  if (child != 0)
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = why;
  return child;
}

// From here to the end of run_child: between fork and exec, a program with threads may make only
// async-signal-safe calls, so nothing here allocates.

void forget_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number)
    ::sigaction(number, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

bool become(const Account& account) {
  return ::setgroups(account.groups.size(), account.groups.data()) == 0 &&
         ::setgid(account.gid) == 0 && ::setuid(account.uid) == 0;
}

struct Prepared {
  const ChildProcess::Options& options;
  std::vector<char*> arguments, environment;
  FileDescriptor input, output, errors;
  pid_t parent;
};

/// Returns only if something failed; errno says what.
void run_child(const Prepared& child) {
  forget_signals();
  if (child.options.own_process_group && ::setpgid(0, 0) != 0)
    return;
  if (child.options.account && !become(*child.options.account))
    return;
  // After setuid, which clears it. The parent may have ended before it was set.
  if (::prctl(PR_SET_PDEATHSIG, child.options.death_signal) != 0)
    return;
  if (::getppid() != child.parent)
    ::_exit(EXIT_FAILURE);
  if (::dup2(child.input.get(), STDIN_FILENO) < 0 ||
      ::dup2(child.output.get(), STDOUT_FILENO) < 0 ||
      ::dup2(child.errors.get(), STDERR_FILENO) < 0 || ::chdir("/") != 0)
    return;
  ::execve(child.arguments.front(), child.arguments.data(), child.environment.data());
}

} // namespace

std::optional<Account> find_account(const std::string& name) {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return std::nullopt;
  int count = 1024;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (::getgrouplist(name.c_str(), entry.pw_gid, groups.data(), &count) < 0)
    return std::nullopt;
  groups.resize(static_cast<std::size_t>(count));
  return Account{name, entry.pw_uid, entry.pw_gid, std::move(groups)};
}

std::optional<fs::path> find_on_path(const std::string& program) {
  const char* path = std::getenv("PATH"); // NOLINT(concurrency-mt-unsafe): Regroup never sets it
  std::istringstream folders{path ? path : ""};
  for (std::string folder; std::getline(folders, folder, ':');) {
    const auto candidate = fs::path{folder} / program;
    if (candidate.is_absolute() && ::access(candidate.c_str(), X_OK) == 0)
      return candidate;
  }
  return std::nullopt;
}

ChildProcess::ChildProcess(const Options& options) {
  const FileDescriptor null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!null)
    throw_errno("cannot open /dev/null");
  const Prepared child{options,
                       pointers(options.command),
                       pointers(options.environment),
                       high_copy(null.get()),
                       high_copy(options.output < 0 ? null.get() : options.output),
                       high_copy(options.errors < 0 ? null.get() : options.errors),
                       ::getpid()};
  auto report = make_pipe(); // a successful exec closes it, otherwise it carries errno
  pid_ = quiet_fork();
  if (pid_ == 0) {
    run_child(child);
    const int why = errno;
    [[maybe_unused]] const auto written = ::write(report.write_end.get(), &why, sizeof why);
    ::_exit(EXIT_FAILURE);
  }
  if (pid_ < 0)
    throw_errno("cannot start " + options.command.front());
  report.write_end.reset();
  int why = 0;
  ssize_t got = 0;
  while ((got = ::read(report.read_end.get(), &why, sizeof why)) < 0 && errno == EINTR) {
  }
  if (got == sizeof why) {
    ::waitpid(pid_, nullptr, 0);
    throw_errno("cannot start " + options.command.front(), why);
  }
}

ChildProcess::~ChildProcess() {
  if (wait(0ms))
    return;
  signal(SIGKILL);
  while (!wait(1s)) {
  }
}

void ChildProcess::signal(int number) const {
  if (!status_)
    ::kill(pid_, number);
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!status_) {
    int status = 0;
    const auto ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_)
      status_ = status;
    else if (ended < 0 && errno != EINTR)
      throw_errno("cannot wait for a child process");
    else if (std::chrono::steady_clock::now() >= deadline)
      return std::nullopt;
    else
      std::this_thread::sleep_for(5ms);
  }
  return status_;
}

std::string output_of(const std::vector<std::string>& command) {
  auto pipe = make_pipe();
  ChildProcess::Options options;
  options.command = command;
  options.output = pipe.write_end.get();
  std::optional<ChildProcess> child;
  try {
    child.emplace(options);
  } catch (const std::system_error&) {
    return {};
  }
  pipe.write_end.reset();
  std::string text;
  std::array<char, 4096> chunk{};
  for (;;) {
    const auto got = ::read(pipe.read_end.get(), chunk.data(), chunk.size());
    if (got > 0)
      text.append(chunk.data(), static_cast<std::size_t>(got));
    else if (got == 0 || errno != EINTR)
      return text;
  }
}

std::optional<fs::path> first_closed_folder(const std::vector<fs::path>& folders,
                                            const Account& account) {
  auto report = make_pipe();
  const pid_t child = quiet_fork();
  if (child < 0)
    throw_errno("cannot ask what the user " + account.name + " may enter");
  if (child == 0) {
    std::size_t open = 0;
    if (!become(account))
      ::_exit(EXIT_FAILURE);
    while (open < folders.size() && ::access(folders[open].c_str(), X_OK) == 0)
      ++open;
    [[maybe_unused]] const auto written = ::write(report.write_end.get(), &open, sizeof open);
    ::_exit(EXIT_SUCCESS);
  }
  report.write_end.reset();
  std::size_t open = 0;
  ssize_t got = 0;
  while ((got = ::read(report.read_end.get(), &open, sizeof open)) < 0 && errno == EINTR) {
  }
  ::waitpid(child, nullptr, 0);
  if (got != sizeof open)
    throw_errno("cannot become the user " + account.name, EPERM);
  return open < folders.size() ? std::optional{folders[open]} : std::nullopt;
}

} // namespace regroup::db
