#include "tests/service/chaos/network.hpp"

#include "tests/support/eventually.hpp"

#include <cerrno>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;

std::string net_of(pid_t pid) { return "/proc/" + std::to_string(pid) + "/ns/net"; }

db::FileDescriptor open_namespace(const std::string& path) {
  db::FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file)
    throw std::system_error{errno, std::generic_category(), "cannot open " + path};
  return file;
}

void enter(const db::FileDescriptor& file) {
  if (::setns(file.get(), CLONE_NEWNET) != 0)
    throw std::system_error{errno, std::generic_category(), "cannot enter a network namespace"};
}

/// `ip` with these words, in the namespace that the calling thread is in.
void ip(const std::string& words) {
  std::istringstream stream{words};
  std::vector<std::string> arguments;
  for (std::string word; stream >> word;)
    arguments.push_back(word);
  test::Process program{"ip", arguments};
  if (program.wait(10s) != 0)
    throw std::runtime_error{"ip " + words + ": " + program.errors()};
}

std::string cable(std::size_t index) { return "cable" + std::to_string(index); }

std::string address(std::size_t index, int end) {
  return "10.213." + std::to_string(index) + "." + std::to_string(end);
}

} // namespace

Namespace::Namespace() : holder_{"unshare", {"--net", "--", "sleep", "infinity"}} {
  namespace fs = std::filesystem;
  const auto home = fs::read_symlink("/proc/self/ns/net");
  bool ended = false;
  test::eventually([&] {
    ended = holder_.wait(0ms).has_value();
    return ended || fs::read_symlink(net_of(holder_.pid())) != home;
  });
  if (ended)
    throw std::runtime_error{"network namespaces are not permitted here, and this fault cannot be "
                             "shown without them (run as root): " +
                             holder_.errors()};
  file_ = open_namespace(net_of(holder_.pid()));
  const Inside inside{this};
  ip("link set lo up");
}

Namespace::Inside::Inside(const Namespace* where) {
  if (!where)
    return;
  home_ = open_namespace("/proc/thread-self/ns/net");
  enter(where->file_);
}

Namespace::Inside::~Inside() {
  if (home_ && ::setns(home_.get(), CLONE_NEWNET) != 0)
    std::terminate(); // what this thread did from here on would be done in the wrong place
}

Network::Network(std::size_t replicas) {
  for (std::size_t index = 0; index < replicas; ++index) {
    const auto& there = *replicas_.emplace_back(std::make_unique<Namespace>());
    {
      const Namespace::Inside inside{&database_};
      ip("link add " + cable(index) + " type veth peer name " + cable(index) + " netns " +
         std::to_string(there.pid()));
      ip("addr add " + address(index, 1) + "/30 dev " + cable(index));
      ip("link set " + cable(index) + " up");
    }
    const Namespace::Inside inside{&there};
    ip("addr add " + address(index, 2) + "/30 dev " + cable(index));
    ip("link set " + cable(index) + " up");
  }
}

std::string Network::database_address(std::size_t index) { return address(index, 1); }

std::string Network::all_addresses() { return "10.213.0.0/16"; }

void Network::cut(std::size_t index) {
  const Namespace::Inside inside{&database_};
  ip("link set " + cable(index) + " down");
}

void Network::mend(std::size_t index) {
  const Namespace::Inside inside{&database_};
  ip("link set " + cable(index) + " up");
}

} // namespace regroup::chaos
