#include "http/exchange.hpp"

#include <atomic>
#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace regroup::http {
namespace {

using Clock = std::chrono::steady_clock;

/// One request under way. Once it was sent to its exchange actor, only that actor touches it. If
/// the actor ends and drops it, the destructor answers.
struct Ticket {
  domain::Job job;
  domain::Lane lane;
  std::function<void(const domain::Answer&)> done;
  std::function<void()> still_running; // these two: for a migration
  std::function<void(const domain::Answer&)> at_end;
  Clock::time_point tell_running = Clock::time_point::max();
  Clock::time_point give_up;
  domain::Log& log;
  bool told = false;  // the caller has been answered
  bool ended = false; // the job has come to an outcome

  Ticket(domain::Job what, domain::Lane way, domain::Log& to)
      : job(std::move(what)), lane(way), give_up(job.deadline()), log(to) {}
  ~Ticket() { end(domain::no_outcome(job)); }
  Ticket(const Ticket&) = delete;
  Ticket& operator=(const Ticket&) = delete;

  void tell(const domain::Answer& answer) noexcept {
    if (!std::exchange(told, true))
      guarded([&] { done(answer); });
  }

  void tell_still_running() noexcept {
    if (!std::exchange(told, true))
      guarded([&] { still_running(); });
  }

  void end(const domain::Answer& outcome) noexcept {
    if (std::exchange(ended, true))
      return;
    // An outcome later than `async_after` is answered 202 even if the tick has not come yet: a
    // lock_timeout of the same length must not win the race.
    if (Clock::now() >= tell_running)
      tell_still_running();
    if (at_end)
      guarded([&] { at_end(outcome); });
    tell(outcome);
  }

private:
  /// An exception from a callback must harm only its own request, not all requests of the actor.
  template <class Call> void guarded(const Call& call) noexcept {
    const char* what = "of no known type";
    try {
      return call();
    } catch (const std::exception& why) {
      log_failure(why.what());
    } catch (...) {
      log_failure(what);
    }
  }
  void log_failure(const char* what) const noexcept {
    log.event(domain::LogLevel::error, "http.callback_failed", {{"error", std::string_view{what}}});
  }
};
using TicketPtr = std::shared_ptr<Ticket>;

} // namespace
} // namespace regroup::http

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::http::TicketPtr)

namespace regroup::http {
namespace {

using domain::Answer;
using submit_atom = caf::atom_constant<caf::atom("submit")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;

/// The precision of `async_after` and the request timeout. All requests share one timer, since CAF
/// cannot cancel a delayed message: a timer each would outlive most requests by half a minute.
constexpr auto kTick = std::chrono::milliseconds{20};

using ExchangeActor =
    caf::typed_actor<caf::reacts_to<submit_atom, TicketPtr>, // from an HTTP thread
                     caf::reacts_to<tick_atom>>; // from itself, while any request is open

struct ExchangeState {
  ExchangeState() = default;
  static inline const char* name = "regroup.exchange";
  Parties parties; // kept here so that each request's handlers need no copy of their own
  std::list<TicketPtr> open;
  bool ticking = false;
};

void keep_time(Ticket& ticket, Clock::time_point now) {
  if (now >= ticket.tell_running)
    ticket.tell_still_running();
  if (now >= ticket.give_up)
    ticket.tell(domain::no_outcome(ticket.job));
}

/// The operation, if its outcome is unknown: the settler goes on after the answer.
std::optional<domain::Operation> unsettled(const domain::Job& job, const Answer& outcome) {
  return outcome.is_refused(domain::Refused::timeout) ? job.operation() : std::nullopt;
}

const actors::DispatcherActor& dispatcher_of(domain::Lane lane, const Parties& parties) {
  switch (lane) {
  case domain::Lane::status:
    return parties.aside;
  case domain::Lane::administration:
    return parties.back_office;
  case domain::Lane::unproven:
    return parties.unproven;
  default:
    return parties.dispatcher;
  }
}

ExchangeActor::behavior_type exchange(ExchangeActor::stateful_pointer<ExchangeState> self,
                                      const Parties& parties) {
  self->state.parties = parties;
  self->set_exit_handler([self](const caf::exit_msg& stop) {
    self->state.open.clear(); // dropping the tickets answers them
    self->quit(stop.reason);
  });
  const auto tick_later = [self] {
    if (!std::exchange(self->state.ticking, true))
      self->delayed_send(self, kTick, tick_atom::value);
  };
  return {
      [self, tick_later](submit_atom, const TicketPtr& ticket) {
        const auto& others = self->state.parties;
        auto& open = self->state.open;
        const auto place = open.insert(open.end(), ticket);
        const auto finish = [self, place](const Answer& answer) {
          const TicketPtr ended = *place;
          self->state.open.erase(place);
          if (auto operation = unsettled(ended->job, answer))
            self->send(self->state.parties.settler, actors::settle_atom::value,
                       *std::move(operation));
          ended->end(answer);
        };
        const auto fail = [finish, place](const caf::error&) {
          finish(domain::no_outcome((*place)->job));
        };
        const auto& job = ticket->job;
        if (auto migration = job.shared<domain::MigrationCommand>())
          self->request(others.directory, caf::infinite, actors::migrate_atom::value,
                        std::move(migration))
              .then(finish, fail);
        else if (auto undo = job.shared<domain::UndoCommand>())
          self->request(others.directory, caf::infinite, actors::undo_atom::value, std::move(undo))
              .then(finish, fail);
        else if (const auto* check = job.get_if<domain::CheckHealth>())
          self->request(others.health, caf::infinite, actors::check_atom::value, *check)
              .then(finish, fail);
        else
          self->request(dispatcher_of(ticket->lane, others), caf::infinite,
                        actors::execute_atom::value, job)
              .then(finish, fail);
        tick_later();
      },
      [self, tick_later](tick_atom) {
        self->state.ticking = false;
        const auto now = Clock::now();
        for (const auto& ticket : self->state.open)
          keep_time(*ticket, now);
        if (!self->state.open.empty())
          tick_later();
      },
  };
}

class Exchange final : public Gateway {
public:
  Exchange(caf::actor_system& system, Parties parties, std::size_t count, domain::Log& log)
      : system_(system), parties_(std::move(parties)), log_(log), actors_(count) {
    for (auto& each : actors_)
      each = system_.spawn(exchange, parties_);
  }

