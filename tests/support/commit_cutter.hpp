#pragma once
#include "db/file_descriptor.hpp"

#include <sys/types.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace regroup::test {

/// What happens to a connection that asks about a transaction that was cut: the id that stands
/// first in that one's parameters stands in its own as well.
struct RefusedSettlers {
  int spared = 0; // of its round trips, and those of its COMMIT, these come through first
  int refused = 0;
  bool answered = false; // served, and the answer is lost; else never sent
};

/// A proxy in front of a PostgreSQL (or a pooler) on loopback TCP, which knows enough of its
/// protocol (manual, chapter 55) to cut a connection at its COMMIT.
class CommitCutter {
public:
  using Refusal = RefusedSettlers;

  enum class Cut {
    never,
    before_commit, // the COMMIT never reaches PostgreSQL
    after_commit,  // PostgreSQL has committed, and its answer is lost
    unread,        // the backend is stopped, all of it in its socket: read after release()
    abandoned,     // all of it is sent, and the client's side reset: the backend goes on
    last_words, // PostgreSQL has committed; speak_last() stands in place of its answers, and most
                // often the end of the connection behind it
  };

  explicit CommitCutter(unsigned postgres_port);
  /// Ends every connection and waits for the threads.
  ~CommitCutter();
  CommitCutter(const CommitCutter&) = delete;
  CommitCutter& operator=(const CommitCutter&) = delete;

  unsigned port() const { return port_; }

  /// For the next COMMIT that comes, on whatever connection; then never again until told.
  /// `words`: of transactions alone whose statement or parameters have all of these.
  void cut_next(Cut how, std::vector<std::string> words = {}, Refusal refusal = {});

  /// From now on `unread` stops this process (a pooler, whose port this is), not a backend.
  void stops_instead(pid_t process) { stopped_ = process; }

  /// The ErrorResponse of `last_words` (manual, 55.8). `in_step`: ReadyForQuery stands behind it
  /// and the connection goes on, as some poolers keep their client's when they lose a server's.
  void speak_last(const std::string& severity, const std::string& sqlstate, bool in_step = false);

  /// What lies unread is read from now on, and its answers are thrown away.
  void release() { ++released_; }
  /// Nobody who asks is refused any more.
  void forgive();

  int cuts() const { return cuts_; }
  /// How many connections that asked about a cut transaction were cut as well.
  int refusals() const { return refusals_; }
  /// How often PostgreSQL was asked for an answer and waited for.
  int trips() const { return trips_; }

private:
  class Connection;
  struct Order {
    Cut how = Cut::never;
    std::vector<std::string> words;
    Refusal refusal;
  };

  void accept_all();
  /// The order, once it is this transaction's turn. `id`: what it is about.
  Cut take_order(const std::string& transaction, const std::string& id);
  std::optional<Refusal> refusal_of(const std::string& transaction);
  std::string last_words();
  bool goes_on();
  void wait_for_release(int before) const;
  void wait_until_answered(int server) const;

  unsigned postgres_port_;
  unsigned port_ = 0;
  db::FileDescriptor listener_;
  std::mutex mutex_; // of the next four
  std::string last_words_;
  bool goes_on_ = false;
  Order next_;
  std::map<std::string, Refusal> refusals_of_; // by id
  std::atomic<int> cuts_{0};
  std::atomic<int> refusals_{0};
  std::atomic<int> trips_{0};
  std::atomic<int> released_{0};
  std::atomic<pid_t> stopped_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> connections_; // touched by the accepting thread, then by the destructor
  std::thread accepting_;
};

} // namespace regroup::test
