#include "db/schema/schema.hpp"

#include "db/adoption/inspection.hpp"
#include "db/conninfo.hpp"
#include "versions/libpqxx.hpp"

#include <pqxx/connection>
#include <pqxx/except>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>

namespace regroup::db {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using When = SchemaChange::When;

/// How long to wait for another replica that makes the changes: an index on a large table takes
/// time.
constexpr auto kLongestWait = 1h;

/// For a table that others write to: everyone queues behind a change that waits for a lock, so it
/// waits only for a moment, lets them through, and tries again.
constexpr const char* kLockTimeout = "1s";
constexpr auto kLongestTry = 2min;

/// A change that needs a second inspection is made in the first round; two would do.
constexpr int kMostRounds = 3;

std::string in_one_line(std::string text) {
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

[[noreturn]] void explain(const std::exception& why) {
  throw std::runtime_error("database: " + in_one_line(why.what()));
}

void pause(std::chrono::milliseconds span) {
  thread_local std::minstd_rand generator{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> between{span.count() / 2, span.count()};
  std::this_thread::sleep_for(std::chrono::milliseconds{between(generator)});
}

/// Its holder alone changes the schema. A transaction of its own holds it and does nothing else:
/// building an index CONCURRENTLY waits for every transaction with an open snapshot, and this one
/// has none. For the same reason the other replicas do not wait for the lock in a statement: they
/// try, end their transaction, and try again.
class SchemaLock {
public:
  explicit SchemaLock(const config::Settings::Database& settings)
      : connection_(conninfo(settings)) {}

  bool try_take() {
    work_.emplace(connection_);
    work_->exec("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
                "SET LOCAL idle_in_transaction_session_timeout = 0");
    // Any constant that is unlikely to be a registration group's key: "regroup" in ASCII.
    if (work_->exec("SELECT pg_catalog.pg_try_advisory_xact_lock(32196575270896000)")
            .at(0)
            .front()
            .as<bool>())
      return true;
    work_.reset();
    return false;
  }

  /// Throws if the lock was lost with its connection.
  void check() { work_->exec("SELECT"); }

  /// Whether some session is building an index here, perhaps of a replica that held the lock and
  /// lost it.
  bool somebody_builds() {
    return work_
        ->exec("SELECT EXISTS (SELECT FROM pg_stat_progress_create_index "
               "WHERE datname = current_database())")
        .at(0)
        .front()
        .as<bool>();
  }

private:
  pqxx::connection connection_;
  std::optional<pqxx::work> work_;
};

bool is_worth_another_try(const std::exception& why) {
  const auto* error = dynamic_cast<const pqxx::sql_error*>(&why);
  return dynamic_cast<const pqxx::deadlock_detected*>(&why) ||
         (error && error->sqlstate() == "55P03"); // lock_timeout
}

/// Makes the changes of one inspection.
class Changing {
public:
  Changing(const config::Settings::Database& settings, SchemaLock& lock, domain::Log& log)
      : connection_(conninfo(settings)), lock_(lock), log_(log) {}

  std::vector<std::string> run(const std::vector<SchemaChange>& changes) {
    for (auto next = changes.begin(); next != changes.end();) {
      const auto end = next->when != When::together
                           ? next + 1
                           : std::find_if(next, changes.end(), [](const SchemaChange& each) {
                               return each.when != When::together;
                             });
      lock_.check();
      if (next->when == When::key || next->when == When::index)
        without_transaction(*next);
      else
        in_transaction({next, end});
      for (; next != end; ++next)
        if (!next->what.empty()) {
          log_.event(domain::LogLevel::info, "schema.applied",
                     {{"change", std::string_view{next->what}}});
          made_.push_back(next->what);
        }
    }
    return std::move(made_);
  }

private:
  [[noreturn]] static void fail(const SchemaChange& change, const std::exception& why) {
    throw std::runtime_error("database: what " + (change.what.empty() ? change.sql : change.what) +
                             " failed: " + in_one_line(why.what()));
  }

  void in_transaction(const std::vector<SchemaChange>& changes) {
    const auto until = Clock::now() + kLongestTry;
    for (;;) {
      const SchemaChange* current = &changes.front();
      try {
        pqxx::work work{connection_};
        work.exec(std::string{"SET LOCAL client_min_messages = warning; "
                              "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '"} +
                  kLockTimeout + "'");
        for (const SchemaChange& each : changes) {
          current = &each;
          if (!each.sql.empty())
            work.exec(each.sql);
          if (each.step)
            versions::exec_params(work,
                                  "INSERT INTO regroup_schema (step, name, checksum) "
                                  "VALUES ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))",
                                  std::stoi(std::string{each.step->name}),
                                  std::string{each.step->name}, std::string{each.step->sql});
        }
        work.commit();
        return;
      } catch (const pqxx::failure& why) {
        if (!is_worth_another_try(why) || Clock::now() > until)
          fail(*current, why);
      }
      pause(500ms); // those who queued behind it go first
    }
  }

  void without_transaction(const SchemaChange& change) {
    try {
      pqxx::nontransaction session{connection_};
      const bool limited = session
                               .exec("SELECT current_setting('statement_timeout') <> '0' "
                                     "OR current_setting('lock_timeout') <> '0'")
                               .at(0)
                               .front()
                               .as<bool>();
      if (limited) // set by the role or the database: an index may take longer
        session.exec("SET statement_timeout = 0; SET lock_timeout = 0");
      session.exec(change.sql);
      if (limited)
        session.exec("RESET statement_timeout; RESET lock_timeout");
      if (!change.index.empty() && !is_valid(session, change.index))
        throw std::runtime_error("the index is invalid");
    } catch (const std::exception& why) {
      take_back(change.index);
      fail(change, why);
    }
  }

  static bool is_valid(pqxx::nontransaction& session, const std::string& index) {
    return session
        .exec("SELECT coalesce((SELECT indisvalid AND indisready FROM pg_index "
              "WHERE indexrelid = to_regclass(" +
              session.quote(index) + ")), false)")
        .at(0)
        .front()
        .as<bool>();
  }

  /// An index that could not be completed costs every writer, and a unique one refuses rows.
  void take_back(const std::string& index) noexcept {
    if (index.empty())
      return;
    try {
      pqxx::nontransaction session{connection_};
      session.exec("DROP INDEX CONCURRENTLY IF EXISTS " + index);
    } catch (const std::exception& why) {
      log_.event(domain::LogLevel::warning, "schema.invalid_index_left",
                 {{"index", std::string_view{index}}, {"error", std::string_view{why.what()}}});
    }
  }

  pqxx::connection connection_;
  SchemaLock& lock_;
  domain::Log& log_;
  std::vector<std::string> made_;
};

void throw_if_stopped(const Inspection& inspection) {
  if (const std::string stop = inspection.stop(); !stop.empty())
    throw std::runtime_error("database: " + stop);
}

void log_warnings(const Inspection& inspection, domain::Log& log) {
  for (const auto& each : inspection.findings)
    if (each.severity == domain::Finding::Severity::warning)
      log.event(domain::LogLevel::warning,
                each.code == "schema/duplicates" ? "schema.duplicates_allowed" : "schema.warning",
                {{"code", std::string_view{each.code}}, {"what", std::string_view{each.what}}});
}

/// Polls `condition`, which must hold nothing that others wait for.
void wait_for(const char* what, domain::Log& log, const std::function<bool()>& condition) {
  const auto until = Clock::now() + kLongestWait;
  bool told = false;
  while (!condition()) {
    if (!std::exchange(told, true))
      log.event(domain::LogLevel::info, "schema.waiting", {{"for", std::string_view{what}}});
    if (Clock::now() > until)
      throw std::runtime_error(std::string{"database: waited too long for "} + what);
    pause(100ms);
  }
}

bool drops_an_index(const Inspection& inspection) {
  return std::any_of(inspection.changes.begin(), inspection.changes.end(), [](const auto& each) {
    return (each.when == When::key || each.when == When::index) && each.index.empty();
  });
}

} // namespace

std::vector<std::string> apply_schema(const config::Settings::Database& settings,
                                      domain::Log& log) {
  Inspection inspection = inspect_schema(settings);
  throw_if_stopped(inspection);
  std::vector<std::string> made;
  try {
    if (!inspection.changes.empty()) {
      SchemaLock lock{settings};
      wait_for("another replica to change the schema", log, [&] { return lock.try_take(); });
      for (int round = 0; round < kMostRounds; ++round) {
        inspection = inspect_schema(settings);
        if (drops_an_index(inspection)) { // or is it only not valid yet?
          wait_for("an index that is being built", log, [&] { return !lock.somebody_builds(); });
          inspection = inspect_schema(settings);
        }
        throw_if_stopped(inspection);
        if (inspection.changes.empty())
          break;
        for (auto& each : Changing{settings, lock, log}.run(inspection.changes))
          made.push_back(std::move(each));
      }
    }
  } catch (const pqxx::failure& why) {
    explain(why);
  }
  log_warnings(inspection, log);
  return made;
}

bool advisory_lock_excludes(const config::Settings::Database& settings) {
  try {
    // The key is this call's own, so that replicas that start together do not exclude each other.
    const auto try_lock = [](pqxx::work& work, const std::string& key) {
      return versions::exec_params(
                 work, "SELECT pg_catalog.pg_try_advisory_xact_lock(hashtextextended($1, 0))", key)
          .at(0)
          .front()
          .as<bool>();
    };
    pqxx::connection first{conninfo(settings)};
    pqxx::connection second{conninfo(settings)};
    pqxx::work holder{first};
    const auto key = holder.exec("SELECT gen_random_uuid()::text").at(0).front().as<std::string>();
    if (!try_lock(holder, key))
      return false;
    {
      pqxx::work other{second};
      if (try_lock(other, key))
        return false;
    }
    holder.abort();
    pqxx::work other{second};
    return try_lock(other, key); // the end of the transaction released it
  } catch (const pqxx::failure& why) {
    explain(why);
  }
}

} // namespace regroup::db
