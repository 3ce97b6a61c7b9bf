// Every answer of Regroup's in every service test is held against its OpenAPI document. What is not
// documented fails the test program at its end.
#include "tests/service/documented.hpp"

#include "http/openapi_page.hpp"

#define CATCH_CONFIG_EXTERNAL_INTERFACES // listeners
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <regex>
#include <set>
#include <sstream>

namespace regroup::test {
namespace {

using nlohmann::json;

const json& resolved(const json& node) {
  if (!node.is_object() || !node.contains("$ref"))
    return node;
  const json::json_pointer target{node.at("$ref").get<std::string>().substr(1)};
  return resolved(documentation().at(target));
}

bool is_of_type(const json& value, const std::string& type) {
  if (type == "object")
    return value.is_object();
  if (type == "array")
    return value.is_array();
  if (type == "string")
    return value.is_string();
  if (type == "integer")
    return value.is_number_integer();
  if (type == "number")
    return value.is_number();
  if (type == "boolean")
    return value.is_boolean();
  return value.is_null();
}

/// Characters, of valid UTF-8.
std::size_t length_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

/// The words of JSON Schema that the document uses.
class Check {
public:
  std::vector<std::string> of(const json& value, const json& schema) {
    value_at(value, schema, "body");
    return std::move(wrong_);
  }

private:
  void expect(bool holds, const std::string& at, const std::string& what) {
    if (!holds)
      wrong_.push_back(at + ": " + what);
  }

  void value_at(const json& value, const json& given, const std::string& at) {
    const json& schema = resolved(given);
    if (schema.contains("type")) {
      const auto& types = schema.at("type");
      const bool fits = types.is_array()
                            ? std::any_of(types.begin(), types.end(),
                                          [&](const json& each) { return is_of_type(value, each); })
                            : is_of_type(value, types);
      expect(fits, at, "is no " + types.dump());
    }
    if (schema.contains("const"))
      expect(value == schema.at("const"), at, "is not " + schema.at("const").dump());
    if (schema.contains("enum")) {
      const auto& values = schema.at("enum");
      expect(std::find(values.begin(), values.end(), value) != values.end(), at,
             value.dump() + " is not one of " + values.dump());
    }
    for (const json& each : schema.value("allOf", json::array()))
      value_at(value, each, at);
    if (schema.contains("oneOf")) {
      const auto& choices = schema.at("oneOf");
      const auto fitting = std::count_if(choices.begin(), choices.end(), [&](const json& each) {
        return Check{}.of(value, each).empty();
      });
      expect(fitting == 1, at, "fits " + std::to_string(fitting) + " of oneOf");
    }
    if (value.is_object())
      members_of(value, schema, at);
    else if (value.is_array())
      items_of(value, schema, at);
    else if (value.is_string())
      text(value, schema, at);
    else if (value.is_number())
      expect(value >= schema.value("minimum", value) && value <= schema.value("maximum", value), at,
             value.dump() + " is out of range");
  }

  void members_of(const json& value, const json& schema, const std::string& at) {
    for (const json& name : schema.value("required", json::array()))
      expect(value.contains(name.get<std::string>()), at, "lacks " + name.dump());
    const json properties = schema.value("properties", json::object());
    for (const auto& [name, member] : value.items())
      if (properties.contains(name))
        value_at(member, properties.at(name), at + "." + name);
      else
        expect(schema.value("additionalProperties", json(true)) != json(false), at,
               "has an unknown " + name);
  }

  void items_of(const json& value, const json& schema, const std::string& at) {
    expect(value.size() >= schema.value("minItems", 0U), at, "has too few items");
    expect(value.size() <= schema.value("maxItems", value.size()), at, "has too many items");
    if (schema.contains("items"))
      for (const json& each : value)
        value_at(each, schema.at("items"), at + "[]");
  }

  void text(const std::string& value, const json& schema, const std::string& at) {
    static const std::regex uuid{"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"};
    const std::size_t length = length_of(value);
    expect(length >= schema.value("minLength", 0U), at, "is too short");
    expect(length <= schema.value("maxLength", length), at, "is too long");
    if (schema.contains("pattern"))
      expect(std::regex_search(value, std::regex{schema.at("pattern").get<std::string>()}), at,
             "is not as its pattern says");
    if (schema.value("format", "") == "uuid")
      expect(std::regex_match(value, uuid), at, "is no UUID");
  }

