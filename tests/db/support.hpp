#pragma once
#include "db/pg_store.hpp"
#include "db/schema/schema.hpp"
#include "domain/command.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/postgres.hpp"
#include "tests/support/silent_log.hpp"
#include "tests/support/world.hpp"
#include "text/unicode.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

namespace regroup::test {

/// The PostgreSQL of this test program, started at its first use.
inline Postgres& postgres() {
  static Postgres server{{{{"max_prepared_transactions", "0"}, {"log_statement", "all"}}}};
  return server;
}

/// The event loop of this test program's stores.
class StoreLoop {
public:
  static StoreLoop& instance() {
    static StoreLoop loop;
    return loop;
  }
  ~StoreLoop() {
    context_.stop();
    thread_.join();
  }
  db::Connector& connector() { return connector_; }

private:
  StoreLoop() = default;

  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  db::Connector connector_{context_.get_executor()};
  std::thread thread_{[this] { context_.run(); }};
};

/// A store and what the dispatcher does with one: connects it, and has it take up what is left of a
/// job whose connection broke.
class TestStore {
public:
  TestStore(const config::Settings::Database& settings, const db::SchemaFacts& facts,
            domain::Log& log, domain::Metrics& metrics)
      : store_(settings, std::make_shared<db::Servers>(settings), StoreLoop::instance().connector(),
               facts, log, metrics) {}

  domain::Answer execute(const domain::Job& job) {
    if (!connected_)
      connect();
    auto how = work(job, false);
    const bool is_operation = job.operation().has_value();
    for (int tries = 1; std::holds_alternative<domain::Left>(how.ran); ++tries) {
      const auto left = std::get<domain::Left>(std::move(how.ran));
      const bool in_doubt = left.doubted || left.job.traits().settles;
      const bool late = std::chrono::steady_clock::now() >= left.job.deadline();
      if (in_doubt ? late && (is_operation || tries > 4) : tries > 4)
        return in_doubt ? domain::no_outcome(left.job)
                        : domain::Refusal{.reason = domain::Refused::database_unavailable};
      if (!connect())
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
      how = work(left.job, left.doubted);
    }
    return std::get<domain::Answer>(std::move(how.ran));
  }

  /// On a thread of its own.
  std::future<domain::Answer> begin(const domain::Job& job) {
    return std::async(std::launch::async, [this, job] { return execute(job); });
  }

  bool connect() {
    std::promise<bool> promise;
    store_.connect([&](bool connected) { promise.set_value(connected); });
    return connected_ = promise.get_future().get();
  }

  domain::Worked work(const domain::Job& job, bool doubted) {
    std::promise<domain::Worked> promise;
    store_.run(job, doubted, [&](domain::Worked how) { promise.set_value(std::move(how)); });
    auto how = promise.get_future().get();
    connected_ = how.connected;
    return how;
  }

  void end_silence() { store_.end_silence(); }

  /// Over the connection that there is; the store may go meanwhile.
  std::future<domain::Worked> start(const domain::Job& job) {
    auto promise = std::make_shared<std::promise<domain::Worked>>();
    auto how = promise->get_future();
    store_.run(job, false, [promise](domain::Worked each) { promise->set_value(std::move(each)); });
    return how;
  }

private:
  db::PgStore store_;
  bool connected_ = false;
};

inline domain::Answer run(TestStore& store, const domain::Job& job) { return store.execute(job); }

/// Of a migration that was completed an hour ago at most.
inline domain::UndoCommand undo_of(const domain::MigrationCompleted& done, const domain::Uuid& user,
                                   const std::string& registration_group) {
  domain::UndoCommand undo;
  undo.undo_id = domain::Uuid::time_ordered();
  undo.authenticated_group_id = done.authenticated_group_id;
  undo.user_id = user;
  undo.registration_group_id = registration_group;
  undo.window = std::chrono::hours{1};
  undo.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  return undo;
}

/// A database of a test's own, with the schema, and what a worker has: a store on it.
class DatabaseTest {
public:
  explicit DatabaseTest(Postgres& server = postgres()) : url(server.create_database()) {
    settings.url = url;
    settings.lock_timeout = std::chrono::milliseconds{5000};
    db::apply_schema(settings, log);
    world = std::make_unique<World>(url);
  }

  std::unique_ptr<TestStore> new_store() {
    return std::make_unique<TestStore>(settings, db::read_schema_facts(settings), log, metrics);
  }

  domain::MigrationPtr command(const std::string& group, const domain::Uuid& user,
                               std::vector<domain::Uuid> device_ids = {}) {
    domain::MigrationRequest request{*unicode.decode(group), {}, {}};
    if (!device_ids.empty())
      request.device_ids = std::move(device_ids);
    return finish(domain::make_migration_command(std::move(request), user, unicode));
  }

  domain::MigrationPtr named(const std::string& group, const domain::Uuid& user,
                             const std::string& name) {
    domain::MigrationRequest request{*unicode.decode(group), unicode.decode(name), {}};
    return finish(domain::make_migration_command(std::move(request), user, unicode));
  }

  /// The same, as a retry with an Idempotency-Key would send it.
  domain::MigrationPtr keyed(const std::string& group, const domain::Uuid& user,
                             const std::string& key, const std::string& hash) {
    auto copy = *command(group, user);
    copy.idempotency = domain::IdempotencyKey{key, hash};
    return finish(std::move(copy));
  }

  /// With its connection, so that jobs can be begun; without one, where there is no database.
  std::unique_ptr<TestStore> open_store() {
    auto store = new_store();
    store->execute(domain::CheckHealth{std::chrono::steady_clock::now()});
    return store;
  }

  domain::Answer migrate(const domain::MigrationPtr& what) { return run(*open_store(), what); }

  /// On a connection and a thread of its own.
  std::future<domain::Answer> migrate_meanwhile(const domain::MigrationPtr& what) {
    return std::async(std::launch::async, [this, what] { return migrate(what); });
  }

  /// Sessions that wait for a lock of the kind that pg_stat_activity names.
  bool somebody_waits(const std::string& kind, int count = 1) {
    return eventually([&] {
      return world->sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                   "current_database() AND wait_event_type = 'Lock' "
                                   "AND wait_event = $1",
                                   kind) >= count;
    });
  }

  text::Utf8procUnicode unicode;
  SilentLog log;
  domain::Metrics metrics;
  std::string url;
  config::Settings::Database settings;
  std::unique_ptr<World> world;

private:
  static domain::MigrationPtr finish(domain::MigrationCommand what) {
    what.deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    return std::make_shared<const domain::MigrationCommand>(std::move(what));
  }
};

inline std::string name_of_database(const std::string& url) {
  return Sql{url}.value<std::string>("SELECT current_database()");
}

inline const domain::MigrationCompleted* completed(const domain::Answer& answer) {
  return answer.get_if<domain::MigrationCompleted>();
}

/// Why it was refused; fails the test's expectations by `internal` where it was not.
inline domain::Refused refused(const domain::Answer& answer) { return answer.refusal().reason; }

} // namespace regroup::test
