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

/// One worker's connection. Only connect() opens one; the session drops it when it breaks or its
/// server was replaced by another. The owner decides when to connect again. One job at a time uses
/// a session, except for end_silence(); waiting is done by coroutines on the event loop.
class Session {
public:
  /// Does not connect yet. The references must outlive the session.
  Session(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
          Connector& connector, domain::Log& log, domain::Metrics& metrics);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// Closes the connection; its backend then rolls back an open transaction.
  void drop() noexcept;

  /// Replaces the connection, if any, by one to the first server that accepts it. Throws NotKept
  /// (`unsent`).
  Task<void> connect();

  /// Whether there is a connection, as far as is known.
  bool is_connected() const { return connection_ != nullptr; }

  /// Whether open() would find a usable connection, as far as is known without waiting.
  bool is_ready() const;

  /// Makes the connection ready for a transaction. Throws NotKept (`unsent`) if there is none, it
  /// died while idle, or its server was replaced.
  Task<void> open();

  /// Valid after open() has returned.
  Connection& connection() { return *connection_; }

  /// Sends the whole pipeline. Returns when its answers can be read without waiting, or when the
  /// connection broke.
  Task<void> answers_of(Pipeline& pipeline);

  /// How a transaction ended in which a statement, perhaps COMMIT, failed. `refused` if PostgreSQL
  /// answered with an ERROR, everything sent was answered, and the transaction was left; otherwise
  /// `otherwise`, and the connection is dropped. Finishes the pipeline, whose answers must have
  /// arrived.
  Task<NotKept> not_kept(std::optional<Pipeline>& pipeline, const Failure& failure,
                         Ended otherwise);

  /// Sends a ROLLBACK of the open transaction and does not wait: the next open() reads the answer.
  void roll_back() noexcept;

  /// Limits how long the current job waits for the server's answers.
  Patience& patience() { return patience_; }

  bool was_silent() const noexcept { return patience_.was_silent(); }

  /// From any thread: see Patience::end_if_over().
  void end_silence() noexcept { patience_.end_if_over(era_ != servers_->era()); }

  /// The parameters of statements::set_local.
  const Parameters& limits() const { return limits_; }

  /// Whether named prepared statements are used (database.prepared_statements).
  bool prepares() const { return prepares_; }

  /// Whether the limits are set for the whole session; otherwise each transaction sets them.
  bool has_limits() const { return has_limits_; }

  /// The backend turned out to be another client's as well: a pooler is in between after all.
  void is_shared() noexcept { prepares_ = has_limits_ = false; }

private:
  friend class ProgressWatch;

  void connect_to_first();
  void connect_to(std::size_t server);
  Task<bool> is_rolled_back();
  Task<bool> leave_transaction();

  std::shared_ptr<Servers> servers_;
  Parameters limits_;
  config::Settings::Database::Prepared preparing_;
  bool prepares_ = false;
  bool has_limits_ = false;
  bool was_connected_ = false;
  Connector& connector_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  Patience patience_;
  std::atomic<std::uint64_t> era_{0}; // the connection's, see Servers
  std::unique_ptr<Connection> connection_;
  std::optional<asio::posix::stream_descriptor> socket_; // on the descriptor that patience_ owns
  std::optional<Pipeline> rollback_;                     // sent; its answer is not read yet
  domain::MigrationProgress* progress_ = nullptr;
};

/// While it lives, progress notices of the session's statements are written to `to`, which may be
/// null and must outlive it.
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
