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
    fail, // 500
    hang, // never, until the receiver ends
    cut,  // the connection ends in the middle of the answer
  };
  struct Event {
    std::string id;
    std::string signature;
    std::string body;
    Answer answer;
  };
  /// `behave` is told how many events came before.
  explicit WebhookReceiver(std::function<Answer(int)> behave = [](int) { return Answer::ok; });
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
