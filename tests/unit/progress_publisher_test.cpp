// What those who watch are sent, and what it costs the database.
#include "http/migrations/progress_publisher.hpp"
#include "tests/support/eventually.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>

using namespace regroup;
using namespace regroup::http;
using namespace std::chrono_literals;
using test::eventually;

namespace {

/// A database that is asked, and answers at once with what the test has set.
class FakeGateway final : public Gateway {
public:
  void run(domain::Job job, domain::Lane, Answered done) override {
    // On the publisher's thread, where Catch2 must not be asked.
    domain::Answer answer{domain::Done{}};
    {
      const std::scoped_lock lock{mutex_};
      if (const auto* publication = job.get_if<domain::PublishRunning>()) {
        published_.push_back(publication->running);
      } else if (job.is<domain::AdminJob<domain::ReadLive>>()) {
        ++asked_;
        answer = answer_;
      } else {
        ends_ += job.is<domain::EndRunning>() ? 1 : 0;
      }
    }
    done(answer);
  }
  void migrate(domain::MigrationPtr, std::chrono::milliseconds, MigrationCallbacks) override {
    throw std::logic_error("nobody migrates");
  }

  void answers(domain::Answer answer) {
    const std::scoped_lock lock{mutex_};
    answer_ = std::move(answer);
  }
  int asked() {
    const std::scoped_lock lock{mutex_};
    return asked_;
  }
  std::vector<std::vector<domain::PublishRunning::Running>> published() {
    const std::scoped_lock lock{mutex_};
    return published_;
  }
  int ends() {
    const std::scoped_lock lock{mutex_};
    return ends_;
  }

private:
  std::mutex mutex_;
  domain::Answer answer_{domain::AdminDocument{"[]"}};
  std::vector<std::vector<domain::PublishRunning::Running>> published_;
  int asked_ = 0;
  int ends_ = 0;
};

class FakeStream final : public EventStream {
public:
  bool send(std::string text) override {
    const std::scoped_lock lock{mutex_};
    if (!takes_)
      return false;
    sent_.push_back(std::move(text));
    return true;
  }
  bool is_open() const override { return !broken_ && !closed_; }
  void end() override { closed_ = true; }

  void takes(bool takes) {
    const std::scoped_lock lock{mutex_};
    takes_ = takes;
  }
  void breaks() { broken_ = true; }
  bool closed() const { return closed_; }
  std::vector<std::string> sent() {
    const std::scoped_lock lock{mutex_};
    return sent_;
  }
  int count(const std::string& text) {
    const auto all = sent();
    return static_cast<int>(std::count_if(all.begin(), all.end(), [&](const std::string& each) {
      return each.find(text) != std::string::npos;
    }));
  }

private:
  std::mutex mutex_;
  bool takes_ = true;
  std::vector<std::string> sent_;
  std::atomic<bool> broken_{false};
  std::atomic<bool> closed_{false};
};

struct PublisherTest {
  FakeGateway gateway;
  Lifecycle lifecycle;
  RunningMigrations running;
  ProgressPublisher publisher{"host:8080", gateway, running, lifecycle};

  std::shared_ptr<FakeStream> watch() {
    auto stream = std::make_shared<FakeStream>();
    publisher.watch([&](Reply reply) {
      if (reply.stream)
        reply.stream(stream);
      else
        stream->end();
    });
    return stream;
  }

  domain::MigrationPtr run_since(std::chrono::milliseconds age) {
    auto migration = std::make_shared<domain::MigrationCommand>();
    migration->migration_id = domain::Uuid::random();
    migration->registration_group_id = "camping-2025";
    migration->received = std::chrono::steady_clock::now() - age;
    migration->trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    running.add(migration);
    return migration;
  }
};

} // namespace

TEST_CASE_METHOD(PublisherTest,
                 "the database is asked once for all who watch, and not when nobody does") {
  std::vector<std::shared_ptr<FakeStream>> streams;
  for (int i = 0; i < 200; ++i)
    streams.push_back(watch());
  for (auto& stream : streams)
    REQUIRE(eventually([&] { return stream->count(R"({"migrations":[]})") == 1; }));
  CHECK(gateway.asked() < 20);
  for (auto& stream : streams)
    stream->breaks();
  CHECK(gateway.published().empty()); // nothing runs: nothing is told either
  run_since(1s);
  const auto not_asked_for_three_ticks = [&] {
    const int before = gateway.asked();
    const auto ticks = gateway.published().size(); // what runs is told at each
    return eventually([&] { return gateway.published().size() >= ticks + 3; }) &&
           gateway.asked() == before;
  };
  CHECK(eventually(not_asked_for_three_ticks));
}

