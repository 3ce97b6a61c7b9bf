#pragma once
#include "domain/events.hpp"
#include "domain/log.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace regroup::events {

class Transfers;

/// Sends the events in the outbox (functions/events.sql) to their endpoints, at least once and in
/// order for each registration group. Each replica has one sender; they share the work by claiming
/// events in the database. One thread.
class Sender {
public:
  struct Settings {
    std::chrono::milliseconds timeout; // for one delivery, from the name look-up to the answer
    bool allow_private_addresses = false;
    std::size_t most_at_once = 64; // each takes a socket
  };
  /// Runs a job against the database, and blocks until its answer.
  using Ask = std::function<domain::Answer(domain::Job)>;

  /// `ask` and `log` must stay valid until stop(). Throws std::runtime_error if libcurl cannot be
  /// used.
  Sender(Settings settings, Ask ask, domain::Log& log);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  /// Ends the thread. Running deliveries are given up: they may have arrived, and will be sent
  /// again.
  void stop();

private:
  void run();
  void claim();
  void settle();
  void take(domain::SettleEvents::Result result);
  std::vector<domain::Uuid> barred();

  Settings settings_;
  Ask ask_;
  domain::Log& log_;
  std::unique_ptr<Transfers> transfers_;
  std::vector<domain::SettleEvents::Result> results_; // not recorded in the database yet
  std::map<domain::Uuid, std::chrono::steady_clock::time_point>
      barred_; // endpoints that this replica may not reach, and until when it does not try
  std::chrono::steady_clock::time_point next_claim_{};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

} // namespace regroup::events
