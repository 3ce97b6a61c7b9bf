#pragma once
#include "tests/support/http_client.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace regroup::test {

/// What the program's own OpenAPI document says.
const nlohmann::json& documentation();

/// What is wrong with a value by a schema. Empty when nothing is.
std::vector<std::string> mismatches(const nlohmann::json& value, const nlohmann::json& schema);

/// What is wrong with a real answer by that document: a status, media type or header that the route
/// does not have, a body that is not as its schema says. Empty when nothing is.
std::vector<std::string> undocumented(const std::string& method, const std::string& path,
                                      const Response& answer);

} // namespace regroup::test
