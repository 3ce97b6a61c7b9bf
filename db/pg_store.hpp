#pragma once
#include "config/settings.hpp"
#include "db/migration.hpp"
#include "db/one_trip.hpp"
#include "db/schema.hpp"
#include "db/servers.hpp"
#include "db/session.hpp"
#include "db/settlement.hpp"
#include "domain/log.hpp"
#include "domain/store.hpp"

#include <memory>
#include <optional>

namespace regroup::db {

/// domain::Store on PostgreSQL: one connection.
class PgStore final : public domain::Store {
public:
  /// `log` and `metrics` outlive the store.
  PgStore(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
          const SchemaFacts& facts, domain::Log& log, domain::Metrics& metrics);

  bool connect() noexcept override;
  bool is_connected() const noexcept override { return session_.is_connected(); }
  domain::Ran execute(const domain::Job& job, bool doubted) noexcept override;
  /// Migrations and reads of their records, over a connection that is open.
  std::optional<int> begin(const domain::Job& job) noexcept override;
  Progressed proceed() noexcept override;
  domain::Ran finish() noexcept override;
  void end_silence() noexcept override { session_.end_silence(); }
  bool was_silent() const noexcept override { return session_.was_silent(); }

private:
  template <class Call>
  domain::Ran answered(const std::optional<domain::Operation>& operation, Call call) noexcept;
  void allow(const domain::Job& job);
  bool answers();
  domain::Answer run(const domain::Job& job, bool again);
  domain::Answer answer_to(const NotKept& why, bool doubted);
  MigrationTools tools() { return {session_, facts_, log_, metrics_}; }
  OperationTools operation_tools() { return {session_, log_, metrics_}; }

  Session session_;
  SchemaFacts facts_;
  domain::Log& log_;
  domain::Metrics& metrics_;
  std::unique_ptr<UnderWay> under_way_;    // what was begun,
  std::optional<domain::Operation> begun_; // where it is an operation
};

} // namespace regroup::db
