#pragma once
#include "config/settings.hpp"
#include "db/connection.hpp"
#include "db/errors.hpp"
#include "db/patience.hpp"
#include "db/pipeline.hpp"
#include "db/servers.hpp"
#include "db/statements.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/progress.hpp"
#include "versions/libpqxx.hpp"

#include <pqxx/nontransaction>
#include <pqxx/result>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace regroup::db {

/// One worker's connection: opened by connect() alone, and thrown away when it breaks (libpqxx
/// would reconnect by itself, and what the session held would be gone without a word) or when its
/// server was replaced by another. When to try again the owner decides. Used by one thread at a
/// time, but for end_silence().
class Session {
public:
  /// Does not connect yet. `log` and `metrics` outlive the session.
  Session(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
          domain::Log& log, domain::Metrics& metrics);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Throws the connection away: its backend's transaction, if any, is rolled back.
  void drop() noexcept;

  /// Opens a connection to the first server that will have it, in place of the one that there may
  /// be. Throws NotKept (`unsent`).
  void connect();

  /// The open connection. Throws NotKept (`unsent`) where there is none, or it has died while it
  /// was idle.
  Connection& open();

  /// Whether open() would not throw.
  bool is_ready() const;

  bool is_connected() const { return connection_ != nullptr; }

  /// For how long the next job may wait for its server's answers.
  Patience& patience() { return patience_; }

  bool was_silent() const noexcept { return patience_.was_silent(); }

  /// From any thread: see Patience.
  void end_silence() noexcept { patience_.end_if_over(era_ != servers_->era()); }

  /// As open() left it, when is_ready().
  Connection& connection() { return *connection_; }

  /// What statements::set_local is told in each transaction.
  const Parameters& limits() const { return limits_; }
  /// How a transaction ended of which some statement, perhaps COMMIT, has failed: `refused` where
  /// an ERROR came, all that was sent is answered and the transaction is left; else `unknown`, and
  /// the connection is dropped. Ends the pipeline.
  NotKept not_kept(std::optional<Pipeline>& pipeline, const Failure& failure);

  /// Whether named prepared statements are used (database.prepared_statements).
  bool prepares() const { return prepared_; }

private:
  friend class Transaction;
  friend class ProgressWatch;

  void connect_to(std::size_t server);
  bool leave_transaction();

  std::shared_ptr<Servers> servers_;
  Parameters limits_;
  bool prepared_;
  bool was_connected_ = false;
  domain::Log& log_;
  domain::Metrics& metrics_;
  Patience patience_;
  std::atomic<std::uint64_t> era_{0}; // of the connection, by Servers
  std::unique_ptr<Connection> connection_;
  domain::MigrationProgress* progress_ = nullptr;
};

/// For as long as it lives, what the session's statements say of their progress goes there, on the
/// session's thread. `to` may be null, and outlives it.
class ProgressWatch {
public:
  ProgressWatch(Session& session, domain::MigrationProgress* to) : session_(session) { set(to); }
  ~ProgressWatch() { set(nullptr); }
  ProgressWatch(const ProgressWatch&) = delete;
  ProgressWatch& operator=(const ProgressWatch&) = delete;

private:
  void set(domain::MigrationProgress* to);

  Session& session_;
};

/// A transaction, from its BEGIN to the end of its scope. Every member throws NotKept: before
/// commit(), which sends COMMIT in a trip of its own, a broken connection is `unsent`.
class Transaction {
public:
  explicit Transaction(Session& session);
  /// Rolls back what was not committed.
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// Sends one statement with its parameters; a null `const char*` is NULL.
  template <class... Args> pqxx::result run(const Statement& statement, const Args&... args) {
    return guarded([&] {
      const Patience::Wait wait{session_.patience()};
      if (!session_.prepared_)
        return versions::exec_params(*work_, statement.sql, args...);
      prepare(statement);
      return versions::exec_prepared(*work_, statement.name, args...);
    });
  }

  /// Sends COMMIT, once. `unknown` when the connection broke, or when PostgreSQL committed with a
  /// warning: a wait for the synchronous standby that was cancelled "succeeds" so, though the row
  /// may be nowhere else (manual, 20.5.1 and 27.2.8). COMMIT is never cancelled by Regroup, and
  /// statement_timeout does not bound that wait.
  void commit();

private:
  template <class Call> pqxx::result guarded(Call call);
  pqxx::result send(const std::string& sql);
  void begin();
  void prepare(const Statement& statement);
  [[noreturn]] void translate_current_exception();

  Session& session_;
  std::optional<pqxx::nontransaction> work_;
  bool open_ = false;
};

template <class Call> pqxx::result Transaction::guarded(Call call) {
  try {
    return call();
  } catch (...) {
    translate_current_exception();
  }
}

} // namespace regroup::db
