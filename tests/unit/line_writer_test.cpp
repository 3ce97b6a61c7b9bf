// The log's thread: what becomes of lines that the reader does not take.
#include "db/file_descriptor.hpp"
#include "telemetry/line_writer.hpp"
#include "tests/support/eventually.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <fcntl.h>
#include <pty.h>
#include <string>
#include <termios.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;
using telemetry::LineWriter;

namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    reader = db::FileDescriptor{ends[0]};
    writer = db::FileDescriptor{ends[1]};
  }
  db::FileDescriptor reader, writer;
};

std::string dropped_line(std::uint64_t lines) { return "dropped " + std::to_string(lines) + "\n"; }

/// All that comes until everybody has closed the other end.
std::vector<std::string> lines_until_end(int file) {
  std::string text;
  std::array<char, 65536> chunk{};
  for (ssize_t got = 0; (got = ::read(file, chunk.data(), chunk.size())) > 0;)
    text.append(chunk.data(), static_cast<std::size_t>(got));
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    lines.push_back(text.substr(at, text.find('\n', at) - at));
  return lines;
}

const std::string kLine = std::string(999, 'x') + "\n";
/// More than a pipe and the buffer take, twice.
constexpr std::uint64_t kTooMany = 3 * LineWriter::kMostBytes / 1000;

} // namespace

TEST_CASE("a reader that has stopped keeps no writer waiting, and learns how much it missed") {
  Pipe pipe;
  std::uint64_t dropped = 0;
  std::vector<std::string> lines;
  std::thread reader;
  {
    LineWriter writer{pipe.writer.get(), dropped_line};
    for (std::uint64_t n = 0; n < kTooMany; ++n)
      writer.put(kLine);
    dropped = writer.dropped();
    CHECK(dropped > kTooMany / 4);
    CHECK_FALSE(writer.flush(1ms));
    reader = std::thread{[&] { lines = lines_until_end(pipe.reader.get()); }};
    CHECK(writer.flush(30s));
    writer.put("after\n");
  }
  pipe.writer = {};
  reader.join();
  CHECK(lines.back() == "after");
  std::uint64_t told = 0;
  std::uint64_t tellings = 0; // one, or two where there was room between
  for (const auto& line : lines)
    if (line.starts_with("dropped ")) {
      told += std::stoull(line.substr(8));
      ++tellings;
    }
  CHECK(told == dropped);
  CHECK(lines.size() == kTooMany - dropped + tellings + 1);
}

TEST_CASE("a reader that comes back while the program ends still learns how much it missed") {
  Pipe pipe;
  std::vector<std::string> lines;
  std::thread reader;
  {
    LineWriter writer{pipe.writer.get(), dropped_line};
    for (std::uint64_t n = 0; n < kTooMany; ++n)
      writer.put(kLine);
    reader = std::thread{[&] { lines = lines_until_end(pipe.reader.get()); }};
  }
  pipe.writer = {};
  reader.join();
  REQUIRE_FALSE(lines.empty());
  CHECK(lines.back().starts_with("dropped "));
}

TEST_CASE("a program ends although its log's reader never comes back") {
  Pipe pipe;
  for (const std::string& line : {kLine, std::string(100000, 'x') + "\n"}) {
    LineWriter writer{pipe.writer.get(), dropped_line};
    for (int n = 0; n < 100; ++n)
      writer.put(line);
    CHECK_FALSE(writer.flush(1ms));
  }
}

TEST_CASE("a terminal that was stopped keeps no writer waiting") {
  int terminal = -1;
  int shown_on = -1;
  REQUIRE(::openpty(&terminal, &shown_on, nullptr, nullptr, nullptr) == 0);
  const db::FileDescriptor screen{terminal};
  const db::FileDescriptor program{shown_on};
  REQUIRE(::tcflow(program.get(), TCOOFF) == 0); // as Ctrl-S does
  LineWriter writer{program.get(), dropped_line};
  for (std::uint64_t n = 0; n < kTooMany; ++n)
    writer.put(kLine);
  CHECK(writer.dropped() > 0);
  CHECK_FALSE(writer.flush(1ms));
}

TEST_CASE("lines that a full disk or a reader that is gone refuses are counted, and told later") {
  const db::FileDescriptor full{::open("/dev/full", O_WRONLY | O_CLOEXEC)};
  REQUIRE(full);
  LineWriter writer{full.get(), dropped_line};
  writer.put("one\n");
  CHECK(writer.flush(30s));
  CHECK(writer.dropped() == 1);
  writer.put("two\n");
  CHECK(writer.flush(30s));
  CHECK(writer.dropped() == 2);
}

TEST_CASE("a pipe that others have made non-blocking loses nothing while it is full") {
  Pipe pipe;
  REQUIRE(::fcntl(pipe.writer.get(), F_SETFL, O_NONBLOCK) == 0);
  std::vector<std::string> lines;
  std::thread reader;
  {
    LineWriter writer{pipe.writer.get(), dropped_line};
    for (int n = 0; n < 1000; ++n)
      writer.put(kLine);
    CHECK_FALSE(writer.flush(1ms));
    reader = std::thread{[&] { lines = lines_until_end(pipe.reader.get()); }};
    CHECK(writer.flush(30s));
  }
  pipe.writer = {};
  reader.join();
  CHECK(lines.size() == 1000);
}
