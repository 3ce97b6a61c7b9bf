#include "http/exchange.hpp"

#include <atomic>
#include <list>
#include <utility>
#include <vector>

namespace regroup::http {
namespace {

using Clock = std::chrono::steady_clock;

/// One request under way. After it was sent to its exchange actor, only that actor touches it.
struct Ticket {
  domain::Job job;
  Gateway::MigrationCallbacks callbacks; // of a migration; any other job has `done` alone
  Clock::time_point tell_running = Clock::time_point::max();
  Clock::time_point give_up;
  bool unproven = false; // of a caller who is not known yet
  bool told = false;     // the caller has been answered

  domain::MigrationPtr migration() const {
    const auto* migration = std::get_if<domain::MigrationPtr>(&job);
    return migration ? *migration : nullptr;
  }
};
using TicketPtr = std::shared_ptr<Ticket>;

} // namespace
} // namespace regroup::http

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::http::TicketPtr)

namespace regroup::http {
namespace {

using domain::Answer;
using domain::Refusal;
using domain::Refused;
using submit_atom = caf::atom_constant<caf::atom("submit")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;

/// How exactly `async_after` and the request timeout are kept. One timer for all requests, since
/// CAF's cannot be taken back: one each would outlive most requests by half a minute.
constexpr auto kTick = std::chrono::milliseconds{20};

using ExchangeActor =
    caf::typed_actor<caf::reacts_to<submit_atom, TicketPtr>, // from an HTTP thread
                     caf::reacts_to<tick_atom>>;             // from itself, while anything is open

struct ExchangeState {
  ExchangeState() = default;
  static inline const char* name = "regroup.exchange";
  std::list<TicketPtr> open;
  bool ticking = false;
};

/// Jobs that must be answered however much real work is queued, and must not hold that up. They
/// take no lock that anybody waits for.
bool is_aside(const domain::Job& job) {
  const auto* status = std::get_if<domain::FindMigration>(&job);
  return (status && status->aside) || std::holds_alternative<domain::PlanMigration>(job) ||
         std::holds_alternative<domain::NoteRunning>(job) ||
         std::holds_alternative<domain::TellProgress>(job) ||
         std::holds_alternative<domain::EndRunning>(job);
}

/// Nobody knows what became of the job: of a migration, its id lets the caller find out.
Answer no_answer(const Ticket& ticket) {
  Refusal refusal{Refused::timeout};
  if (const auto migration = ticket.migration())
    refusal.migration_id = migration->migration_id;
  return refusal;
}

void tell(Ticket& ticket, const Answer& answer) {
  if (!std::exchange(ticket.told, true))
    ticket.callbacks.done(answer);
}

void tell_running(Ticket& ticket) {
  if (!std::exchange(ticket.told, true))
    ticket.callbacks.still_running();
}

void end(Ticket& ticket, const Answer& outcome) {
  // Later than `async_after` is 202, also when the clock's own message lost the race: a
  // lock_timeout of the same length must not win.
  if (Clock::now() >= ticket.tell_running)
    tell_running(ticket);
  tell(ticket, outcome);
  if (ticket.callbacks.ended)
    ticket.callbacks.ended(outcome);
}

void keep_time(Ticket& ticket, Clock::time_point now) {
  if (now >= ticket.tell_running)
    tell_running(ticket);
  if (now >= ticket.give_up)
    tell(ticket, no_answer(ticket));
}

ExchangeActor::behavior_type exchange(ExchangeActor::stateful_pointer<ExchangeState> self,
                                      const Parties& parties) {
  self->set_exit_handler([self](const caf::exit_msg& stop) {
    for (const auto& ticket : self->state.open)
      end(*ticket, no_answer(*ticket));
    self->state.open.clear();
    self->quit(stop.reason);
  });
  const auto tick_later = [self] {
    if (!std::exchange(self->state.ticking, true))
      self->delayed_send(self, kTick, tick_atom::value);
  };
  return {
      [=](submit_atom, const TicketPtr& ticket) {
        auto& open = self->state.open;
        const auto place = open.insert(open.end(), ticket);
        const auto finish = [self, place](const Answer& answer) {
          const TicketPtr ended = *place;
          self->state.open.erase(place);
          end(*ended, answer);
        };
        const auto fail = [finish, ticket](const caf::error&) { finish(no_answer(*ticket)); };
        if (const auto migration = ticket->migration())
          self->request(parties.directory, caf::infinite, actors::migrate_atom::value, migration)
              .then(finish, fail);
        else if (const auto* undo = std::get_if<domain::UndoPtr>(&ticket->job))
          self->request(parties.directory, caf::infinite, actors::undo_atom::value, *undo)
              .then(finish, fail);
        else if (const auto* check = std::get_if<domain::CheckHealth>(&ticket->job))
          self->request(parties.health, caf::infinite, actors::check_atom::value, *check)
              .then(finish, fail);
        else if (std::holds_alternative<domain::AdminJob>(ticket->job) ||
                 std::holds_alternative<domain::EventJob>(ticket->job))
          self->request(parties.back_office, caf::infinite, actors::execute_atom::value,
                        ticket->job)
              .then(finish, fail);
        else
          self->request(ticket->unproven        ? parties.unproven
                        : is_aside(ticket->job) ? parties.aside
                                                : parties.dispatcher,
                        caf::infinite, actors::execute_atom::value, ticket->job)
              .then(finish, fail);
        tick_later();
      },
      [=](tick_atom) {
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
  Exchange(caf::actor_system& system, const Parties& parties, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      actors_.push_back(system.spawn(exchange, parties));
  }

  ~Exchange() override {
    for (const auto& each : actors_)
      caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  }

  void ask(domain::Job job, std::chrono::milliseconds patience, Done done) override {
    auto ticket = std::make_shared<Ticket>();
    ticket->job = std::move(job);
    ticket->callbacks.done = std::move(done);
    ticket->give_up = Clock::now() + patience;
    submit(std::move(ticket));
  }

  void ask_unproven(domain::CheckApiKey check, std::chrono::milliseconds patience,
                    Done done) override {
    auto ticket = std::make_shared<Ticket>();
    ticket->job = std::move(check);
    ticket->unproven = true;
    ticket->callbacks.done = std::move(done);
    ticket->give_up = Clock::now() + patience;
    submit(std::move(ticket));
  }

  void migrate(domain::MigrationPtr command, std::chrono::milliseconds async_after,
               std::chrono::milliseconds patience, MigrationCallbacks callbacks) override {
    auto ticket = std::make_shared<Ticket>();
    ticket->job = std::move(command);
    ticket->callbacks = std::move(callbacks);
    const auto now = Clock::now();
    ticket->give_up = now + patience;
    if (async_after < patience)
      ticket->tell_running = now + async_after;
    submit(std::move(ticket));
  }

private:
  void submit(TicketPtr ticket) {
    caf::anon_send(actors_[number_of_this_thread() % actors_.size()], submit_atom::value,
                   std::move(ticket));
  }

  /// A thread asks its own actor: two that ask one wait for each other.
  static std::size_t number_of_this_thread() {
    static std::atomic<std::size_t> threads{0};
    thread_local const std::size_t number = threads.fetch_add(1, std::memory_order_relaxed);
    return number;
  }

  std::vector<ExchangeActor> actors_;
};

} // namespace

std::unique_ptr<Gateway> make_exchange(caf::actor_system& system, const Parties& parties,
                                       std::size_t count) {
  return std::make_unique<Exchange>(system, parties, count);
}

} // namespace regroup::http
