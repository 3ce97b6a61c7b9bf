// The original backend's database, before and after Regroup came.
#include "tests/db/adoption_support.hpp"

#include <catch2/catch.hpp>

#include <sstream>

namespace regroup::test {
namespace {

TEST_CASE("the original backend's database is what its list of objects says") {
  std::istringstream text{original_backend_schema()};
  std::string query;
  Lines listed;
  for (std::string line; std::getline(text, line);)
    if (line.starts_with("-- | "))
      query += line.substr(5) + "\n";
    else if (line.starts_with("--   "))
      listed.push_back(line.substr(5));
  REQUIRE(listed.size() > 80);

  Sql sql{original_backend_database(postgres())};
  Lines there;
  for (const auto& row : sql.exec(query))
    there.emplace_back(row[0].c_str());
  std::sort(listed.begin(), listed.end());
  std::sort(there.begin(), there.end());
  CHECK(there == listed);
}

} // namespace
} // namespace regroup::test
