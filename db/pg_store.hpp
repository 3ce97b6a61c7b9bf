#pragma once
#include "config/settings.hpp"
#include "db/schema.hpp"
#include "db/session.hpp"
#include "domain/log.hpp"
#include "domain/store.hpp"

namespace regroup::db {

/// domain::Store on PostgreSQL: one connection, opened when the first job comes.
class PgStore final : public domain::Store {
public:
  /// `log` and `metrics` outlive the store.
  PgStore(const config::Settings::Database& settings, const SchemaFacts& facts, domain::Log& log,
          domain::Metrics& metrics);

  domain::Answer execute(const domain::Job& job) noexcept override;

private:
  Session session_;
  SchemaFacts facts_;
  domain::Log& log_;
  domain::Metrics& metrics_;
};

} // namespace regroup::db
