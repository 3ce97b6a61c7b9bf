#include "actors/loop_scheduler.hpp"
#include "actors/system.hpp"
#include "app/banner.hpp"
#include "app/commands.hpp"
#include "app/file_limit.hpp"
#include "app/foundation.hpp"
#include "app/memory.hpp"
#include "app/notify.hpp"
#include "app/reload.hpp"
#include "app/signals.hpp"
#include "db/call_probe.hpp"
#include "db/connector.hpp"
#include "db/pg_store.hpp"
#include "db/schema/schema.hpp"
#include "db/servers.hpp"
#include "events/sender.hpp"
#include "http/api.hpp"
#include "http/exchange.hpp"
#include "http/server/io_context.hpp"
#include "http/server/server.hpp"
#include "telemetry/prometheus.hpp"
#include "text/unicode.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace regroup::app {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Phase = http::Lifecycle::Phase;

/// How often unused memory and expired entries are released.
constexpr auto kHousekeeping = 5s;

/// How long connections that are still open when all is answered may take to send one more request
/// and get an answer that closes them. Idle ones are then closed without an answer, as any idle
/// connection may be.
constexpr auto kFarewell = 1s;

/// How long the actors may take to end once every request is answered.
constexpr auto kLastWords = 2s;

/// How many jobs may wait for the one connection beside the pool.
constexpr std::size_t kMostAside = 1000;

/// Open files for everything but callers, the database and webhooks: the log, keys, what libraries
/// open, and a name look-up for a webhook, which takes three for a moment. Connections that are
/// closing (http/server/connection.cpp) may take some of the callers'; accept then waits, and goes
/// on.
constexpr std::size_t kOtherFiles = 48;

/// Webhook deliveries at once, each with a socket.
constexpr std::size_t kMostDeliveries = 64;

struct ActorConfig : caf::actor_system_config {
  explicit ActorConfig(domain::EventLoop& loop) {
    actors::schedule_on(loop, *this);
    set("logger.verbosity", caf::atom("quiet"));
  }
};

std::size_t threads_of(const config::Settings& settings) {
  return settings.http.threads > 0 ? settings.http.threads
                                   : std::max(1U, std::thread::hardware_concurrency());
}

/// How many callers and webhook deliveries the open-file limit allows at once.
struct FileBudget {
  std::size_t connections = 0;
  std::size_t deliveries = 0;
};

FileBudget file_budget(const config::Settings& settings, domain::Log& log) {
  const std::size_t wanted = settings.http.max_connections;
  // A database connection takes two files: libpq's socket, and the one that watches it.
  const std::size_t others =
      2 * (settings.database.pool_size + config::Settings::Database::beside_the_pool) +
      threads_of(settings) + kOtherFiles;
  const std::size_t files = raise_file_limit(wanted + kMostDeliveries + others);
  if (files < others + 2)
    throw std::runtime_error("the limit of open files (ulimit -n) must be above " +
                             std::to_string(others + 1));
  FileBudget budget;
  budget.deliveries = std::min(kMostDeliveries, (files - others) / 2);
  budget.connections = std::min(wanted, files - others - budget.deliveries);
  if (budget.connections < wanted)
    log.event(domain::LogLevel::warning, "http.fewer_connections",
              {{"max_connections", static_cast<std::int64_t>(budget.connections)},
               {"webhooks_at_once", static_cast<std::int64_t>(budget.deliveries)},
               {"open_files_limit", static_cast<std::int64_t>(files)}});
  return budget;
}

/// Refuses a database whose advisory lock does not exclude, then brings its tables and guards up to
/// date.
db::SchemaFacts prepare_database(const config::Settings& settings, domain::Log& log) {
  if (!db::advisory_lock_excludes(settings.database))
    throw std::runtime_error("database.url: its advisory lock does not keep a second session out; "
                             "run `regroup doctor`");
  db::apply_schema(settings.database, log);
  return db::read_schema_facts(settings.database);
}

/// `host:port`: names this replica for administrators and in pg_stat_activity.
std::string replica_name(const config::Settings& settings) {
  std::array<char, HOST_NAME_MAX + 1> host{};
  if (gethostname(host.data(), host.size() - 1) != 0)
    return "localhost:" + std::to_string(settings.http.port);
  return std::string{host.data()} + ":" + std::to_string(settings.http.port);
}

/// PostgreSQL truncates a session's name to 63 bytes.
config::Settings::Database named_database(const config::Settings& settings) {
  auto database = settings.database;
  database.application_name = "regroup/" + replica_name(settings);
  return database;
}

