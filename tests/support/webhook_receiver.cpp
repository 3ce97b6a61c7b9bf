#include "tests/support/webhook_receiver.hpp"

#include <condition_variable>
#include <httplib.h>
#include <mutex>
#include <thread>

namespace regroup::test {

struct WebhookReceiver::Impl {
  Behaviour behave;
  std::string retry_after;
  httplib::Server server;
  int port = 0;
  std::mutex mutex;
  std::condition_variable ending;
  bool ended = false;
  std::vector<Event> events;
  std::thread thread;

  void receive(const httplib::Request& request, httplib::Response& response) {
    std::unique_lock lock{mutex};
    const Answer answer = behave(static_cast<int>(events.size()), request.body);
    events.push_back({request.get_header_value("Regroup-Event-Id"),
                      request.get_header_value("Regroup-Signature"), request.body, answer});
    switch (answer) {
    case Answer::ok:
      return;
    case Answer::fail:
      response.status = 500;
      return;
    case Answer::hang:
      ending.wait(lock, [this] { return ended; });
      return;
    case Answer::refuse:
      response.status = 422;
      return;
    case Answer::gone:
      response.status = 410;
      return;
    case Answer::throttle:
      response.status = 429;
      response.set_header("Retry-After", retry_after);
      return;
    case Answer::endless:
      response.set_content_provider(100, "text/plain",
                                    [this](std::size_t, std::size_t, httplib::DataSink& sink) {
                                      sink.write("half", 4);
                                      std::unique_lock waiting{mutex};
                                      ending.wait(waiting, [this] { return ended; });
                                      return false;
                                    });
      return;
    case Answer::cut:
      response.set_content_provider(100, "text/plain",
                                    [](std::size_t, std::size_t, httplib::DataSink& sink) {
                                      sink.write("half", 4);
                                      return false;
                                    });
      return;
    }
  }
};

WebhookReceiver::WebhookReceiver(Behaviour behave, std::string retry_after)
    : impl_(std::make_unique<Impl>()) {
  impl_->behave = std::move(behave);
  impl_->retry_after = std::move(retry_after);
  impl_->server.new_task_queue = [] { return new httplib::ThreadPool(24); };
  impl_->server.Post("/hook", [this](const httplib::Request& request, httplib::Response& response) {
    impl_->receive(request, response);
  });
  impl_->port = impl_->server.bind_to_any_port("127.0.0.1");
  impl_->thread = std::thread{[this] { impl_->server.listen_after_bind(); }};
  while (!impl_->server.is_running()) // a server that is stopped before it runs would run for ever
    std::this_thread::yield();
}

WebhookReceiver::~WebhookReceiver() {
  {
    const std::scoped_lock lock{impl_->mutex};
    impl_->ended = true;
  }
  impl_->ending.notify_all();
  impl_->server.stop();
  impl_->thread.join();
}

std::string WebhookReceiver::url() const {
  return "http://127.0.0.1:" + std::to_string(impl_->port) + "/hook";
}

std::vector<WebhookReceiver::Event> WebhookReceiver::events() const {
  const std::scoped_lock lock{impl_->mutex};
  return impl_->events;
}

} // namespace regroup::test
