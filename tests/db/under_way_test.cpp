// Jobs on the event loop of one thread: what waits gives it back.
#include "db/file_descriptor.hpp"
#include "tests/db/support.hpp"

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <sys/socket.h>

#include <algorithm>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

namespace {

class UnderWayTest : public DatabaseTest {
public:
  UnderWayTest() : user(world->add_user()), devices(world->add_devices("camping-2025", 3, user)) {
    store = open_store();
  }

  /// Somebody else has it, and the migration waits.
  void hold(HeldTransaction& holder) {
    holder.exec("SELECT FROM devices WHERE device_id = $1 FOR UPDATE", devices[0].text());
  }
  static bool has_ended(const std::future<domain::Answer>& answer) {
    return answer.wait_for(0s) == std::future_status::ready;
  }
  /// On another connection: the loop has a thread to run it on.
  bool another_job_is_done() {
    return new_store()
        ->execute(domain::CheckHealth{std::chrono::steady_clock::now() + 30s})
        .is<domain::Healthy>();
  }
  void end_sessions() {
    world->sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()");
    REQUIRE(eventually([&] { return sessions() == 0; }));
  }
  int sessions() {
    return world->sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                 "current_database() AND pid <> pg_backend_pid()");
  }

  domain::Uuid user;
  std::vector<domain::Uuid> devices;
  std::unique_ptr<TestStore> store;
};

/// Takes connections in the kernel alone, as a server that is stopped.
class SilentServer {
public:
  SilentServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener_.get(), generic, size) == 0);
    REQUIRE(::listen(listener_.get(), 8) == 0);
    REQUIRE(::getsockname(listener_.get(), generic, &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  std::string url() const {
    return "host=127.0.0.1 port=" + std::to_string(port_) + " dbname=none user=postgres";
  }

private:
  db::FileDescriptor listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  unsigned port_ = 0;
};

} // namespace

TEST_CASE_METHOD(UnderWayTest, "a migration that waits in the database takes no thread") {
  HeldTransaction holder{url};
  hold(holder);
  const auto what = command("camping-2025", user);
  auto answer = store->begin(what);
  REQUIRE(somebody_waits("transactionid"));
  CHECK(another_job_is_done());
  CHECK_FALSE(has_ended(answer));
  holder.rollback();
  const auto ended = answer.get();
  REQUIRE(completed(ended));
  CHECK(completed(ended)->migration_id == what->migration_id);
  CHECK(world->audits("success") == 1);
  // And the connection is as good as new.
  CHECK(refused(run(*store, command("camping-2025", user))) == domain::Refused::already_migrated);
}

TEST_CASE_METHOD(UnderWayTest, "an answer that comes in parts is put together") {
  world->sql.exec(
      "CREATE FUNCTION test_talk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "RAISE INFO 'half'; PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$; "
      "CREATE TRIGGER test_talk BEFORE INSERT ON groups FOR EACH ROW EXECUTE FUNCTION test_talk()");
  HeldTransaction holder{url};
  holder.exec("SELECT pg_advisory_xact_lock(4711)");
  auto answer = store->begin(command("camping-2025", user));
  REQUIRE(somebody_waits("advisory"));
  CHECK_FALSE(has_ended(answer));
  holder.rollback();
  CHECK(completed(answer.get()));
}

TEST_CASE_METHOD(UnderWayTest, "a connection that is opened and never answered takes no thread") {
  const SilentServer silent;
  settings.url = silent.url();
  settings.connect_timeout = 2s;
  domain::Metrics none;
  TestStore other{settings, {}, log, none};
  auto answer = other.begin(command("camping-2025", user));
  CHECK(completed(run(*store, command("camping-2025", user))));
  CHECK_FALSE(has_ended(answer));
  CHECK(refused(answer.get()) == domain::Refused::database_unavailable);
}

TEST_CASE_METHOD(UnderWayTest, "a connection that has died while it was idle is replaced") {
  end_sessions();
  CHECK(completed(run(*store, command("camping-2025", user))));
}

TEST_CASE_METHOD(UnderWayTest,
                 "a request that is longer than the socket's buffer is sent in parts") {
  std::vector<domain::Uuid> many(50'000);
  std::generate(many.begin(), many.end(), domain::Uuid::random);
  many.front() = devices[0];
  const auto answer = run(*store, command("camping-2025", user, many));
  REQUIRE(completed(answer));
  CHECK(completed(answer)->ignored_device_ids.size() == many.size() - 1);
}

TEST_CASE_METHOD(UnderWayTest, "a migration that fails leaves a failed row, and the connection") {
  world->raise_at_device(2);
  CHECK(refused(run(*store, command("camping-2025", user))) == domain::Refused::internal);
  CHECK(world->groups() == 0);
  CHECK(world->audits("failed") == 1);
  world->raise_no_more();
  CHECK(completed(run(*store, command("camping-2025", user))));
  CHECK(sessions() == 1);
}

TEST_CASE_METHOD(UnderWayTest, "a migration whose backend is ended is settled") {
  HeldTransaction holder{url};
  hold(holder);
  auto answer = store->begin(command("camping-2025", user));
  REQUIRE(somebody_waits("transactionid"));
  world->sql.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                  "WHERE datname = current_database() AND wait_event = 'transactionid'");
  CHECK(refused(answer.get()) == domain::Refused::database_unavailable);
  holder.rollback();
  CHECK(world->groups() == 0);
  CHECK(world->audits("failed") == 1);
}

namespace {

template <bool Writes> struct Unheard {
  domain::Deadline deadline = std::chrono::steady_clock::now() + 30s;

  using Answer = domain::Done;
  static constexpr domain::JobTraits traits{.writes = Writes};
};

} // namespace

TEST_CASE_METHOD(UnderWayTest, "a question that has no job is a defect, and the store goes on") {
  CHECK(refused(store->execute(Unheard<false>{})) == domain::Refused::internal);
  CHECK(another_job_is_done());
  CHECK(refused(store->execute(Unheard<true>{})) == domain::Refused::timeout);
}

TEST_CASE_METHOD(UnderWayTest, "a store that goes leaves its job to come to an end") {
  HeldTransaction holder{url};
  hold(holder);
  auto how = store->start(command("camping-2025", user));
  REQUIRE(somebody_waits("transactionid"));
  store.reset(); // does not wait for the answer
  holder.rollback();
  CHECK(completed(std::get<domain::Answer>(how.get().ran)));
  CHECK(eventually([&] { return sessions() == 1; })); // the holder's
  CHECK(world->audits("success") == 1);
}

TEST_CASE_METHOD(UnderWayTest,
                 "what a refused reader leaves open is rolled back before the next job") {
  const auto stranger = world->add_user(false);
  const auto until = std::chrono::steady_clock::now() + 30s;
  for (int round = 0; round < 3; ++round)
    CHECK(refused(run(*store, domain::FindRegistrationGroup{stranger, std::nullopt, until})) ==
          domain::Refused::unauthorized);
  CHECK(eventually([&] {
    return world->sql.value<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = "
                                 "current_database() AND state LIKE 'idle in transaction%'") == 0;
  }));
  CHECK(completed(run(*store, command("camping-2025", user))));
  CHECK(sessions() == 1);
}
