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
  answer.operation_id = about->value("operation_id", "");
  answer.authenticated_group_id = about->value("authenticated_group_id", "");
  answer.device_ids = about->value("device_ids", std::vector<std::string>{});
  return answer;
}

/// Sends, and writes down what was asked, when, and what came back.
template <class Send> Answer recorded(Record& record, Request request, Send send) {
  record.begin(request);
  request.answer = answer_of(send());
  record.finish(request);
  return request.answer;
}

std::string new_trace() {
  auto trace = domain::Uuid::random().text();
  std::erase(trace, '-');
  return trace;
}

Request request_of(Request::Kind kind, const Target& target, const std::string& group,
                   const std::string& user, const std::string& idempotency_key = {}) {
  Request request;
  request.kind = kind;
  request.user = user;
  request.group = group;
  request.idempotency_key = idempotency_key;
  request.trace = new_trace();
  request.replica = target.name;
  return request;
}

test::Headers headers_of(const Request& request) {
  auto headers = test::bearer(domain::Uuid::parse(request.user).value());
  headers["traceparent"] = "00-" + request.trace + "-0000000000000001-01";
  if (!request.idempotency_key.empty())
    headers["Idempotency-Key"] = request.idempotency_key;
  return headers;
}

test::HttpClient client(const Target& target) {
  return test::HttpClient{target.port, test::HttpClient::Connections::one_each, kPatience};
}

} // namespace

Seconds now() {
  return std::chrono::duration<Seconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void Record::begin(Request& request) {
  const std::scoped_lock lock{mutex_};
  request.start = now();
  open_.insert(request.start);
}

void Record::finish(Request request) {
  const std::scoped_lock lock{mutex_};
  request.end = now();
  open_.erase(open_.find(request.start));
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

bool Record::is_answered(Seconds before) const {
  const std::scoped_lock lock{mutex_};
  return open_.empty() || *open_.begin() > before;
}

Answer ask_to_migrate(Record& record, const Target& target, const Group& group,
                      const domain::Uuid& user, const std::string& idempotency_key) {
  const Namespace::Inside inside{target.inside};
  auto request = request_of(Request::Kind::migrate, target, group.id, user.text(), idempotency_key);
  const auto headers = headers_of(request);
  return recorded(record, std::move(request), [&] {
    return client(target).post("/api/v1/groups/migrate",
                               json{{"registration_group_id", group.id}}.dump(), headers);
  });
}

Answer ask_to_undo(Record& record, const Target& target, const Group& group,
                   const std::string& authenticated_group, const std::string& idempotency_key) {
  const Namespace::Inside inside{target.inside};
  auto request = request_of(Request::Kind::undo, target, group.id, group.users.front().text(),
                            idempotency_key);
  request.authenticated_group = authenticated_group;
  const auto headers = headers_of(request);
  return recorded(record, std::move(request), [&] {
    return client(target).post("/api/v1/groups/" + authenticated_group + "/rollback", "", headers);
  });
}

Answer ask_to_change(Record& record, const Target& target, const Group& group,
                     const std::string& authenticated_group, const std::string& action,
                     const std::vector<std::string>& devices, const std::string& idempotency_key) {
  const Namespace::Inside inside{target.inside};
  auto request = request_of(Request::Kind::change, target, group.id, group.users.front().text(),
                            idempotency_key);
  request.authenticated_group = authenticated_group;
  request.action = action;
  request.devices = devices;
  const auto headers = headers_of(request);
  const auto path = "/api/v1/groups/" + authenticated_group + "/devices";
  return recorded(record, std::move(request), [&] {
    if (devices.size() > 1)
      return client(target).post(path + "/bulk-" + action, json{{"device_ids", devices}}.dump(),
                                 headers);
    if (action == "add")
      return client(target).post(path, json{{"device_id", devices.front()}}.dump(), headers);
    return client(target).remove(path + "/" + devices.front(), headers);
  });
}

Answer ask_status(Record& record, const Target& target, Request::Kind kind, const Given& given) {
  const Namespace::Inside inside{target.inside};
  auto request = request_of(kind, target, given.group, given.user);
  request.about = given.about;
  request.id = given.id;
  const auto headers = headers_of(request);
  const std::string path = given.about == Request::Kind::migrate ? "migrations/" : "operations/";
  return recorded(record, std::move(request),
                  [&] { return client(target).get("/api/v1/groups/" + path + given.id, headers); });
}

} // namespace regroup::chaos
