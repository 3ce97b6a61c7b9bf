#pragma once
// A deterministic stage for actors: the test chooses which of them runs next and what time it is.
#include "actors/directory.hpp"
#include "actors/dispatcher.hpp"
#include "actors/group.hpp"

#include <caf/scheduler/test_coordinator.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(regroup::domain::Left)

namespace regroup::test {

using namespace std::chrono_literals;

/// What a client got; neither while it waits.
struct Reply {
  std::optional<domain::Answer> answer;
  std::optional<caf::error> error;

  bool refused(domain::Refused reason) const;
  bool completed() const;
  const domain::Refusal& refusal() const; // throws std::bad_variant_access when it is none
};
using ReplyPtr = std::shared_ptr<Reply>;

using answer_atom = caf::atom_constant<caf::atom("answer")>;
using fail_atom = caf::atom_constant<caf::atom("fail")>;
using leave_atom = caf::atom_constant<caf::atom("leave")>;
using broken_atom = caf::atom_constant<caf::atom("broken")>;
using connected_atom = caf::atom_constant<caf::atom("connected")>;

/// Stands for a worker or for a dispatcher: keeps every job until the test lets it go.
using HeldActor = actors::WorkerActor::extend<
    caf::replies_to<actors::execute_atom, domain::Job>::with<domain::Answer>, // as a dispatcher
    caf::reacts_to<broken_atom, domain::Left, bool>, // the first job's connection broke; silently?
    caf::reacts_to<connected_atom, bool>,            // a try to connect that was held has ended
    caf::reacts_to<answer_atom, std::size_t, domain::Answer>, // answers the n-th job, if held
    caf::reacts_to<fail_atom>,                                // answers the first with an error
    caf::reacts_to<leave_atom>>;                              // ends without a word

struct HeldState {
  HeldState() = default;
  static inline const char* name = "test.held";
  using AsDispatcher = caf::typed_response_promise<domain::Answer>;
  using AsWorker = caf::typed_response_promise<domain::Worked>;
  std::vector<domain::Job> jobs; // held, the oldest first
  std::vector<std::variant<AsDispatcher, AsWorker>> promises;
  std::optional<bool> connects = true; // how a try ends; absent: it is held
  int tries = 0;                       // to connect
  int listened = 0;
  std::vector<bool> doubted; // of the jobs that came, as a worker
  std::vector<caf::typed_response_promise<bool>> connecting;
  std::size_t told = 0; // how often it was told an answer
};
HeldActor::behavior_type held(HeldActor::stateful_pointer<HeldState> self, caf::unit_t);

/// The argument is for UBSan: without one CAF 0.17 (`init_fun_factory.hpp`) binds a null reference.
template <class Parent> HeldActor spawn_held(Parent& parent) {
  return parent.spawn(held, caf::unit);
}

class TestConfig : public caf::actor_system_config {
public:
  TestConfig();
};

template <class State, class Interface, class Handle> State& state_of(const Handle& handle) {
  auto* actor = caf::actor_cast<caf::abstract_actor*>(handle);
  return dynamic_cast<caf::stateful_actor<State, typename Interface::base>&>(*actor).state;
}
template <class Handle> bool alive(const Handle& handle) {
  return !caf::actor_cast<caf::abstract_actor*>(handle)->getf(
      caf::abstract_actor::is_terminated_flag);
}

/// After each message that is handled it checks that no registration group has two live actors,
/// and that none retires while it is busy.
class ActorTest {
public:
  ActorTest();
  ~ActorTest(); // stops everything; what the test left held dies first

  void spawn_dispatcher(actors::DispatcherSettings settings); // of held workers
  void spawn_directory(actors::DispatcherActor to);           // idle timeout: 30 s

  domain::MigrationPtr command(const std::string& group) const; // deadline: in 30 s
  ReplyPtr migrate(domain::MigrationPtr migration);             // asks the directory
  ReplyPtr migrate(const std::string& group) { return migrate(command(group)); }
  ReplyPtr undo(const std::string& group); // asks the directory
  ReplyPtr execute(domain::Job job);       // asks the dispatcher
  ReplyPtr check(const actors::HealthActor& health, domain::CheckHealth query);

  bool step();                   // lets the next actor handle one message; false when there is none
  void run();                    // until there is nothing more to do; time stands still
  void pass(caf::timespan time); // what falls due is put into mailboxes, not yet handled
  domain::Deadline now() { return scheduler.clock().now(); }

  static HeldState& held_by(const HeldActor& actor);
  void answer(const HeldActor& actor, domain::Answer answer, std::size_t which = 0);
  void breaks(const HeldActor& worker, domain::Left left, bool silently = false);
  void connected(const HeldActor& worker, bool how); // a try that was held
  void end(const caf::actor_addr& actor, caf::exit_reason reason);

  actors::DirectoryState& directory_state();
  actors::DispatcherState& dispatcher_state();
  actors::GroupActor group(const std::string& id) { return directory_state().groups.at(id).actor; }
  std::size_t running() { return system.registry().running(); }

  TestConfig config;
  domain::Metrics metrics;
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& scheduler =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  std::size_t running_before = running();
  std::vector<HeldActor> workers; // in the order in which the dispatcher made them
  actors::DispatcherActor dispatcher;
  actors::DirectoryActor directory;

private:
  void check_groups();
  template <class Handle, class Message> ReplyPtr ask(const Handle& to, Message message);

  std::map<std::string, std::vector<actors::GroupActor>> seen_; // the live ones, by group
  std::vector<caf::actor> clients_;
};

/// What the database finds on record for a RecallMigration: `already_migrated` for every asker.
domain::Answer recalled(const domain::Job& job);
domain::Answer nothing_recalled(); // undone since

domain::Answer completed(const domain::MigrationPtr& migration);
domain::Answer completed();
domain::Answer undone();
domain::Answer refusal(domain::Refused reason);

} // namespace regroup::test
