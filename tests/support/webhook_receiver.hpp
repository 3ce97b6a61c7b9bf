#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace regroup::test {

/// Somebody's endpoint on a loopback port, which behaves as the test says.
class WebhookReceiver {
public:
  enum class Answer {
    ok,
    fail,     // 500
    hang,     // never, until the receiver ends
    cut,      // the connection ends in the middle of the answer
    refuse,   // 422
    gone,     // 410
    throttle, // 429, with the Retry-After of `retry_after`
    endless   // 200, whose body never ends
  };
  struct Event {
    std::string id;
    std::string signature;
    std::string body;
    Answer answer;
  };
  /// `behave` is told how many events came before, and what has come now.
  using Behaviour = std::function<Answer(int before, const std::string& body)>;
  explicit WebhookReceiver(
      Behaviour behave = [](int, const std::string&) { return Answer::ok; },
      std::string retry_after = "3600");
  ~WebhookReceiver();
  WebhookReceiver(const WebhookReceiver&) = delete;
  WebhookReceiver& operator=(const WebhookReceiver&) = delete;

  std::string url() const;

  /// All that came so far, in the order in which they came.
  std::vector<Event> events() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::test
