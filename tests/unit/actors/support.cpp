#include "support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace regroup::test {

using domain::Answer;
using domain::Job;

bool Reply::refused(domain::Refused reason) const { return answer && answer->is_refused(reason); }

bool Reply::completed() const { return answer && answer->is<domain::MigrationCompleted>(); }

const domain::Refusal& Reply::refusal() const { return answer.value().get<domain::Refusal>(); }

namespace {

void deliver(std::variant<HeldState::AsDispatcher, HeldState::AsWorker> to, const Answer& answer) {
  if (auto* dispatcher = std::get_if<HeldState::AsDispatcher>(&to))
    dispatcher->deliver(answer);
  else
    std::get<HeldState::AsWorker>(to).deliver(domain::Worked{answer, true});
}

} // namespace

HeldActor::behavior_type held(HeldActor::stateful_pointer<HeldState> self, caf::unit_t) {
  auto take = [self](std::size_t which) {
    auto& state = self->state;
    const auto at = static_cast<std::ptrdiff_t>(which);
    auto promise = state.promises.at(which);
    state.promises.erase(state.promises.begin() + at);
    state.jobs.erase(state.jobs.begin() + at);
    return promise;
  };
  return {
      [self](actors::connect_atom) -> caf::result<bool> {
        auto& state = self->state;
        ++state.tries;
        if (state.connects)
          return *state.connects;
        return state.connecting.emplace_back(self->make_response_promise<bool>());
      },
      [self](actors::execute_atom, const Job& job, bool doubted) -> caf::result<domain::Worked> {
        self->state.jobs.push_back(job);
        self->state.doubted.push_back(doubted);
        auto promise = self->make_response_promise<domain::Worked>();
        self->state.promises.emplace_back(promise);
        return promise;
      },
      [self](actors::listen_atom) { ++self->state.listened; },
      [self](actors::execute_atom, const Job& job) -> caf::result<Answer> {
        self->state.jobs.push_back(job);
        auto promise = self->make_response_promise<Answer>();
        self->state.promises.emplace_back(promise);
        return promise;
      },
      [=](broken_atom, const domain::Left& left, bool silently) {
        std::get<HeldState::AsWorker>(take(0)).deliver(domain::Worked{left, false, silently});
      },
      [self](connected_atom, bool how) {
        auto promise = self->state.connecting.at(0);
        self->state.connecting.erase(self->state.connecting.begin());
        promise.deliver(how);
      },
      [=](answer_atom, std::size_t which, const Answer& answer) {
        ++self->state.told;
        if (which < self->state.jobs.size())
          deliver(take(which), answer);
      },
      [=](fail_atom) {
        std::visit([](auto promise) { promise.deliver(caf::make_error(caf::sec::runtime_error)); },
                   take(0));
      },
      [self](leave_atom) { self->quit(caf::exit_reason::unhandled_exception); },
  };
}

TestConfig::TestConfig() {
  set("scheduler.policy", caf::atom("testing"));
  set("logger.verbosity", caf::atom("quiet"));
}

ActorTest::ActorTest() = default;

