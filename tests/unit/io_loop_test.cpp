#include "http/io_loop.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/silent_log.hpp"

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
  void read() {
    char byte = 0;
    REQUIRE(::read(ends[0], &byte, 1) == 1);
  }

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
  std::unique_ptr<domain::SocketWatch> watch;
  std::function<void()> again = [&] {
    if (!read)
      loop.post(again);
  };
  loop.post([&] {
    watch = loop.watch(pipe.ends[0]);
    watch->when_readable([&] { read = true; });
    again();
  });
  pipe.write();
  CHECK(eventually([&] { return read.load(); }));
  loop.stop();
  watch.reset();
}

TEST_CASE("a watched socket is told of once, and then again when it is asked for") {
  IoLoop loop{2, quiet};
  Pipe pipe;
  const auto watch = loop.watch(pipe.ends[0]);
  std::atomic<int> told{0};
  pipe.write(); // before, and still it is told
  watch->when_readable([&] { ++told; });
  REQUIRE(eventually([&] { return told == 1; }));
  watch->when_readable([&] { ++told; }); // nothing was read
  REQUIRE(eventually([&] { return told == 2; }));
  pipe.read();
  watch->when_readable([&] { ++told; });
  std::atomic<bool> later{false};
  loop.post([&] { later = true; });
  REQUIRE(eventually([&] { return later.load(); }));
  CHECK(told == 2);
  pipe.write();
  CHECK(eventually([&] { return told == 3; }));
}

TEST_CASE("a watch that ends leaves the socket open, to be watched again") {
  IoLoop loop{1, quiet};
  Pipe pipe;
  std::atomic<int> told{0};
  {
    const auto watch = loop.watch(pipe.ends[0]);
    watch->when_readable([&] { told += 100; });
  }
  const auto watch = loop.watch(pipe.ends[0]);
  watch->when_readable([&] { ++told; });
  pipe.write();
  CHECK(eventually([&] { return told == 1; }));
  CHECK_THROWS_AS(loop.watch(-1), std::system_error);
}

TEST_CASE("a watch of a socket that was closed takes nothing from who has its number now") {
  IoLoop loop{1, quiet};
  auto old = std::make_unique<Pipe>();
  auto watch_of_old = loop.watch(old->ends[0]);
  watch_of_old->when_readable([] {});
  const auto numbers = old->ends;
  old.reset();
  Pipe pipe;
  REQUIRE(pipe.ends == numbers);
  const auto watch = loop.watch(pipe.ends[0]);
  std::atomic<bool> told{false};
  watch->when_readable([&] { told = true; });
  watch_of_old.reset();
  pipe.write();
  CHECK(eventually([&] { return told.load(); }));
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
