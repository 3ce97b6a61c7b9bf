#include "tests/support/other_program.hpp"

#include <httplib.h>
#include <thread>

namespace regroup::test {

struct OtherProgram::Impl {
  httplib::Server server;
  int port = 0;
  std::thread thread;
};

OtherProgram::OtherProgram() : impl_{std::make_unique<Impl>()} {
  impl_->server.set_pre_routing_handler([](const httplib::Request&, httplib::Response& response) {
    response.set_header("X-Program", "backend");
    response.status = 200;
    return httplib::Server::HandlerResponse::Handled;
  });
  impl_->port = impl_->server.bind_to_any_port("127.0.0.1");
  impl_->thread = std::thread{[this] { impl_->server.listen_after_bind(); }};
  while (!impl_->server.is_running())
    std::this_thread::yield();
}

OtherProgram::~OtherProgram() {
  impl_->server.stop();
  impl_->thread.join();
}

unsigned OtherProgram::port() const { return static_cast<unsigned>(impl_->port); }

} // namespace regroup::test