ActorTest::~ActorTest() {
  const auto stop = [this](const auto& handle, caf::exit_reason reason) {
    if (handle)
      caf::anon_send_exit(handle, reason);
    scheduler.run(100'000);
  };
  stop(directory, caf::exit_reason::user_shutdown);
  stop(dispatcher, caf::exit_reason::user_shutdown);
  for (const auto& worker : workers)
    stop(worker, caf::exit_reason::kill);
  for (const auto& [id, actors] : seen_)
    for (const auto& actor : actors)
      stop(actor, caf::exit_reason::kill);
  for (const auto& client : clients_)
    stop(client, caf::exit_reason::kill);
}

void ActorTest::spawn_dispatcher(actors::DispatcherSettings settings) {
  auto make = [this](caf::local_actor& self) -> actors::WorkerActor {
    return workers.emplace_back(spawn_held(self));
  };
  dispatcher = actors::spawn_dispatcher(system, make, settings, metrics);
  run();
}

void ActorTest::spawn_directory(actors::DispatcherActor to) {
  directory = actors::spawn_directory(system, std::move(to), 30s, metrics);
  run();
}

domain::MigrationPtr ActorTest::command(const std::string& group) const {
  domain::MigrationCommand command;
  command.migration_id = domain::Uuid::time_ordered();
  command.user_id = domain::Uuid::random();
  command.registration_group_id = group;
  command.deadline = scheduler.clock().now() + 30s;
  return std::make_shared<domain::MigrationCommand>(std::move(command));
}

template <class Handle, class Message> ReplyPtr ActorTest::ask(const Handle& to, Message message) {
  using atom = std::conditional_t<
      std::is_same_v<Message, Job>, actors::execute_atom,
      std::conditional_t<std::is_same_v<Message, domain::CheckHealth>, actors::check_atom,
                         std::conditional_t<std::is_same_v<Message, domain::UndoPtr>,
                                            actors::undo_atom, actors::migrate_atom>>>;
  auto reply = std::make_shared<Reply>();
  auto client = [reply](caf::event_based_actor* self, Handle whom, Message what) {
    self->request(whom, caf::infinite, atom::value, what)
        .then([reply](const Answer& answer) { reply->answer = answer; },
              [reply](const caf::error& error) { reply->error = error; });
  };
  clients_.push_back(system.spawn(client, to, std::move(message)));
  return reply;
}

ReplyPtr ActorTest::migrate(domain::MigrationPtr migration) {
  return ask(directory, std::move(migration));
}
ReplyPtr ActorTest::undo(const std::string& group) {
  domain::UndoCommand command{};
  command.registration_group_id = group;
  command.deadline = scheduler.clock().now() + 30s;
  return ask(directory, std::make_shared<const domain::UndoCommand>(std::move(command)));
}
ReplyPtr ActorTest::execute(Job job) { return ask(dispatcher, std::move(job)); }

ReplyPtr ActorTest::check(const actors::HealthActor& health, domain::CheckHealth query) {
  return ask(health, query);
}

bool ActorTest::step() {
  const bool did = scheduler.try_run_once();
  check_groups();
  return did;
}

void ActorTest::run() {
  for (int messages = 0; step(); ++messages)
    if (messages == 100'000)
      throw std::runtime_error("the actors never come to rest");
}

void ActorTest::pass(caf::timespan time) { scheduler.advance_time(time); }

HeldState& ActorTest::held_by(const HeldActor& actor) {
  return state_of<HeldState, HeldActor>(actor);
}

void ActorTest::answer(const HeldActor& actor, Answer answer, std::size_t which) {
  REQUIRE(held_by(actor).jobs.size() > which);
  caf::anon_send(actor, answer_atom::value, which, std::move(answer));
  run();
}

void ActorTest::breaks(const HeldActor& worker, domain::Left left, bool silently) {
  REQUIRE_FALSE(held_by(worker).jobs.empty());
  caf::anon_send(worker, broken_atom::value, std::move(left), silently);
  run();
}

void ActorTest::connected(const HeldActor& worker, bool how) {
  REQUIRE_FALSE(held_by(worker).connecting.empty());
  caf::anon_send(worker, connected_atom::value, how);
  run();
}

void ActorTest::end(const caf::actor_addr& actor, caf::exit_reason reason) {
  caf::anon_send_exit(actor, reason);
  run();
}

actors::DirectoryState& ActorTest::directory_state() {
  return state_of<actors::DirectoryState, actors::DirectorySelf>(directory);
}

actors::DispatcherState& ActorTest::dispatcher_state() {
  return state_of<actors::DispatcherState, actors::DispatcherSelf>(dispatcher);
}

void ActorTest::check_groups() {
  if (!directory || !alive(directory))
    return;
  const auto& state = directory_state();
  for (const auto& [id, entry] : state.groups) {
    auto& known = seen_[id];
    if (std::find(known.begin(), known.end(), entry.actor) == known.end())
      known.push_back(entry.actor);
    if (entry.retiring && !state.stopping && alive(entry.actor) &&
        state_of<actors::GroupState, actors::GroupActor>(entry.actor).busy())
      FAIL_CHECK("a group retires while something runs in it: others wait for that");
  }
  for (auto& [id, known] : seen_) {
    std::erase_if(known, [](const auto& actor) { return !alive(actor); });
    if (known.size() > 1)
      FAIL_CHECK("two live actors for the registration group " << id);
  }
}

Answer recalled(const Job& job) {
  const auto& query = job.get<domain::RecallMigration>();
  domain::MigrationRecalled found;
  for (const auto& user : query.users)
    found.answers.push_back({.reason = domain::Refused::already_migrated,
                             .registration_group_id = query.registration_group_id,
                             .migration_id = user}); // so that a test can tell whose answer it is
  return Answer{std::move(found)};
}
Answer nothing_recalled() { return Answer{domain::MigrationRecalled{}}; }

Answer completed(const domain::MigrationPtr& migration) {
  domain::MigrationCompleted outcome{};
  outcome.migration_id = migration->migration_id;
  return Answer{std::move(outcome)};
}
Answer completed() { return Answer{domain::MigrationCompleted{}}; }
Answer undone() { return Answer{domain::MigrationUndone{}}; }
Answer refusal(domain::Refused reason) { return domain::Refusal{.reason = reason}; }

} // namespace regroup::test
