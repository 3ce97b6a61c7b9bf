#include "db/pipeline.hpp"

#include <charconv>
#include <libpq-fe.h>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace regroup::db {
namespace {

PgResult owned(PGresult* result) { return {result, &PQclear}; }

bool is_success(const PgResult& result) {
  const auto status = PQresultStatus(result.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

Failure failure_of(const PgResult& result, const PGconn* connection) {
  const char* sqlstate = result ? PQresultErrorField(result.get(), PG_DIAG_SQLSTATE) : nullptr;
  if (sqlstate == nullptr) // libpq's own message, or none
    return {{}, result ? PQresultErrorMessage(result.get()) : PQerrorMessage(connection), false};
  return {
      sqlstate, PQresultErrorMessage(result.get()),
      can_be_believed(PQresultErrorField(result.get(), PG_DIAG_SEVERITY_NONLOCALIZED), sqlstate)};
}

} // namespace

bool can_be_believed(const char* severity, std::string_view sqlstate) {
  return severity != nullptr && std::string_view{severity} == "ERROR" &&
         !sqlstate.starts_with("08") && !sqlstate.starts_with("57P");
}

std::size_t Reply::rows() const { return static_cast<std::size_t>(PQntuples(result_.get())); }

bool Reply::is_null(std::size_t row, const char* column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), column_of(column)) != 0;
}

std::string_view Reply::text(std::size_t row, const char* column) const {
  const int at = column_of(column);
  return {PQgetvalue(result_.get(), static_cast<int>(row), at),
          static_cast<std::size_t>(PQgetlength(result_.get(), static_cast<int>(row), at))};
}

std::int64_t Reply::number(std::size_t row, const char* column) const {
  const std::string_view digits = text(row, column);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size())
    throw std::runtime_error("the database holds no number where one belongs");
  return value;
}

std::string_view Reply::tag() const { return PQcmdStatus(result_.get()); }

int Reply::column_of(const char* name) const {
  // PQfnumber makes a copy of the name each time, in lower case.
  const std::string_view wanted{name};
  const int columns = PQnfields(result_.get());
  for (int column = 0; column < columns; ++column)
    if (wanted == PQfname(result_.get(), column))
      return column;
  throw std::logic_error(std::string{"no column "} + name);
}

Pipeline::Pipeline(Connection& connection, bool prepared)
    : connection_(connection), prepared_(prepared) {
  connection_.forget_warnings();
  PQenterPipelineMode(connection_.handle());
}

bool Pipeline::finish() {
  if (!std::exchange(is_whole_, false))
    return in_step_;
  while (read_ < sent_.size())
    next();
  const auto mark = next_result(); // none if the connection broke
  in_step_ = mark && PQresultStatus(mark.get()) == PGRES_PIPELINE_SYNC &&
             PQexitPipelineMode(connection_.handle()) != 0;
  return in_step_;
}

bool Pipeline::add(const Statement& statement, const Parameters& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& each : parameters)
    values.push_back(each ? each->c_str() : nullptr);
  const int count = static_cast<int>(values.size());
  PGconn* to = connection_.handle();
  if (!prepared_) {
    sent_.push_back({statement.name, false});
    return PQsendQueryParams(to, statement.sql, count, nullptr, values.data(), nullptr, nullptr,
                             0) != 0;
  }
  const bool is_new = connection_.prepared().emplace(statement.name).second;
  sent_.push_back({statement.name, is_new});
  if (is_new && PQsendPrepare(to, statement.name, statement.sql, 0, nullptr) == 0)
    return false;
  return PQsendQueryPrepared(to, statement.name, count, values.data(), nullptr, nullptr, 0) != 0;
}

bool Pipeline::send() {
  is_whole_ = PQpipelineSync(connection_.handle()) != 0;
  return is_whole_;
}

bool Pipeline::has_left() { return PQflush(connection_.handle()) != 1; }

bool Pipeline::has_arrived() {
  PGconn* from = connection_.handle();
  if (PQconsumeInput(from) == 0)
    return true;
  while (PQisBusy(from) == 0) {
    arrived_.push_back(from_libpq());
    const PgResult& last = arrived_.back().result;
    if (last && PQresultStatus(last.get()) == PGRES_PIPELINE_SYNC)
      return true;
    if (PQstatus(from) == CONNECTION_BAD)
      return true;
  }
  return false;
}

Pipeline::Answer Pipeline::next() {
  const Sent& statement = sent_.at(read_++);
  warned_ = false;
  PgResult prepared;
  if (statement.prepares) {
    prepared = take();
    if (!prepared || !is_success(prepared))
      connection_.prepared().erase(statement.name);
  }
  const PgResult result = take();
  if (statement.prepares && (!prepared || !is_success(prepared)))
    return {std::nullopt, failure_of(prepared, connection_.handle()), warned_};
  if (!result || !is_success(result))
    return {std::nullopt, failure_of(result, connection_.handle()), warned_};
  return {Reply{result}, {}, warned_};
}

/// The one result of a statement; also takes the null that follows it.
PgResult Pipeline::take() {
  auto result = next_result();
  if (result)
    next_result();
  return result;
}

PgResult Pipeline::next_result() {
  const Arrived next = taken_ < arrived_.size() ? std::move(arrived_[taken_++]) : from_libpq();
  warned_ = warned_ || next.warned;
  return next.result;
}

/// libpq passes notices to the receiver as results are read, so they belong to the result just
/// read.
Pipeline::Arrived Pipeline::from_libpq() {
  auto result = owned(PQgetResult(connection_.handle()));
  const bool warned = connection_.warned();
  connection_.forget_warnings();
  return {std::move(result), warned};
}

} // namespace regroup::db