/// Everything that serves, from the workers up to the HTTP server.
class Service {
public:
  Service(const config::Settings& settings, const db::SchemaFacts& facts, domain::Log& log)
      : log_(log), files_(file_budget(settings, log)), tokens_(jwt_settings(settings)),
        limiter_(settings.limits.requests_per_minute), loop_(threads_of(settings), log),
        connector_(http::LoopExecutor{loop_}), config_(loop_), system_(config_),
        servers_(std::make_shared<db::Servers>(named_database(settings))),
        dispatcher_(actors::spawn_dispatcher(
            system_, workers(settings, facts, log),
            {settings.database.pool_size, settings.database.queue_limit}, metrics_)),
        aside_(actors::spawn_dispatcher(system_, workers(settings, facts, log),
                                        {config::Settings::Database::aside_connections, kMostAside},
                                        not_measured_, dispatcher_)),
        back_office_(actors::spawn_dispatcher(
            system_, workers(settings, facts, log),
            {config::Settings::Database::back_office_connections, settings.database.queue_limit},
            not_measured_, dispatcher_)),
        directory_(actors::spawn_directory(system_, dispatcher_,
                                           settings.migration.group_idle_timeout, metrics_)),
        unproven_(actors::spawn_lane(system_, back_office_, {})),
        health_(actors::spawn_health(system_, dispatcher_)),
        settler_(actors::spawn_settler(system_, dispatcher_, metrics_)),
        gateway_(http::make_exchange(
            system_, {directory_, health_, dispatcher_, aside_, unproven_, back_office_, settler_},
            threads_of(settings), log)),
        api_({settings.http.request_timeout, settings.migration.async_after,
              settings.http.max_body_bytes, settings.limits.max_devices_per_group,
              settings.migration.rollback_window, settings.migration.require_owner,
              settings.migration.link_age, replica_name(settings),
              settings.webhooks.allow_private_addresses},
             {tokens_, unicode_, limiter_, *gateway_, lifecycle_, log, metrics_}),
        sender_(
            {settings.webhooks.timeout, settings.webhooks.allow_private_addresses,
             files_.deliveries},
            [this](domain::Job job) { return ask_and_wait(std::move(job)); }, log),
        server_(loop_,
                {settings.http.address, settings.http.port, settings.http.request_timeout,
                 settings.http.max_body_bytes, settings.http.max_buffered_bytes, files_.connections,
                 settings.http.idle_timeout, settings.http.read_timeout,
                 settings.http.cors_origins},
                api_, lifecycle_, log, metrics_),
        probe_(
            settings.database, servers_, [this](bool work) { lifecycle_.set_calls_work(work); },
            log) {
    tell_skipped_keys();
  }

