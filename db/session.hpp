#pragma once
#include "config/settings.hpp"
#include "db/connector.hpp"
#include "db/errors.hpp"
#include "db/patience.hpp"
#include "db/pipeline.hpp"
#include "db/servers.hpp"
#include "db/statements.hpp"
#include "db/task.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/progress.hpp"

#include <asio/posix/stream_descriptor.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace regroup::db {

/// One worker's connection: opened by connect() alone, and thrown away when it breaks or when its
/// server was replaced by another. When to try again the owner decides. Used by one job at a time,
/// but for end_silence(); what waits is a coroutine on the event loop.
class Session {
public:
  /// Does not connect yet. What is passed by reference outlives the session.
  Session(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
          Connector& connector, domain::Log& log, domain::Metrics& metrics);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Throws the connection away: its backend's transaction, if any, is rolled back.
  void drop() noexcept;

  /// Opens a connection to the first server that will have it, in place of the one that there may
  /// be. Throws NotKept (`unsent`).
  Task<void> connect();

  /// Whether there is a connection, as far as is known.
  bool is_connected() const { return connection_ != nullptr; }

  /// Whether open() would have one.
  bool is_ready() const;

  /// Makes the connection ready for a transaction. Throws NotKept (`unsent`) where there is none,
  /// or it has died while it was idle.
  Task<void> open();

  /// As open() left it.
  Connection& connection() { return *connection_; }

  /// Sends all of the pipeline, and returns when its answers can be read without waiting, or the
  /// connection broke.
  Task<void> answers_of(Pipeline& pipeline);

  /// How a transaction ended of which some statement, perhaps COMMIT, has failed: `refused` where
  /// an ERROR came, all that was sent is answered and the transaction is left; else `otherwise`,
  /// and the connection is dropped. Ends the pipeline, whose answers have come.
  Task<NotKept> not_kept(std::optional<Pipeline>& pipeline, const Failure& failure,
                         Ended otherwise);

  /// Rolls back the transaction that is open, behind its user's back: the next open() takes the
  /// answer.
  void roll_back() noexcept;

  /// For how long the next job may wait for its server's answers.
  Patience& patience() { return patience_; }

  bool was_silent() const noexcept { return patience_.was_silent(); }

  /// From any thread: see Patience.
  void end_silence() noexcept { patience_.end_if_over(era_ != servers_->era()); }

  /// What statements::set_local is told in each transaction.
  const Parameters& limits() const { return limits_; }

  /// Whether named prepared statements are used (database.prepared_statements).
  bool prepares() const { return prepared_; }

private:
  friend class ProgressWatch;

  void connect_to_first();
  void connect_to(std::size_t server);
  Task<bool> is_rolled_back();
  Task<bool> leave_transaction();

  std::shared_ptr<Servers> servers_;
  Parameters limits_;
  bool prepared_;
  bool was_connected_ = false;
  Connector& connector_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  Patience patience_;
  std::atomic<std::uint64_t> era_{0}; // of the connection, by Servers
  std::unique_ptr<Connection> connection_;
  std::optional<asio::posix::stream_descriptor> socket_; // by the number that the patience has
  std::optional<Pipeline> rollback_;                     // sent, and its answer not read
  domain::MigrationProgress* progress_ = nullptr;
};

/// For as long as it lives, what the session's statements say of their progress goes there. `to`
/// may be null, and outlives it.
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

} // namespace regroup::db
