#include "http/server/io_context.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/silent_log.hpp"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/use_awaitable.hpp>
#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace regroup;
using http::IoLoop;
using http::LoopExecutor;
using test::eventually;

namespace {

struct Pipe {
  Pipe() { REQUIRE(::pipe(ends.data()) == 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void write() { REQUIRE(::write(ends[1], "x", 1) == 1); }

  std::array<int, 2> ends{};
};

struct RecordedLog final : domain::Log {
  void event(domain::LogLevel, std::string_view name,
             std::initializer_list<domain::LogField>) noexcept override {
    const std::scoped_lock lock{mutex};
    events.emplace_back(name);
  }
  std::mutex mutex;
  std::vector<std::string> events;
};
test::SilentLog quiet;

} // namespace

TEST_CASE("a task that throws is logged, and its thread goes on with the next") {
  RecordedLog heard;
  IoLoop loop{1, heard};
  std::atomic<int> ran{0};
  loop.post([&] {
    loop.post([&] { ++ran; }); // behind one that throws, in the same turn
    throw std::runtime_error("a defect");
  });
  loop.post([] { throw 42; });
  loop.post([&] { ++ran; });
  CHECK(eventually([&] { return ran == 2; }));
  loop.stop();
  CHECK(heard.events == std::vector<std::string>{"loop.task_failed", "loop.task_failed"});
}

TEST_CASE("what a task of the loop posts runs after it, on its thread, in order") {
  IoLoop loop{2, quiet};
  std::vector<std::string> seen;
  std::vector<std::thread::id> on;
  std::atomic<bool> done{false};
  const auto note = [&](const char* what) {
    seen.emplace_back(what);
    on.push_back(std::this_thread::get_id());
  };
  loop.post([&] {
    loop.post([&] {
      note("second");
      loop.post([&] {
        note("fourth");
        done = true;
      });
    });
    loop.post([&] { note("third"); });
    note("first");
  });
  REQUIRE(eventually([&] { return done.load(); }));
  CHECK(seen == std::vector<std::string>{"first", "second", "third", "fourth"});
  CHECK(on == std::vector<std::thread::id>(4, on[0]));
  CHECK(on[0] != std::this_thread::get_id());
}

TEST_CASE("tasks that go on for ever leave a socket its turn") {
  IoLoop loop{1, quiet};
  Pipe pipe;
  std::atomic<bool> read{false};
  asio::posix::stream_descriptor descriptor{LoopExecutor{loop}, ::dup(pipe.ends[0])};
  std::function<void()> again = [&] {
    if (!read)
      loop.post(again);
  };
  loop.post([&] {
    descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                          [&](const asio::error_code&) { read = true; });
    again();
  });
  pipe.write();
  CHECK(eventually([&] { return read.load(); }));
  loop.stop();
}

TEST_CASE("what a coroutine posts when it goes on runs behind it, on its thread") {
  IoLoop loop{2, quiet};
  Pipe pipe;
  std::vector<std::string> seen;
  std::vector<std::thread::id> on;
  std::atomic<bool> done{false};
  const auto note = [&](const char* what) {
    seen.emplace_back(what);
    on.push_back(std::this_thread::get_id());
  };
  auto job = [&]() -> asio::awaitable<void> {
    asio::posix::stream_descriptor descriptor{co_await asio::this_coro::executor,
                                              ::dup(pipe.ends[0])};
    co_await descriptor.async_wait(asio::posix::descriptor_base::wait_read, asio::use_awaitable);
    loop.post([&] {
      note("posted");
      done = true;
    });
    note("went on");
  };
  asio::co_spawn(asio::any_io_executor{LoopExecutor{loop}}, job, asio::detached);
  pipe.write();
  REQUIRE(eventually([&] { return done.load(); }));
  CHECK(seen == std::vector<std::string>{"went on", "posted"});
  CHECK(on[0] == on[1]);
}

TEST_CASE("a loop that has stopped runs nothing more, and waits for what runs") {
  std::atomic<bool> begun{false};
  std::atomic<bool> go_on{false};
  bool ended = false;
  IoLoop loop{1, quiet};
  loop.post([&] {
    begun = true;
    while (!go_on)
      std::this_thread::yield();
    ended = true;
  });
  REQUIRE(eventually([&] { return begun.load(); }));
  std::thread lets_go{[&] { go_on = true; }};
  loop.stop();
  lets_go.join();
  CHECK(ended);
  bool ran = false;
  loop.post([&] { ran = true; });
  CHECK_FALSE(ran);
}
