#include "telemetry/json_log.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace std::string_literals;
using nlohmann::json;
using regroup::domain::LogField;
using regroup::domain::LogLevel;
using regroup::telemetry::StreamLog;

namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// A log on a file, and what was written to it.
class LogOnFile {
public:
  explicit LogOnFile(StreamLog::Format format, LogLevel level = LogLevel::debug)
      : log{file_.get(), format, level} {}

  std::string text() {
    REQUIRE(log.flush(std::chrono::seconds{30}));
    std::string text;
    std::rewind(file_.get());
    for (int c = std::fgetc(file_.get()); c != EOF; c = std::fgetc(file_.get()))
      text += static_cast<char>(c);
    return text;
  }

private:
  File file_{std::tmpfile(), &std::fclose};

public:
  StreamLog log; // after the file that it writes to
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  CHECK(begin == text.size()); // every line is ended
  return lines;
}

std::string line_of(StreamLog::Format format, std::string_view name,
                    std::initializer_list<LogField> fields) {
  LogOnFile file{format};
  file.log.event(LogLevel::info, name, fields);
  const auto lines = lines_of(file.text());
  REQUIRE(lines.size() == 1);
  return lines[0];
}

json json_line(std::string_view name, std::initializer_list<LogField> fields) {
  return json::parse(line_of(StreamLog::Format::json, name, fields));
}

std::string with_d_for_digits(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }, 'd');
  return text;
}

/// Without the timestamp.
std::string text_line(std::string_view name, std::initializer_list<LogField> fields) {
  return line_of(StreamLog::Format::text, name, fields).substr(25);
}

/// The strings that people have tried to forge lines with, and how a terminal is to show them.
const std::map<std::string, std::string> kHostile{
    {"a\nb", R"("a\nb")"},
    {"a\r\nb", R"("a\r\nb")"},
    {"a\tb\x1b[31m\b", R"("a\tb\u001b[31m\b")"},
    {"a\0b"s, R"("a\u0000b")"},
    {"a\x7f", R"("a\u007f")"},
    {"a\" ok=\"true", R"("a\" ok=\"true")"},
    {"a\\", R"("a\\")"},
    {"\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f", R"("\u0080\u0085\u009b\u009f")"}, // C1
    {"\xe2\x80\xa8\xe2\x80\xa9", R"("\u2028\u2029")"},                     // ends of lines
    {"\xe2\x80\xae\xe2\x81\xa6", R"("\u202e\u2066")"},                     // turn the text around
    {"caf\xc3\xa9 \xe6\x9d\xb1\xe4\xba\xac \xc2\xa0",
     "\"caf\xc3\xa9 \xe6\x9d\xb1\xe4\xba\xac \xc2\xa0\""},
};

} // namespace

TEST_CASE("a JSON line has the time, the level, the event and its fields in their order") {
  const std::string line = line_of(StreamLog::Format::json, "migration completed",
                                   {{"registration_group_id", "camping-2025"},
                                    {"ms", std::int64_t{12}},
                                    {"ratio", 0.5},
                                    {"replayed", false}});
  CHECK(line.substr(33) == R"("level":"info","event":"migration completed",)"
                           R"("registration_group_id":"camping-2025","ms":12,)"
                           R"("ratio":0.5,"replayed":false})");
  CHECK(with_d_for_digits(line.substr(0, 33)) == R"({"ts":"dddd-dd-ddTdd:dd:dd.dddZ",)");
}

TEST_CASE("a text line can be read on a terminal") {
  const std::string line = line_of(StreamLog::Format::text, "migration completed",
                                   {{"registration_group_id", "camping-2025"},
                                    {"ms", std::int64_t{12}},
                                    {"ratio", 0.5},
                                    {"replayed", false}});
  CHECK(line.substr(24) == R"( INFO  migration completed registration_group_id="camping-2025" )"
                           "ms=12 ratio=0.5 replayed=false");
  CHECK(with_d_for_digits(line.substr(0, 24)) == "dddd-dd-ddTdd:dd:dd.dddZ");
}

TEST_CASE("the time of a line is the time of its event in UTC") {
  using namespace std::chrono;
  const auto before = floor<milliseconds>(system_clock::now());
  const std::string text = json_line("now", {})["ts"];
  const auto after = system_clock::now();
  std::tm utc{};
  REQUIRE(::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &utc) == text.c_str() + 19);
  const auto time =
      system_clock::from_time_t(::timegm(&utc)) + milliseconds{std::stoi(text.substr(20, 3))};
  CHECK(before <= time);
  CHECK(time <= after);
}

TEST_CASE("every level has its word, and what is below the level is not written") {
  for (const auto format : {StreamLog::Format::json, StreamLog::Format::text}) {
    LogOnFile file{format, LogLevel::warning};
    const auto log_all = [&] {
      for (const LogLevel level :
           {LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error})
        file.log.event(level, "it", {});
    };
    log_all();
    CHECK(lines_of(file.text()).size() == 2);
    file.log.set_level(LogLevel::debug);
    log_all();
    const auto lines = lines_of(file.text());
    REQUIRE(lines.size() == 6);
    const std::array<std::string, 4> words{"debug", "info", "warning", "error"};
    const std::array<std::string, 4> text{"DEBUG it", "INFO  it", "WARN  it", "ERROR it"};
    for (std::size_t i = 0; i < 4; ++i)
      if (format == StreamLog::Format::json)
        CHECK(json::parse(lines[i + 2])["level"] == words.at(i));
      else
        CHECK(lines[i + 2].substr(25) == text.at(i));
  }
}