TEST_CASE_METHOD(PublisherTest, "who watches is sent what changes, once, and what is wrong") {
  const auto stream = watch();
  REQUIRE(eventually([&] { return stream->count("[]") == 1; }));
  gateway.answers(domain::Answer{domain::AdminDocument{R"([{"migration_id":"1"}])"}});
  REQUIRE(eventually([&] { return stream->count(R"("migration_id":"1")") == 1; }));
  gateway.answers(domain::Refusal{domain::Refused::database_unavailable});
  REQUIRE(eventually([&] { return stream->count("event: unavailable") == 1; }));
  CHECK(stream->count("server/database-unavailable") == 1);
  gateway.answers(domain::Answer{domain::AdminDocument{"[]"}});
  REQUIRE(eventually([&] { return stream->count("[]") == 2; }));
  CHECK(stream->count("event: live") == 3);
}

TEST_CASE_METHOD(PublisherTest,
                 "one who is slow gets the newest when they take again, not all of it") {
  const auto stream = watch();
  REQUIRE(eventually([&] { return stream->count("[]") == 1; }));
  stream->takes(false);
  for (const char* number : {"1", "2", "3"}) {
    const int before = gateway.asked();
    gateway.answers(domain::Answer{domain::AdminDocument{std::string{"["} + number + "]"}});
    REQUIRE(eventually([&] { return gateway.asked() > before + 1; }));
  }
  stream->takes(true);
  CHECK(eventually([&] { return stream->count("[3]") == 1; }));
  CHECK(stream->count("[1]") + stream->count("[2]") == 0);
}

TEST_CASE_METHOD(PublisherTest,
                 "a migration is published when it has run for a while, until it has ended") {
  const auto young = run_since(0ms);
  const auto old = run_since(1s);
  REQUIRE(eventually([&] { return !gateway.published().empty(); }));
  const auto first = gateway.published().front();
  REQUIRE(first.size() == 1);
  CHECK(first[0].migration == old);
  CHECK_FALSE(first[0].answered_202);
  REQUIRE(eventually([&] { return gateway.published().back().size() == 2; }));
  running.remove(young->migration_id);
  running.remove(old->migration_id);
  CHECK(eventually([&] { return gateway.published().back().empty(); }));
}

TEST_CASE_METHOD(PublisherTest,
                 "all that were answered 202 are published, and the oldest of the others") {
  std::vector<domain::MigrationPtr> answered;
  for (int i = 0; i < 60; ++i) {
    answered.push_back(run_since(1s));
    running.answered_202(answered.back()->migration_id);
  }
  for (int i = 0; i < 60; ++i)
    run_since(i < 40 ? 3s : 2s);
  const auto counts = [&] {
    const auto all = gateway.published();
    std::array<int, 3> found{};
    if (!all.empty())
      for (const auto& each : all.back())
        ++found.at(each.answered_202                                                ? 0
                   : each.migration->received < answered.front()->received - 1500ms ? 1
                                                                                    : 2);
    return found;
  };
  CHECK(eventually([&] { return counts() == std::array<int, 3>{60, 40, 0}; }));
}

TEST_CASE_METHOD(
    PublisherTest,
    "only what was answered 202 has its end told to the database, unless nobody knows it") {
  const auto quick = run_since(1s);
  const auto slow = run_since(1s);
  const auto in_doubt = run_since(1s);
  running.answered_202(slow->migration_id);
  running.answered_202(in_doubt->migration_id);
  publisher.end(quick, domain::MigrationCompleted{});
  CHECK(gateway.ends() == 0);
  publisher.end(in_doubt, domain::Refusal{domain::Refused::timeout});
  CHECK(gateway.ends() == 0);
  publisher.end(slow, domain::MigrationCompleted{});
  CHECK(gateway.ends() == 1);
  CHECK(running.count() == 0);
}

TEST_CASE_METHOD(PublisherTest, "streams end with the drain") {
  const auto stream = watch();
  CHECK_FALSE(stream->closed());
  lifecycle.enter(Lifecycle::Phase::draining);
  CHECK(eventually([&] { return stream->closed(); }));
}
