#pragma once
#include "config/settings.hpp"
#include "db/servers.hpp"
#include "domain/log.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>

namespace regroup::db {

/// Tries now and then, on a connection of its own, what a migration needs of a new connection: a
/// call of a PL/pgSQL function. When the server's libraries were replaced under it, connections
/// that have already called one go on, but new ones cannot call any. The probe also finds a server
/// that has taken another's place and records it in Servers, so that no job has to. One thread.
class CallProbe {
public:
  /// Called with whether calls work, each time that this is known. Without a connection it is not
  /// known: the existing connections may work.
  using Verdict = std::function<void(bool works)>;

  static constexpr std::chrono::seconds usual_pause{5};

  /// The first try comes after the first pause. `log` and what `verdict` refers to must outlive
  /// stop().
  CallProbe(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
            Verdict verdict, domain::Log& log, std::chrono::milliseconds pause = usual_pause);
  ~CallProbe();
  CallProbe(const CallProbe&) = delete;
  CallProbe& operator=(const CallProbe&) = delete;

  /// Ends the thread, even in the middle of a try.
  void stop();

private:
  void run();
  void probe();
  void tell(std::string_view sqlstate, std::string_view message);
  std::function<bool()> patience();

  std::shared_ptr<Servers> servers_;
  std::chrono::milliseconds patience_; // for each step of a try
  std::chrono::milliseconds pause_;
  Verdict verdict_;
  domain::Log& log_;
  bool works_ = true;
  std::mutex mutex_;
  std::condition_variable end_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace regroup::db
