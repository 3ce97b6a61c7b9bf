// The way from the HTTP handlers to the actors, on real threads: what callers hear when things
// break.
#include "actors/loop_scheduler.hpp"
#include "http/exchange.hpp"
#include "http/server/io_loop.hpp"
#include "tests/support/eventually.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

using namespace regroup;
using namespace std::chrono_literals;
using domain::Answer;
using domain::Refused;
using test::eventually;

namespace {

class CountedLog final : public domain::Log {
public:
  void event(domain::LogLevel, std::string_view name,
             std::initializer_list<domain::LogField>) noexcept override {
    const std::scoped_lock lock{mutex_};
    events_.emplace_back(name);
  }
  int count(const std::string& name) {
    const std::scoped_lock lock{mutex_};
    return static_cast<int>(std::count(events_.begin(), events_.end(), name));
  }

private:
  std::mutex mutex_;
  std::vector<std::string> events_;
};

/// Stands for the directory: answers with what the test says, or ends the exchange that asked.
struct Script {
  std::atomic<bool> end_the_asker{false};
  std::atomic<bool> in_doubt{false};
  std::atomic<int> settled{0};
};

actors::DirectoryActor::behavior_type directory(actors::DirectoryActor::pointer self,
                                                Script* script) {
  return {
      [=](actors::migrate_atom, const domain::MigrationPtr& migration) -> caf::result<Answer> {
        if (script->end_the_asker.exchange(false)) {
          self->send_exit(self->current_sender(), caf::exit_reason::unhandled_exception);
          return self->make_response_promise<Answer>(); // never kept
        }
        if (script->in_doubt)
          return Answer{domain::no_outcome(migration)};
        domain::MigrationCompleted done;
        done.migration_id = migration->migration_id;
        return Answer{done};
      },
      [=](actors::undo_atom, const domain::UndoPtr&) -> caf::result<Answer> {
        return Answer{domain::MigrationUndone{}};
      },
      [](actors::later_atom, caf::timespan) {},
      [](actors::idle_atom, const std::string&, std::uint64_t) {},
  };
}

actors::SettlerActor::behavior_type settler(actors::SettlerActor::pointer, Script* script) {
  return {[=](actors::settle_atom, const domain::Operation&) { ++script->settled; }};
}

struct LoopConfig : caf::actor_system_config {
  explicit LoopConfig(domain::EventLoop& loop) { actors::schedule_on(loop, *this); }
};

class ExchangeTest {
public:
  ~ExchangeTest() {
    gateway.reset();
    caf::anon_send_exit(parties.directory, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(parties.settler, caf::exit_reason::user_shutdown);
  }

  static domain::MigrationPtr command(std::chrono::milliseconds patience = 30s) {
    auto what = std::make_shared<domain::MigrationCommand>();
    what->migration_id = domain::Uuid::time_ordered();
    what->deadline = std::chrono::steady_clock::now() + patience;
    return what;
  }

  Answer migrate(const domain::MigrationPtr& what) {
    auto promise = std::make_shared<std::promise<Answer>>();
    gateway->migrate(what, 1h,
                     {[promise](const Answer& answer) { promise->set_value(answer); }, [] {}, {}});
    auto answer = promise->get_future();
    REQUIRE(answer.wait_for(20s) == std::future_status::ready);
    return answer.get();
  }

  CountedLog log;
  Script script;
  http::IoLoop loop{2, log}; // as in the service
  LoopConfig config{loop};
  caf::actor_system system{config};
  http::Parties parties{.directory = system.spawn(directory, &script),
                        .health = {},
                        .dispatcher = {},
                        .aside = {},
                        .unproven = {},
                        .back_office = {},
                        .settler = system.spawn(settler, &script)};
  std::unique_ptr<http::Gateway> gateway = http::make_exchange(system, parties, 1, log);
};

bool completed(const Answer& answer) { return answer.is<domain::MigrationCompleted>(); }

} // namespace

TEST_CASE_METHOD(ExchangeTest,
                 "a callback that throws is logged, and the next request is answered") {
  gateway->migrate(command(), 1h,
                   {[](const Answer&) { throw std::runtime_error("a defect"); }, [] {},
                    [](const Answer&) { throw 42; }});
  CHECK(eventually([&] { return log.count("http.callback_failed") == 2; }));
  CHECK(completed(migrate(command())));
  CHECK(log.count("http.exchange_replaced") == 0);
}

TEST_CASE_METHOD(ExchangeTest,
                 "an exchange that ends answers what it held, in doubt, and is replaced") {
  script.end_the_asker = true;
  const auto what = command();
  const auto answer = migrate(what);
  const auto* refusal = answer.get_if<domain::Refusal>();
  REQUIRE(refusal);
  CHECK(refusal->reason == Refused::timeout); // never "nothing was changed"
  CHECK(refusal->migration_id == what->migration_id);
  CHECK(eventually([&] { return completed(migrate(command())); }));
  CHECK(log.count("http.exchange_replaced") == 1);
}

TEST_CASE_METHOD(ExchangeTest,
                 "a migration has ended for the replica before its caller hears of it") {
  std::mutex mutex;
  std::vector<std::string> order;
  const auto note = [&](const char* what) {
    const std::scoped_lock lock{mutex};
    order.emplace_back(what);
  };
  gateway->migrate(
      command(), 1h,
      {[&](const Answer&) { note("done"); }, [] {}, [&](const Answer&) { note("ended"); }});
  CHECK(eventually([&] {
    const std::scoped_lock lock{mutex};
    return order == std::vector<std::string>{"ended", "done"};
  }));
}

TEST_CASE_METHOD(ExchangeTest, "what is answered 504 with an id is handed to the settler") {
  script.in_doubt = true;
  const auto answer = migrate(command());
  CHECK(answer.get<domain::Refusal>().reason == Refused::timeout);
  CHECK(eventually([&] { return script.settled == 1; }));
  script.in_doubt = false;
  CHECK(completed(migrate(command())));
  CHECK(script.settled == 1);
}
