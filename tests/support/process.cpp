#include "tests/support/process.hpp"

#include "tests/support/eventually.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <unistd.h>

namespace regroup::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

db::FileDescriptor nameless_file() {
  auto name = (fs::temp_directory_path() / "regroup-test-output-XXXXXX").string();
  const int fd = ::mkstemp(name.data());
  if (fd < 0)
    throw std::runtime_error{"cannot make " + name};
  ::unlink(name.c_str());
  return db::FileDescriptor{fd};
}

/// Leaves the offset alone, which the child shares.
std::string contents(const db::FileDescriptor& file) {
  std::string text;
  std::array<char, 65536> chunk{};
  for (;;) {
    const auto got =
        ::pread(file.get(), chunk.data(), chunk.size(), static_cast<off_t>(text.size()));
    if (got <= 0)
      return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

std::vector<std::string> environment_with(const Process::Environment& more) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text{*entry};
    const std::string name{text.substr(0, text.find('='))};
    if (!text.starts_with("REGROUP_") && !more.contains(name))
      result.emplace_back(text);
  }
  for (const auto& [name, value] : more)
    result.push_back(name + "=" + value);
  return result;
}

/// Line by line: std::regex takes stack for the length of what it searches.
std::optional<std::string> find_line(const std::string& text, const std::regex& expression) {
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_search(line, match, expression))
      return match.size() > 1 ? match[1].str() : match[0].str();
  }
  return std::nullopt;
}

bool can_listen(unsigned port) {
  const db::FileDescriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const int yes = 1; // as servers do: a connection that is still closing is no obstacle
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         ::listen(socket.get(), 1) == 0;
}

} // namespace

Process::Process(const std::string& program, const std::vector<std::string>& arguments,
                 const Environment& environment)
    : output_{nameless_file()}, errors_{nameless_file()} {
  db::ChildProcess::Options options;
  options.command = {find_program(program)};
  options.command.insert(options.command.end(), arguments.begin(), arguments.end());
  options.environment = environment_with(environment);
  options.output = output_.get();
  options.errors = errors_.get();
  child_.emplace(options);
}

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
  const auto status = child_->wait(limit);
  if (!status)
    return std::nullopt;
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
}

std::string Process::output() const { return contents(output_); }

std::string Process::errors() const { return contents(errors_); }

std::optional<std::string> Process::wait_for_output(const std::string& expression,
                                                    std::chrono::milliseconds limit) {
  const std::regex compiled{expression};
  std::optional<std::string> found;
  eventually(
      [&] {
        const bool ended = child_->wait(0ms).has_value(); // before the look: its last words count
        if (!(found = find_line(output(), compiled)))
          found = find_line(errors(), compiled);
        return found || ended;
      },
      limit);
  return found;
}

fs::path find_program(const std::string& name) {
  if (name.find('/') != name.npos)
    return fs::absolute(name);
  if (const auto found = db::find_on_path(name))
    return *found;
  for (const fs::path folder : {"/usr/local/sbin", "/usr/sbin", "/sbin"})
    if (::access((folder / name).c_str(), X_OK) == 0)
      return folder / name;
  throw std::runtime_error{"the program " + name + " is not installed"};
}

void stop_process(pid_t pid) {
  ::kill(pid, SIGSTOP);
  eventually([&] {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
    std::string text;
    std::getline(file, text);
    // "123 (name with spaces) T 1 ..."
    const auto state = text.rfind(") ");
    return state == text.npos || text.find_first_of("TtZX", state + 2) == state + 2;
  });
}

unsigned free_port() {
  // Below the range that the kernel takes for outgoing connections, and at random, so that test
  // processes beside each other seldom choose the same.
  static std::mt19937 random{std::random_device{}()};
  static std::set<unsigned> given;
  std::uniform_int_distribution<unsigned> ports{20000, 32000};
  for (int attempt = 0; attempt < 1000; ++attempt)
    if (const auto port = ports(random); can_listen(port) && given.insert(port).second)
      return port;
  throw std::runtime_error{"no free TCP port between 20000 and 32000"};
}

} // namespace regroup::test
