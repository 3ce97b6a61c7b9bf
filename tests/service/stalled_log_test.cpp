// A log whose reader has stopped reading: a pipe that is full, as with a blocking log driver.
#include "db/file_descriptor.hpp"
#include "tests/service/support.hpp"
#include "tests/support/temp_folder.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

/// The program with a named pipe as its stderr, which the test holds open and reads when it wants.
class Funnel {
public:
  Funnel() {
    REQUIRE(::mkfifo(pipe_.c_str(), 0666) == 0);
    reader_ = db::FileDescriptor{::open(pipe_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    REQUIRE(reader_);
    std::ofstream{program_} << "#!/bin/sh\nexec '" << regroup_binary() << "' \"$@\" 2>'"
                            << pipe_.string() << "'\n";
    std::filesystem::permissions(program_, std::filesystem::perms::owner_all |
                                               std::filesystem::perms::others_exec);
  }

  Service::Options options() const {
    Service::Options options;
    options.binary = program_;
    options.settings = {{"http.drain_delay", "0s"},
                        {"limits.requests_per_minute", "0"},
                        {"log.level", "debug"}}; // a probe is a line
    return options;
  }

  /// Reads on until the expression is in what was read since the start.
  bool wait_for(const std::string& word) {
    return eventually([&] {
      std::array<char, 65536> chunk{};
      for (ssize_t got = 0; (got = ::read(reader_.get(), chunk.data(), chunk.size())) > 0;)
        text_.append(chunk.data(), static_cast<std::size_t>(got));
      return text_.find(word) != std::string::npos;
    });
  }
  const std::string& text() const { return text_; }

private:
  TempFolder folder_;
  std::filesystem::path pipe_ = folder_.path() / "log";
  std::filesystem::path program_ = folder_.path() / "regroup";
  db::FileDescriptor reader_;
  std::string text_;
};

double metric(unsigned port, const std::string& name) {
  const auto answer = HttpClient{port}.get("/metrics");
  REQUIRE(answer);
  const auto at = answer->body.find("\n" + name + " ");
  REQUIRE(at != std::string::npos);
  return std::stod(answer->body.substr(at + name.size() + 2));
}

/// Requests, each with a line of some 450 bytes; how many were answered with 200.
int ask(unsigned port, int requests) {
  std::atomic<int> left{requests};
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int n = 0; n < 4; ++n)
    clients.emplace_back([&] {
      HttpClient client{port, HttpClient::Connections::kept, 10s};
      const Headers headers{{"X-Request-Id", std::string(128, 'x')}};
      while (left-- > 0)
        good += status_of(client.get("/api/health/live", headers)) == 200;
    });
  for (auto& client : clients)
    client.join();
  return good;
}

} // namespace

TEST_CASE("a log that is not read stops no request, no probe and no SIGTERM") {
  Funnel funnel;
  ServiceTest test{funnel.options()};
  const auto user = test.world.add_user();
  test.world.add_devices("camping-2025", 3, user);
  REQUIRE(ask(test.service.port(), 2000) == 2000); // a pipe takes 64 KiB
  CHECK(status_of(test.migrate(test.service.port(), user, test.body("camping-2025"))) == 201);
  CHECK(status_of(test.service.client().get("/api/health/ready")) == 200);
  test.service.replica().signal(SIGHUP); // which logs
  test.service.replica().signal(SIGTERM);
  CHECK(test.service.replica().wait(30s) == 0);
}

TEST_CASE("a log that is read again says how many lines it lacks") {
  Funnel funnel;
  ServiceTest test{funnel.options()};
  constexpr int kRequests = 16000;
  REQUIRE(ask(test.service.port(), kRequests) == kRequests);
  REQUIRE(eventually(
      [&] { return metric(test.service.port(), "regroup_log_lines_dropped_total") > 0; }));
  REQUIRE(funnel.wait_for("\"event\":\"log.lines_dropped\",\"lines\":"));
  CHECK(status_of(test.service.client().get("/api/health/live", {{"X-Request-Id", "the-last"}})) ==
        200);
  CHECK(funnel.wait_for("the-last"));
  test.service.replica().signal(SIGTERM);
  CHECK(funnel.wait_for("\"event\":\"stopped\""));
  CHECK(test.service.replica().wait(30s) == 0);
}
