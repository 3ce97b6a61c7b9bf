#pragma once
#include "config/settings.hpp"
#include "db/connector.hpp"
#include "db/schema/schema.hpp"
#include "db/servers.hpp"
#include "domain/log.hpp"
#include "domain/metrics.hpp"
#include "domain/store.hpp"

#include <functional>
#include <memory>

namespace regroup::db {

/// domain::Store on PostgreSQL, over one connection.
class PgStore final : public domain::Store {
public:
  /// The references must outlive the store and its jobs.
  PgStore(const config::Settings::Database& settings, std::shared_ptr<Servers> servers,
          Connector& connector, const SchemaFacts& facts, domain::Log& log,
          domain::Metrics& metrics);
  ~PgStore() override;

  void connect(std::function<void(bool)> done) noexcept override;
  void run(domain::Job job, bool doubted,
           std::function<void(domain::Worked)> done) noexcept override;
  void end_silence() noexcept override;

private:
  class Jobs;

  std::shared_ptr<Jobs> jobs_; // shared with the jobs that are running
  asio::any_io_executor loop_;
};

} // namespace regroup::db
