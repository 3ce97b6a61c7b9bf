// One deadline for all that a request takes, made when it came (contract, "In doubt").
#include "http/auth/api_key.hpp"
#include "tests/unit/api_support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;

namespace {

struct DeadlineTest : ApiTest {
  domain::Deadline deadline() const {
    return request.received + http::ApiSettings{}.request_timeout;
  }
  /// Of the question that was asked last.
  domain::Deadline asked() const {
    REQUIRE_FALSE(gateway.jobs.empty());
    return gateway.jobs.back().deadline();
  }
  void answer(const domain::Answer& answer) {
    REQUIRE_FALSE(gateway.asked.empty());
    const auto done = gateway.asked.back();
    done(answer);
  }
};

} // namespace

TEST_CASE_METHOD(DeadlineTest, "an undo and the look for its origin share the request's deadline") {
  request.has_body = false;
  request.parameters = {domain::Uuid::random().text()};
  api.undo(request, respond);
  CHECK(asked() == deadline());
  answer(domain::Answer{domain::GroupOrigin{"camping-2025"}});
  REQUIRE(gateway.jobs.back().is<domain::UndoCommand>());
  CHECK(asked() == deadline());
}

TEST_CASE_METHOD(DeadlineTest, "an undo whose origin is not found in time has an id to ask about") {
  request.has_body = false;
  request.parameters = {domain::Uuid::random().text()};
  api.undo(request, respond);
  answer(domain::Refusal{.reason = domain::Refused::timeout});
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].status == 504);
  CHECK(nlohmann::json::parse(replies[0].body)["error"]["details"].contains("operation_id"));
}

TEST_CASE_METHOD(DeadlineTest,
                 "a registration and the look at its key share the request's deadline") {
  body = R"({"device_id": "1ef727ce-a8c0-4ce2-9e93-cc69a8358b41", "display_name": "Phone",
             "group_id": "camping-2025", "platform": "android"})";
  request.authorization = {};
  const auto key = http::new_api_key();
  request.api_key = key;
  api.register_device(request, respond);
  CHECK(asked() == deadline());
  answer(domain::Answer{domain::ApiKeyFacts{1, false}});
  REQUIRE(replies.empty());
  REQUIRE(gateway.jobs.back().is<domain::RegisterDevice>());
  CHECK(asked() == deadline());
}

TEST_CASE_METHOD(DeadlineTest, "a migration's deadline is its request's") {
  api.migrate(request, respond);
  REQUIRE(gateway.command);
  CHECK(gateway.command->deadline == deadline());
}