  ~Exchange() override {
    for (const auto& each : actors_)
      caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  }

  void migrate(domain::MigrationPtr command, std::chrono::milliseconds async_after,
               MigrationCallbacks callbacks) override {
    auto ticket = std::make_shared<Ticket>(std::move(command), domain::Lane::group, log_);
    const auto tell_running = Clock::now() + async_after;
    if (tell_running < ticket->give_up)
      ticket->tell_running = tell_running;
    ticket->done = untyped(std::move(callbacks.done));
    ticket->still_running = std::move(callbacks.still_running);
    ticket->at_end = untyped(std::move(callbacks.ended));
    submit(std::move(ticket));
  }

  void run(domain::Job job, domain::Lane lane, Answered done) override {
    auto ticket = std::make_shared<Ticket>(std::move(job), lane, log_);
    ticket->done = std::move(done);
    submit(std::move(ticket));
  }

private:
  static Answered untyped(std::function<void(const MigrationResult&)> typed) {
    return [typed = std::move(typed)](const Answer& answer) { typed(MigrationResult{answer}); };
  }

  void submit(TicketPtr ticket) {
    caf::anon_send(actor_of_this_thread(), submit_atom::value, std::move(ticket));
  }

  /// Replaces an actor that has ended. Requests sent to it since then are answered when CAF drops
  /// their tickets.
  ExchangeActor actor_of_this_thread() {
    auto& mine = actors_[number_of_this_thread() % actors_.size()];
    const std::scoped_lock lock{mutex_};
    if (caf::actor_cast<caf::abstract_actor*>(mine)->getf(
            caf::abstract_actor::is_terminated_flag)) {
      log_.event(domain::LogLevel::error, "http.exchange_replaced", {});
      mine = system_.spawn(exchange, parties_);
    }
    return mine;
  }

  /// Each thread uses an actor of its own: two threads that send to one actor contend.
  static std::size_t number_of_this_thread() {
    static std::atomic<std::size_t> threads{0};
    thread_local const std::size_t number = threads.fetch_add(1, std::memory_order_relaxed);
    return number;
  }

  caf::actor_system& system_;
  Parties parties_;
  domain::Log& log_;
  std::mutex mutex_;
  std::vector<ExchangeActor> actors_;
};

} // namespace

std::unique_ptr<Gateway> make_exchange(caf::actor_system& system, const Parties& parties,
                                       std::size_t count, domain::Log& log) {
  return std::make_unique<Exchange>(system, parties, count, log);
}

} // namespace regroup::http