  /// Call end() first.
  ~Service() = default;
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Stops serving, and sends every actor an exit message. Returns whether all actors have ended
  /// and no database connection is being opened.
  bool end() {
    probe_.stop();
    sender_.stop();
    server_.stop();
    api_.stop();
    gateway_.reset();
    caf::anon_send_exit(health_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(settler_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(unproven_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(directory_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(dispatcher_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(aside_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(back_office_, caf::exit_reason::user_shutdown);
    const auto is_over = [this] {
      return system_.registry().running() == 0 && !connector_.is_busy();
    };
    const auto until = Clock::now() + kLastWords;
    while (!is_over() && Clock::now() < until)
      std::this_thread::sleep_for(1ms);
    return is_over();
  }

  /// Applies the keys and the limits of `settings`, and returns the number of keys. If it throws,
  /// the old ones stay.
  std::size_t take_over(const config::Settings& settings) {
    const std::size_t keys = tokens_.reload(jwt_settings(settings));
    limiter_.set_limit(settings.limits.requests_per_minute);
    api_.set_max_devices_per_group(settings.limits.max_devices_per_group);
    tell_skipped_keys();
    return keys;
  }

  void enter(Phase phase) { lifecycle_.enter(phase); }
  bool owes_nothing() const { return lifecycle_.owed() == 0 && api_.running() == 0; }
  std::int64_t owed() const { return lifecycle_.owed(); }
  void stop_listening() { server_.stop_listening(); }
  bool is_left_alone() const { return owes_nothing() && server_.connections() == 0; }
  std::uint16_t port() const { return server_.port(); }

  void keep_house() {
    metrics_.log_lines_dropped(log_.dropped());
    limiter_.sweep(Clock::now());
    tokens_.sweep();
    if (owes_nothing())
      give_memory_back();
  }

private:
  void tell_skipped_keys() {
    const auto skipped = tokens_.skipped_keys();
    metrics_.token_keys_skipped(skipped.size());
    for (const auto& each : skipped)
      log_.event(domain::LogLevel::warning, "auth.key_skipped",
                 {{"setting", "auth.jwt_jwks_file"}, {"why", std::string_view{each}}});
  }

  actors::WorkerFactory workers(const config::Settings& settings, const db::SchemaFacts& facts,
                                domain::Log& log) {
    return actors::pooled_workers([this, database = settings.database, facts, &log] {
      return std::make_unique<db::PgStore>(database, servers_, connector_, facts, log, metrics_);
    });
  }

  /// Blocks until the answer: for a thread that has nothing else to do.
  domain::Answer ask_and_wait(domain::Job job) {
    std::promise<domain::Answer> promise;
    auto answer = promise.get_future();
    const auto lane = job.traits().lane;
    gateway_->run(std::move(job), lane,
                  [&promise](const domain::Answer& each) { promise.set_value(each); });
    return answer.get();
  }

  domain::Log& log_;
  const FileBudget files_;
  telemetry::PrometheusMetrics metrics_{REGROUP_VERSION};
  text::Utf8procUnicode unicode_;
  http::JwtVerifier tokens_;
  http::RateLimiter limiter_;
  http::Lifecycle lifecycle_;
  http::IoLoop loop_;
  db::Connector connector_;
  ActorConfig config_;
  caf::actor_system system_;
  domain::Metrics not_measured_; // the gauges describe the pool alone
  std::shared_ptr<db::Servers> servers_;
  actors::DispatcherActor dispatcher_;
  actors::DispatcherActor aside_;       // these two have connections outside the pool, and use
  actors::DispatcherActor back_office_; // the pool's if they get none
  actors::DirectoryActor directory_;
  actors::DispatcherActor unproven_; // leads to back_office_, which works when the pool is stuck
  actors::HealthActor health_;
  actors::SettlerActor settler_;
  std::unique_ptr<http::Gateway> gateway_;
  http::Api api_;
  events::Sender sender_;
  http::Server server_;
  db::CallProbe probe_;
};

/// Waits for the condition, a signal to stop, or the end of `span`. Returns whether the signal
/// came.
bool wait_interrupted(Signals& signals, std::chrono::milliseconds span,
                      const std::function<bool()>& condition) {
  const auto until = Clock::now() + span;
  while (!condition() && Clock::now() < until) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (signals.wait(std::min<std::chrono::milliseconds>(rest, 10ms)) == Signals::Came::stop)
      return true;
  }
  return false;
}

/// From the first SIGTERM until every request is answered, or the drain times out or is cut short.
void drain(Service& service, const config::Settings& settings, Signals& signals,
           const Banner& banner, domain::Log& log) {
  log.event(domain::LogLevel::info, "leaving", {});
  banner.leaving();
  service.enter(Phase::leaving);
  const bool hurried = wait_interrupted(signals, settings.http.drain_delay, [] { return false; });
  service.enter(Phase::draining);
  log.event(domain::LogLevel::info, "draining", {{"owed", service.owed()}});
  if (!hurried)
    banner.draining(service.owed());
  if (hurried || wait_interrupted(signals, settings.http.drain_timeout,
                                  [&] { return service.owes_nothing(); }))
    return;
  // A request that is already on its way over an open connection must still get an answer.
  service.stop_listening();
  wait_interrupted(signals, kFarewell, [&] { return service.is_left_alone(); });
}

/// Runs until a signal to stop.
void serve_on(Service& service, Foundation& foundation, config::Settings in_force, Reload how,
              const Signals& signals, const Notifier& manager, domain::Log& log) {
  how.take_over = [&](const config::Settings& settings) {
    return service.take_over(with_embedded_secret(settings));
  };
  const auto pulse = std::min<std::chrono::milliseconds>(
      kHousekeeping, manager.heartbeat().value_or(kHousekeeping));
  while (true) {
    if (manager.heartbeat())
      manager.tell("WATCHDOG=1");
    switch (signals.wait(pulse)) {
    case Signals::Came::stop:
      return;
    case Signals::Came::reload:
      manager.tell_reloading();
      in_force = reload(in_force, how, log);
      manager.tell("READY=1");
      break;
    case Signals::Came::nothing:
      service.keep_house();
      foundation.renew(log);
    }
  }
}

} // namespace

int serve(const config::Settings& given, const Reload& how, domain::Log& log) {
  const Notifier manager;
  Signals signals; // before any other thread, so that this one alone gets the signals
  auto foundation = std::make_unique<Foundation>(given);
  const config::Settings settings = foundation->settings();
  const db::SchemaFacts facts = prepare_database(settings, log);
  auto service = std::make_unique<Service>(settings, facts, log);
  log.event(domain::LogLevel::info, "serving",
            {{"address", std::string_view{settings.http.address}},
             {"port", std::int64_t{service->port()}}});
  const Banner banner{given};
  banner.serving(service->port());
  manager.tell("READY=1");
  serve_on(*service, *foundation, given, how, signals, manager, log);
  manager.tell("STOPPING=1");
  drain(*service, settings, signals, banner, log);
  const bool all_answered = service->owes_nothing();
  log.event(domain::LogLevel::info, "stopped", {{"unanswered", service->owed()}});
  banner.stopped(service->owed());
  if (!all_answered || !service->end()) {
    // A worker may still be waiting for a silent database; the process does not wait for it any
    // longer. Its connection ends with the process, and with it any transaction that has not
    // committed.
    foundation.reset();
    log.flush(kLastWords);
    std::_Exit(0);
  }
  service.reset();
  return 0;
}

} // namespace regroup::app
