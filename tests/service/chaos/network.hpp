#pragma once
#include "db/file_descriptor.hpp"
#include "tests/support/process.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace regroup::chaos {

/// A network namespace of the kernel: interfaces, addresses and routes of its own. It lives as long
/// as a process that does nothing in it, so that not even a killed harness leaves one behind.
class Namespace {
public:
  /// Throws std::runtime_error where namespaces are not permitted: it takes root (CAP_SYS_ADMIN).
  Namespace();

  /// Moves the calling thread into the namespace, and back at its end. What the thread starts
  /// meanwhile stays inside.
  class Inside {
  public:
    explicit Inside(const Namespace* where); // nullptr: stays where it is
    ~Inside();
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

  private:
    db::FileDescriptor home_;
  };

  pid_t pid() const { return holder_.pid(); }

private:
  test::Process holder_;
  db::FileDescriptor file_;
};

/// A namespace for the database, and one for each replica, with a cable from each to the first.
class Network {
public:
  explicit Network(std::size_t replicas);

  const Namespace& database() const { return database_; }
  const Namespace& replica(std::size_t index) const { return *replicas_.at(index); }

  /// The database's address at the end of that replica's cable.
  static std::string database_address(std::size_t index);
  static std::string all_addresses(); // in the form of pg_hba.conf

  /// Pulls a replica's cable: nothing arrives, and nobody is told.
  void cut(std::size_t index);
  void mend(std::size_t index);

private:
  Namespace database_;
  std::vector<std::unique_ptr<Namespace>> replicas_;
};

} // namespace regroup::chaos