TEST_CASE("hostile strings come back from a JSON line as they were, in nothing but ASCII") {
  for (const auto& [hostile, shown] : kHostile) {
    INFO(shown);
    const std::string line = line_of(StreamLog::Format::json, hostile, {{hostile, hostile}});
    for (const char c : line)
      CHECK((c >= 0x20 && c < 0x7f));
    const json parsed = json::parse(line);
    CHECK(parsed.size() == 4);
    CHECK(parsed["event"] == hostile);
    CHECK(parsed[hostile] == hostile);
  }
}

TEST_CASE("hostile strings are escaped in a text line, wherever they stand") {
  for (const auto& [hostile, shown] : kHostile) {
    const std::string name = shown.substr(1, shown.size() - 2);
    CHECK(text_line(hostile, {{hostile, hostile}}) == "INFO  " + name + " " + name + "=" + shown);
  }
}

TEST_CASE("bytes that are not UTF-8 are replaced and end no line") {
  for (const std::string& broken : {"\xff"s, "\xc2"s, "\xc2\n"s, "\xe2\x80"s, "\xed\xa0\x80"s,
                                    "\xc0\x8a"s, "\xf5\x80\x80\x80"s, "\x85"s, "\x9b[31m"s}) {
    const json parsed = json_line(broken, {{"field", broken}});
    CHECK_THAT(parsed["event"].get<std::string>(), Catch::Contains("\xef\xbf\xbd"));
    CHECK(parsed["event"] == parsed["field"]);
    const std::string line = text_line("it", {{"field", broken}});
    CHECK_THAT(line, Catch::StartsWith("INFO  it field=\"") && Catch::EndsWith("\"") &&
                         Catch::Contains("\xef\xbf\xbd"));
    CHECK(line.find(broken[0]) == (broken[0] == '\xef' ? 16 : std::string::npos));
  }
}

TEST_CASE("a field cannot replace the time, the level or the event of a JSON line") {
  const json line = json_line("it", {{"level", "error"}, {"event", "other"}, {"ts", "never"}});
  CHECK(line["level"] == "info");
  CHECK(line["event"] == "it");
  CHECK(line["ts"] != "never");
}

TEST_CASE("a number that JSON has no word for is null") {
  CHECK(json_line("it", {{"x", std::nan("")}})["x"].is_null());
  CHECK(text_line("it", {{"x", HUGE_VAL}}) == "INFO  it x=null");
}

TEST_CASE("a field with nothing in it is left out of a line") {
  using regroup::domain::if_any;
  const auto line = json_line("request", {{"trace_id", if_any("")}, {"route", ""}});
  CHECK_FALSE(line.contains("trace_id"));
  CHECK(line.at("route") == "");
  CHECK(json_line("request", {{"trace_id", if_any("4bf9")}}).at("trace_id") == "4bf9");
  CHECK(text_line("request", {{"trace_id", if_any("")}}).find("trace_id") == std::string::npos);
}

TEST_CASE("a line is one write, however long it is") {
  for (const auto format : {StreamLog::Format::json, StreamLog::Format::text}) {
    std::array<int, 2> ends{}; // of a socket on which each write is one message
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends.data()) == 0);
    const File stream{::fdopen(ends[0], "w"), &std::fclose};
    const std::string value(40000, 'x');
    StreamLog{stream.get(), format, LogLevel::debug}.event(LogLevel::info, "long",
                                                           {{"value", value}});
    std::string message(2 * value.size(), '\0');
    const ssize_t length = ::recv(ends[1], message.data(), message.size(), MSG_DONTWAIT);
    REQUIRE(length > static_cast<ssize_t>(value.size()));
    CHECK(message.at(static_cast<std::size_t>(length) - 1) == '\n');
    ::close(ends[1]);
  }
}

TEST_CASE("lines of concurrent writers never mix") {
  constexpr int writers = 8;
  constexpr int events = 100; // all of them fit into the buffer
  LogOnFile file{StreamLog::Format::json};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < writers; ++writer)
    threads.emplace_back([&, writer] {
      const std::string value(static_cast<std::size_t>(1 + writer * 700), 'x');
      for (std::int64_t n = 0; n < events; ++n)
        file.log.event(LogLevel::info, "it",
                       {{"writer", std::int64_t{writer}}, {"n", n}, {"value", value}});
    });
  for (std::thread& thread : threads)
    thread.join();
  std::map<std::int64_t, std::int64_t> next;
  for (const std::string& line : lines_of(file.text())) {
    const json parsed = json::parse(line, nullptr, false);
    REQUIRE_FALSE(parsed.is_discarded());
    const std::int64_t writer = parsed["writer"];
    REQUIRE(parsed["n"] == next[writer]++); // in the order of each writer
    REQUIRE(parsed["value"].get<std::string>().size() ==
            static_cast<std::size_t>(1 + writer * 700));
  }
  REQUIRE(next.size() == writers);
  for (const auto& [writer, count] : next)
    CHECK(count == events);
}