  std::vector<std::string> wrong_;
};

/// The path item for a path, or nothing.
const json* item_of(const std::string& target) {
  const std::string path = target.substr(0, target.find('?'));
  const json& paths = documentation().at("paths");
  if (const auto fixed = paths.find(path); fixed != paths.end())
    return &*fixed;
  for (const auto& [pattern, item] : paths.items()) {
    const auto expression = std::regex_replace(pattern, std::regex{R"(\{[^}]*\})"}, "[^/]+");
    if (std::regex_match(path, std::regex{expression}))
      return &item;
  }
  return nullptr;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

/// What the tests saw that is not documented, each once.
class Watch {
public:
  void see(const std::string& method, const std::string& path, const Response& answer) {
    if (!answer.headers.contains("X-Request-Id"))
      return; // HAProxy's, or Prometheus'
    const auto wrong = undocumented(method, path, answer);
    const std::scoped_lock lock{mutex_};
    seen_.insert(wrong.begin(), wrong.end());
  }
  std::set<std::string> take() {
    const std::scoped_lock lock{mutex_};
    return std::exchange(seen_, {});
  }

private:
  std::mutex mutex_;
  std::set<std::string> seen_;
};

Watch& watch() {
  static Watch one;
  return one;
}

struct Listener : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;

  void testRunStarting(const Catch::TestRunInfo&) override {
    static_cast<void>(watch());
    watch_answers([](const std::string& method, const std::string& path, const Response& answer) {
      watch().see(method, path, answer);
    });
  }
  void testRunEnded(const Catch::TestRunStats&) override {
    const auto wrong = watch().take();
    if (wrong.empty())
      return;
    for (const auto& line : wrong)
      std::cerr << "not as http/openapi.yaml says: " << line << "\n";
    std::_Exit(1); // a listener cannot fail a test
  }
};

} // namespace

const json& documentation() {
  static const json document = json::parse(http::openapi_json());
  return document;
}

std::vector<std::string> mismatches(const json& value, const json& schema) {
  return Check{}.of(value, schema);
}

std::vector<std::string> undocumented(const std::string& method, const std::string& path,
                                      const Response& answer) {
  const auto status = std::to_string(answer.status);
  const json* item = item_of(path);
  if (item == nullptr)
    return answer.status == 404 ? std::vector<std::string>{}
                                : std::vector{path + ": " + status + " of no documented route"};
  if (method == "OPTIONS" && answer.status == 204) // of any route
    return answer.headers.contains("Allow") ? std::vector<std::string>{}
                                            : std::vector{path + ": OPTIONS lacks Allow"};
  const auto served_as = method == "HEAD" ? "get" : lower(method);
  const bool known = item->contains(served_as);
  const json& operation = known ? item->at(served_as) : *item->begin();
  const std::string where = method + " " + path.substr(0, path.find('?')) + " " + status;
  const json& anywhere = documentation().at("components").at("x-any-route");
  const bool is_own = operation.at("responses").contains(status);
  if (!known && answer.status != 405 && !anywhere.contains(status))
    return {where + ": no such operation"};
  if (!is_own && !anywhere.contains(status))
    return {where + ": no such status"};
  const json& response =
      resolved(is_own ? operation.at("responses").at(status) : anywhere.at(status));
  if (!is_own && json::parse(answer.body).at("error").at("code") != response.at("content")
                                                                        .at("application/json")
                                                                        .at("examples")
                                                                        .at("error")
                                                                        .at("value")
                                                                        .at("error")
                                                                        .at("code"))
    return {where + ": no such error"};
  std::vector<std::string> wrong;
  const json headers = response.value("headers", json::object());
  for (const auto& [name, header] : headers.items())
    if (resolved(header).value("required", false) && !answer.headers.contains(name))
      wrong.push_back(where + ": lacks the header " + name);
  const auto type =
      answer.headers.contains("Content-Type") ? answer.headers.at("Content-Type") : "";
  const auto media = type.substr(0, type.find(';'));
  const json content = response.value("content", json::object());
  if (answer.body.empty()) // to HEAD
    return wrong;
  if (!content.contains(media))
    return {where + ": no such media type: " + media};
  if (media.ends_with("json"))
    for (const auto& each : Check{}.of(json::parse(answer.body), content.at(media).at("schema")))
      wrong.push_back(where + ": " + each);
  return wrong;
}

CATCH_REGISTER_LISTENER(Listener)

} // namespace regroup::test
