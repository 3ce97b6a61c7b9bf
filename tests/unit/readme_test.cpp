#include "config/loader.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

TEST_CASE("README's table of settings is the one that the declarations make") {
  std::ifstream file{std::filesystem::path{REGROUP_SOURCE_DIR} / "README.md"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const std::string begin = "<!-- settings -->\n";
  const auto from = text.find(begin);
  const auto to = text.find("<!-- /settings -->");
  REQUIRE(from != std::string::npos);
  REQUIRE(to != std::string::npos);
  const auto start = from + begin.size();
  CHECK(text.substr(start, to - start) == regroup::config::markdown_table());
}
