#pragma once
#include "db/file_descriptor.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace regroup::test {

/// A proxy in front of a PostgreSQL on loopback TCP, which knows enough of its protocol (manual,
/// chapter 55) to cut a connection at its COMMIT.
class CommitCutter {
public:
  enum class Cut {
    never,
    before_commit, // the COMMIT never reaches PostgreSQL
    after_commit,  // PostgreSQL has committed, and its answer is lost
  };

  explicit CommitCutter(unsigned postgres_port);
  /// Ends every connection and waits for the threads.
  ~CommitCutter();
  CommitCutter(const CommitCutter&) = delete;
  CommitCutter& operator=(const CommitCutter&) = delete;

  unsigned port() const { return port_; }

  /// For the next COMMIT that comes, on whatever connection; then never again until told.
  void cut_next(Cut how) { next_ = how; }

  int cuts() const { return cuts_; }
  /// How often PostgreSQL was asked for an answer and waited for.
  int trips() const { return trips_; }

private:
  void accept_all();
  void serve(db::FileDescriptor client);

  unsigned postgres_port_;
  unsigned port_ = 0;
  db::FileDescriptor listener_;
  std::atomic<Cut> next_{Cut::never};
  std::atomic<int> cuts_{0};
  std::atomic<int> trips_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> connections_; // touched by the accepting thread, then by the destructor
  std::thread accepting_;
};

} // namespace regroup::test
