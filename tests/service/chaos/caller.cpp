#include "tests/service/chaos/caller.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

namespace regroup::chaos {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

/// Longer than any answer of the service takes: a frozen one must come to its word.
constexpr auto kPatience = 60s;

Answer answer_of(const std::optional<test::Response>& response) {
  Answer answer;
  if (!response)
    return answer;
  const auto body = json::parse(response->body, nullptr, false);
  if (!body.is_object())
    return answer; // the proxy's own page: it does not know what became of the request
  answer.status = response->status;
  answer.replayed = response->headers.contains("Idempotency-Replayed");
  const json* about = &body;
  if (const auto error = body.find("error"); response->status >= 400 && error != body.end()) {
    answer.code = error->value("code", "");
    about = &error->at("details");
  } else {
    answer.state = body.value("status", "");
  }
  answer.migration_id = about->value("migration_id", "");
  answer.authenticated_group_id = about->value("authenticated_group_id", "");
  answer.device_ids = about->value("device_ids", std::vector<std::string>{});
  return answer;
}

/// Sends, and writes down what was asked, when, and what came back.
template <class Send> Answer recorded(Record& record, Request request, Send send) {
  request.start = now();
  request.answer = answer_of(send());
  request.end = now();
  record.add(request);
  return request.answer;
}

test::HttpClient client(const Target& target) {
  return test::HttpClient{target.port, test::HttpClient::Connections::one_each, kPatience};
}

} // namespace

Seconds now() {
  return std::chrono::duration<Seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void Record::add(Request request) {
  const std::scoped_lock lock{mutex_};
  requests_.push_back(std::move(request));
}

std::vector<Request> Record::requests() const {
  const std::scoped_lock lock{mutex_};
  return requests_;
}

std::size_t Record::count(const std::function<bool(const Request&)>& condition) const {
  const std::scoped_lock lock{mutex_};
  return static_cast<std::size_t>(std::count_if(requests_.begin(), requests_.end(), condition));
}

Answer ask_to_migrate(Record& record, const Target& target, const Group& group,
                      const domain::Uuid& user, const std::string& idempotency_key) {
  const Namespace::Inside inside{target.inside};
  auto headers = test::bearer(user);
  if (!idempotency_key.empty())
    headers["Idempotency-Key"] = idempotency_key;
  Request request;
  request.kind = Request::Kind::migrate;
  request.user = user.text();
  request.group = group.id;
  request.idempotency_key = idempotency_key;
  request.replica = target.name;
  return recorded(record, std::move(request), [&] {
    return client(target).post("/api/v1/groups/migrate",
                               json{{"registration_group_id", group.id}}.dump(), headers);
  });
}

Answer ask_status(Record& record, const Target& target, Request::Kind kind,
                  const std::string& group, const std::string& user,
                  const std::string& migration_id) {
  const Namespace::Inside inside{target.inside};
  Request request;
  request.kind = kind;
  request.user = user;
  request.group = group;
  request.migration_id = migration_id;
  request.replica = target.name;
  return recorded(record, std::move(request), [&] {
    return client(target).get("/api/v1/groups/migrations/" + migration_id,
                              test::bearer(domain::Uuid::parse(user).value()));
  });
}

} // namespace regroup::chaos
