// The OpenAPI document is what the service does. Every answer of every other service test is held
// against it as well (documented.cpp).
#include "http/api.hpp"
#include "http/openapi_page.hpp"
#include "tests/service/admin_support.hpp"
#include "tests/service/documented.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <regex>
#include <set>

using namespace regroup;
using namespace regroup::test;

namespace {

struct Operation {
  std::string method; // "POST"
  std::string path;   // "/api/v1/groups/{group_id}/devices"
  json says;
  std::string other_method; // that the path does not have

  bool has(const char* status) const { return says.at("responses").contains(status); }
  bool has_body() const { return says.contains("requestBody"); }
  bool takes_tokens() const {
    const json security = says.value("security", json::array());
    return std::any_of(security.begin(), security.end(),
                       [](const json& each) { return each.contains("bearer"); });
  }
  std::string with(const std::string& parameter) const {
    return std::regex_replace(path, std::regex{R"(\{[^}]*\})"}, parameter);
  }
};

std::vector<Operation> operations() {
  std::vector<Operation> all;
  for (const auto& [path, item] : documentation().at("paths").items())
    for (const auto& [method, operation] : item.items()) {
      if (!operation.is_object() || !operation.contains("responses"))
        continue; // of the path: its parameters, or a summary
      std::string upper = method;
      std::transform(upper.begin(), upper.end(), upper.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      all.push_back({upper, path, operation, item.contains("put") ? "PATCH" : "PUT"});
    }
  return all;
}

Answered ask(unsigned port, const Operation& operation, const std::string& parameter,
             Headers headers, const std::string& body = "{}") {
  if (operation.has_body())
    headers.insert({"Content-Type", "application/json"});
  return HttpClient{port}.request(operation.method, operation.with(parameter), headers,
                                  operation.has_body() ? body : "");
}

const std::string kNobody = "01a20f43-4d0d-7a2c-b484-8920b1cc3284";

} // namespace

TEST_CASE("every route is documented, and every documented one is a route") {
  std::set<std::string> documented;
  for (const auto& operation : operations())
    documented.insert(operation.method + " " + operation.path);
  std::set<std::string> served;
  for (const auto& route : http::routes())
    served.insert(std::string{route.method} + " " + std::string{route.route});
  CHECK(documented == served);
}

TEST_CASE("the service hands out its document, and a page that asks no other host for anything") {
  ServiceTest test;
  const auto document = test.service.client().get("/api/openapi.json");
  REQUIRE(status_of(document) == 200);
  CHECK(json::parse(document->body) == documentation());
  CHECK(documentation().at("openapi") == "3.1.0");
  for (const auto& operation : operations())
    CHECK(operation.says.at("x-codeSamples")
              .at(0)
              .at("source")
              .get<std::string>()
              .starts_with("curl "));

  auto client = test.service.client();
  const auto root = client.get("/");
  REQUIRE(status_of(root) == 302);
  CHECK(root->headers.at("Location") == "/docs");
  const auto page = client.get("/docs");
  REQUIRE(status_of(page) == 200);
  CHECK(page->headers.at("Content-Type") == "text/html; charset=utf-8");
  const auto policy = page->headers.at("Content-Security-Policy");
  CHECK(policy.starts_with("default-src 'none'"));
  CHECK(policy.find("unsafe") == std::string::npos);
  CHECK_FALSE(std::regex_search(page->body, std::regex{"(src|href)=.https?:"}));
  const std::regex file{"(src|href)=\"(/docs/[^\"]+)\""};
  std::size_t files = 0;
  for (std::sregex_iterator each{page->body.begin(), page->body.end(), file}, end; each != end;
       ++each, ++files)
    CHECK(status_of(client.get(each->str(2))) == 200);
  CHECK(files == 2);
  // Authentication stands before the routes.
  CHECK(page->body.find("Authentication") < page->body.find("id=\"routes\""));
}

TEST_CASE("a query parameter that a route does not name is refused, once the caller is known") {
  AdminServiceTest test;
  const auto user = test.world.add_user();
  for (const auto& operation : operations()) {
    if (operation.path == "/" || operation.path.starts_with("/docs") ||
        operation.path.starts_with("/admin"))
      continue; // pages: links to them are decorated
    INFO(operation.method << " " << operation.path);
    auto asked = operation;
    asked.path += "?nonsense=1";
    auto headers = bearer(user);
    if (!operation.takes_tokens())
      headers = test.admin();
    const auto answer = ask(test.service.port(), asked, kNobody, headers);
    REQUIRE(answer);
    CHECK(code_of(answer) == "validation/invalid-request");
    CHECK(answer->body.find("nonsense") != std::string::npos);
    if (operation.has("401"))
      CHECK(status_of(ask(test.service.port(), asked, kNobody, {})) == 401);
  }
  const auto other =
      test.service.client().get("/api/v1/devices/me/registration-group?device_id=A", bearer(user));
  CHECK(status_of(other) == 400); // it answered about another device
}

TEST_CASE("what an operation documents of bad requests is what it answers, and the reverse") {
  Service::Options options;
  options.settings = {{"http.max_body_bytes", "1000"}};
  ServiceTest test{options};
  const auto user = test.world.add_user();
  for (const auto& operation : operations()) {
    INFO(operation.method << " " << operation.path);
    const auto status = [&](const std::string& parameter, const Headers& headers,
                            const std::string& body = "{}") {
      return std::to_string(
          status_of(ask(test.service.port(), operation, parameter, headers, body)));
    };
    CHECK(status_of(test.service.client().request(operation.other_method,
                                                  operation.with(kNobody))) == 405);
    CHECK((status(kNobody, {}) == "401") == operation.has("401"));
    if (!operation.has("401"))
      continue;
    CHECK(status(kNobody, {{"X-API-Key", "rgk_nobody"}}) == "401");
    if (operation.path.find('{') != std::string::npos && operation.has("400"))
      CHECK(operation.has(status("no-uuid", bearer(user)).c_str()));
    if (!operation.has_body() || !operation.takes_tokens())
      continue;
    CHECK(status(kNobody, bearer(user), std::string(1001, ' ')) == "413");
    CHECK(status(kNobody, bearer(user), "{") == "400");
    auto text = bearer(user);
    text["Content-Type"] = "text/plain";
    CHECK(status(kNobody, text) == "415");
  }
}

TEST_CASE("an error is a problem for whoever asks for one, whatever the route") {
  ServiceTest test;
  const auto user = test.world.add_user();
  for (const auto& operation : operations()) {
    auto headers = bearer(user);
    headers["Accept"] = "application/json, application/problem+json";
    headers["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const auto answer = ask(test.service.port(), operation, kNobody, headers);
    INFO(operation.method << " " << operation.path << " " << status_of(answer));
    if (status_of(answer) < 400)
      continue;
    CHECK(answer->headers.at("Content-Type") == "application/problem+json");
    CHECK(json::parse(answer->body).at("status") == status_of(answer));
    CHECK(json::parse(answer->body).contains("code"));
  }
}

TEST_CASE("an answer that is not as documented is told from one that is") {
  const auto wrong = [](int status, const std::string& body, const std::string& method = "GET",
                        const std::string& path = "/api/health/live") {
    return !undocumented(
                method, path,
                {status, {{"X-Request-Id", "x"}, {"Content-Type", "application/json"}}, body})
                .empty();
  };
  CHECK_FALSE(wrong(200, R"({"status":"live"})"));
  CHECK(wrong(418, "{}"));
  CHECK(wrong(200, R"({"status":"dead"})"));
  CHECK(wrong(200, "{}"));
  CHECK(wrong(200, "{}", "POST"));
  CHECK(wrong(200, "{}", "GET", "/nowhere"));
  CHECK_FALSE(wrong(404, "{}", "GET", "/nowhere"));
  const std::string migrate = "/api/v1/groups/migrate";
  CHECK(wrong(409, R"({"error":{"code":"a/new-one","message":"","details":{}}})", "POST", migrate));
  CHECK(wrong(409, R"({"error":{"code":"migration/in-progress","message":""}})", "POST", migrate));
}
