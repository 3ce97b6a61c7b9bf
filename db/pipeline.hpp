#pragma once
#include "db/connection.hpp"
#include "db/statements.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct pg_result;

namespace regroup::db {

/// The parameters of a statement as text, in the order of $1, $2, …; none: NULL.
using Parameters = std::vector<std::optional<std::string>>;

using Result = std::shared_ptr<pg_result>; // cleared with its last owner

class Reply;

/// One row of a reply, which outlives it. Each member throws std::logic_error when there is no such
/// column.
class Row {
public:
  Row(const Reply& reply, std::size_t number) : reply_(&reply), number_(number) {}

  bool is_null(const char* column) const;
  /// Empty where it is NULL.
  std::string_view text(const char* column) const;
  /// Throws std::runtime_error when it is no number.
  std::int64_t number(const char* column) const;
  /// Whether it is true; false also where it is NULL.
  bool flag(const char* column) const { return text(column) == "t"; }

private:
  const Reply* reply_;
  std::size_t number_;
};

/// What a statement returned. The views live as long as it.
class Reply {
public:
  explicit Reply(Result result) : result_(std::move(result)) {}

  std::size_t rows() const;
  bool empty() const { return rows() == 0; }
  Row row(std::size_t number) const { return {*this, number}; }
  // As Row's.
  bool is_null(std::size_t row, const char* column) const;
  std::string_view text(std::size_t row, const char* column) const;
  std::int64_t number(std::size_t row, const char* column) const;
  /// "COMMIT", "SELECT 1": what PostgreSQL says was done.
  std::string_view tag() const;

private:
  int column_of(const char* name) const;

  Result result_;
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
  std::string sqlstate; // empty: the connection broke without a word
  std::string what;     // for the log
  /// An ERROR that can be PostgreSQL's word about the statement: no FATAL, and not of class 08,
  /// which is about connections, and what poolers say when theirs is lost.
  bool is_error = false;
};

/// Whether such a message says for certain that its statement failed and changed nothing, on a
/// session that goes on: what else a server or a pooler says of a connection may come after the
/// bytes were passed on. `severity` as PostgreSQL says it in English; may be null.
bool can_be_believed(const char* severity, std::string_view sqlstate);

/// Statements that are sent together, and PostgreSQL's answers in their order (libpq, "Pipeline
/// Mode"): one round trip for all of them. When one fails PostgreSQL skips those behind it. Until
/// its end nobody else uses the connection, and one that was not finished leaves a connection that
/// is to be thrown away. Through a pooler in transaction mode it stays on one session, since that
/// is not given back before the end of the transaction.
class Pipeline {
public:
  /// `prepared`: each statement is prepared once a session, by its name.
  Pipeline(Connection& connection, bool prepared);
  ~Pipeline() = default;
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// Queues a statement; whether it could be (if not, the connection is broken).
  [[nodiscard]] bool add(const Statement& statement, const Parameters& parameters = {});
  /// Begins to send what is queued; whether the connection took it.
  [[nodiscard]] bool send();

  /// Goes on sending, without waiting: whether all of it has left, or never will.
  [[nodiscard]] bool has_left();

  /// Takes what has arrived, without waiting: whether next() will find the answers to all that was
  /// sent, or that the connection broke. The socket (PQsocket) tells when to ask again.
  [[nodiscard]] bool has_arrived();

  /// The answer to the next statement, after has_arrived(). Exactly one of the first two is there.
  struct Answer {
    std::optional<Reply> reply;
    Failure failure;
    bool warned = false; // PostgreSQL said a WARNING with it
  };
  Answer next();

  /// Reads what was not read, up to the mark behind all that was sent, after has_arrived(); whether
  /// the mark came, so that the connection is in step and can be used again.
  bool finish();

private:
  struct Arrived {
    Result result; // may be none
    bool warned = false;
  };

  struct Sent {
    const char* name;
    bool prepares; // it is prepared first, which has an answer of its own
  };

  Result take();
  Result next_result();
  Arrived from_libpq();

  Connection& connection_;
  bool prepared_;
  std::vector<Sent> sent_;
  std::deque<Arrived> arrived_; // as PQgetResult gave it, the nothings between them as well
  bool warned_ = false;         // with the answer that is being read
  std::size_t read_ = 0;
  bool is_whole_ = false; // the connection took all of it: it will be answered
  bool in_step_ = false;  // the mark behind all of it was read
};

} // namespace regroup::db
