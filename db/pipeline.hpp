#pragma once
#include "db/connection.hpp"
#include "db/statements.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct pg_result;

namespace regroup::db {

/// The parameters of a statement as text, in the order of $1, $2, …; nullopt is NULL.
using Parameters = std::vector<std::optional<std::string>>;

using PgResult = std::shared_ptr<pg_result>; // cleared with its last owner

class Reply;

/// One row of a reply; the reply must outlive it. Each member throws std::logic_error if there is
/// no such column.
class Row {
public:
  Row(const Reply& reply, std::size_t number) : reply_(&reply), number_(number) {}

  bool is_null(const char* column) const;
  /// Empty if NULL.
  std::string_view text(const char* column) const;
  /// Throws std::runtime_error if it is not a number.
  std::int64_t number(const char* column) const;
  /// Whether it is true; NULL is false.
  bool flag(const char* column) const { return text(column) == "t"; }

private:
  const Reply* reply_;
  std::size_t number_;
};

/// What a statement returned. Its string_views live as long as the reply.
class Reply {
public:
  explicit Reply(PgResult result) : result_(std::move(result)) {}

  std::size_t rows() const;
  bool empty() const { return rows() == 0; }
  Row row(std::size_t number) const { return {*this, number}; }
  // As in Row.
  bool is_null(std::size_t row, const char* column) const;
  std::string_view text(std::size_t row, const char* column) const;
  std::int64_t number(std::size_t row, const char* column) const;
  /// PostgreSQL's command tag: "COMMIT", "SELECT 1".
  std::string_view tag() const;

private:
  int column_of(const char* name) const;

  PgResult result_;
};

inline bool Row::is_null(const char* column) const { return reply_->is_null(number_, column); }
inline std::string_view Row::text(const char* column) const {
  return reply_->text(number_, column);
}
inline std::int64_t Row::number(const char* column) const {
  return reply_->number(number_, column);
}

/// Why a statement has no reply.
struct Failure {
  std::string sqlstate; // empty if PostgreSQL sent none: the connection broke
  std::string what;     // for the log
  /// An ERROR that can be PostgreSQL's own answer about the statement; see can_be_believed().
  bool is_error = false;
};

/// Whether such a message says for certain that its statement failed and changed nothing, on a
/// session that goes on: an ERROR (not FATAL), and neither of class 08 (connections; poolers send
/// it when they lose theirs) nor 57P.. (shutdown and the like). Any other message of a server or
/// pooler about a connection may come after the bytes were passed on. `severity` is PostgreSQL's
/// English one; may be null.
bool can_be_believed(const char* severity, std::string_view sqlstate);

/// Statements that are sent together, in one round trip, and PostgreSQL's answers in their order
/// (libpq, "Pipeline Mode"). When one fails, PostgreSQL skips those after it. While the pipeline
/// lives nothing else may use the connection, and a connection whose pipeline was not finished must
/// be dropped. Through a pooler in transaction mode the pipeline stays on one session, since the
/// pooler takes that back only at the end of the transaction.
class Pipeline {
public:
  /// `prepared`: prepare each statement once per session, by its name.
  Pipeline(Connection& connection, bool prepared);
  ~Pipeline() = default;
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Queues a statement; false if the connection is broken.
  [[nodiscard]] bool add(const Statement& statement, const Parameters& parameters = {});
  /// Starts sending what is queued; false if the connection did not take it.
  [[nodiscard]] bool send();

  /// Goes on sending, without waiting; true once everything has left, or never will.
  [[nodiscard]] bool has_left();

  /// Reads what has arrived, without waiting; true once next() will find the answers to everything
  /// sent, or that the connection broke. Until then wait for the socket (PQsocket) before asking
  /// again.
  [[nodiscard]] bool has_arrived();

  /// The answer to the next statement; call it after has_arrived(). Exactly one of `reply` and
  /// `failure` is set.
  struct Answer {
    std::optional<Reply> reply;
    Failure failure;
    bool warned = false; // PostgreSQL sent a WARNING with it
  };
  Answer next();

  /// Reads the remaining answers, up to the Sync that ends everything sent; call it after
  /// has_arrived(). True if the Sync came: the connection is in step and can be used again.
  bool finish();

private:
  struct Arrived {
    PgResult result; // may be null
    bool warned = false;
  };

  struct Sent {
    const char* name;
    bool prepares; // it is prepared first, which has an answer of its own
  };

  PgResult take();
  PgResult next_result();
  Arrived from_libpq();

  Connection& connection_;
  bool prepared_;
  std::vector<Sent> sent_;
  std::vector<Arrived> arrived_; // in PQgetResult's order, including the nulls between results
  std::size_t taken_ = 0;        // of them
  bool warned_ = false;          // set by the answer that is being read
  std::size_t read_ = 0;
  bool is_whole_ = false; // the connection took everything, so it will be answered
  bool in_step_ = false;  // the Sync was read
};

} // namespace regroup::db
