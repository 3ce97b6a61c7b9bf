// The pages name files by their paths, and must not name what is gone.
#include "http/outcome_table.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 17> kFolders{
    "actors", "app",    "bench", "cmake",   "config", "console",   "db",   "deploy",  "docs",
    "domain", "events", "http",  "scripts", "tests",  "telemetry", "text", "versions"};

/// `db/session.cpp`: what stands between backticks and begins with one of our folders.
std::vector<std::string> paths_in(const std::string& page) {
  static const std::regex path{R"(`([a-z]+)(/[\w./-]*\w/?)`)"};
  std::vector<std::string> paths;
  for (std::sregex_iterator each{page.begin(), page.end(), path}, end; each != end; ++each)
    if (std::find(kFolders.begin(), kFolders.end(), each->str(1)) != kFolders.end())
      paths.push_back(each->str(1) + each->str(2));
  return paths;
}

} // namespace

TEST_CASE("every file that README and the pages name is there") {
  const fs::path root{REGROUP_SOURCE_DIR};
  std::vector<fs::path> pages{root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md"};
  for (const auto& entry : fs::recursive_directory_iterator{root / "docs"})
    if (entry.path().extension() == ".md")
      pages.push_back(entry.path());
  std::size_t named = 0;
  for (const auto& page : pages) {
    std::ifstream file{page};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    for (const auto& path : paths_in(text)) {
      INFO(page << " names " << path);
      CHECK((path.starts_with("bench/results") || fs::exists(root / path)));
      ++named;
    }
  }
  CHECK(named > 150);
}

TEST_CASE("a path that a page names is found in its text") {
  CHECK(paths_in(
            "see `db/session.cpp`, `docs/` and `tests/unit/x_test.cpp`: `a/b.cpp`, `GET /api`") ==
        std::vector<std::string>{"db/session.cpp", "tests/unit/x_test.cpp"});
}

TEST_CASE("the page of errors has every code with its status, and no other") {
  std::ifstream file{fs::path{REGROUP_SOURCE_DIR} / "docs/errors.md"};
  const std::string page{std::istreambuf_iterator<char>{file}, {}};
  const std::regex row{R"(\n\| (\d{3}) \| `([a-z-]+/[a-z-]+)` \| [^|]+ \| [^|]+ \|)"};
  std::set<std::string> told;
  for (std::sregex_iterator each{page.begin(), page.end(), row}, end; each != end; ++each) {
    INFO(each->str(2));
    CHECK(told.insert(each->str(1) + " " + each->str(2)).second);
  }
  std::set<std::string> known;
  for (const auto& outcome : regroup::http::outcome_table())
    known.insert(std::to_string(outcome.status) + " " + std::string{outcome.code});
  CHECK(told == known);
}
