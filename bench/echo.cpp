// Bare RESTinio: what the HTTP server alone can answer. Every request but the probe gets one
// constant answer.
//   regroup_bench_echo PORT STATUS BODY

#include <restinio/all.hpp>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <string>
#include <thread>

namespace {

/// A router's worth of work and no more: the probe is told apart, nothing else is looked at. The
/// headers are as many and as long as those of a refused migration.
class Constant {
public:
  Constant(std::uint16_t status, std::string body) : status_(status), body_(std::move(body)) {}

  restinio::request_handling_status_t operator()(const restinio::request_handle_t& request) const {
    const bool probe = request->header().path() == "/api/health/ready";
    auto response = request->create_response(restinio::http_status_line_t{
        restinio::http_status_code_t{probe ? std::uint16_t{200} : status_}, "Conflict"});
    response.append_header("X-Request-Id", "00000000-0000-4000-8000-000000000000");
    response.append_header(restinio::http_field::content_type, "application/json");
    response.append_header("Retry-After", "1");
    response.set_body(body_);
    return response.done();
  }

private:
  std::uint16_t status_;
  std::string body_;
};

struct Traits : restinio::default_traits_t {
  using request_handler_t = Constant;
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: regroup_bench_echo PORT STATUS BODY\n";
    return 2;
  }
  try {
    const std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
    restinio::run(restinio::on_thread_pool<Traits>(threads)
                      .address("127.0.0.1")
                      .port(static_cast<std::uint16_t>(std::stoul(argv[1])))
                      .request_handler(std::make_unique<Constant>(
                          static_cast<std::uint16_t>(std::stoul(argv[2])), argv[3]))
                      .buffer_size(8192)
                      .concurrent_accepts_count(threads)
                      .socket_options_setter([](restinio::socket_options_t& options) {
                        options.set_option(restinio::asio_ns::ip::tcp::no_delay{true});
                      }));
  } catch (const std::exception& why) {
    std::cerr << "regroup_bench_echo: " << why.what() << "\n";
    return 1;
  }
  return 0;
}
