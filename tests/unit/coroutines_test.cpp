// GCC 12 destroys a temporary twice, or gives up, when it is made by braces or by `?:` within an
// expression that is awaited (a lambda's body is none): such are named before. AddressSanitizer
// finds what of it is run; this finds what is written.
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

std::vector<std::string> doubtful_awaits(const std::string& source) {
  static const std::regex comment{"//[^\n]*"};
  static const std::regex lambda{R"(\[[^\[\]]*\]\s*(\([^()]*\))?[^{;?]*\{[^{}]*\})"};
  const std::string text = std::regex_replace(source, comment, "");
  std::vector<std::string> found;
  for (auto at = text.find("co_await"); at != std::string::npos;
       at = text.find("co_await", at + 1)) {
    auto awaited = text.substr(at, text.find('\n', text.find(';', at)) - at);
    awaited = std::regex_replace(awaited, lambda, "");
    awaited = awaited.substr(0, awaited.find(';'));
    if (awaited.find('{') != std::string::npos || awaited.find('?') != std::string::npos)
      found.push_back(awaited);
  }
  return found;
}

} // namespace

TEST_CASE("no expression that is awaited makes a temporary by braces or by ?:") {
  int awaits = 0;
  for (const auto* folder : {"db", "tests/db"})
    for (const auto& entry :
         fs::recursive_directory_iterator{fs::path{REGROUP_SOURCE_DIR} / folder}) {
      if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp")
        continue;
      std::stringstream text;
      text << std::ifstream{entry.path()}.rdbuf();
      INFO(entry.path());
      CHECK(doubtful_awaits(text.str()) == std::vector<std::string>{});
      awaits += text.str().find("co_await") != std::string::npos ? 1 : 0;
    }
  CHECK(awaits > 10);
}

TEST_CASE("an await that GCC 12 may get wrong is found") {
  CHECK(doubtful_awaits("co_await run(list, {id});\n").size() == 1);
  CHECK(doubtful_awaits("auto x =\n    co_await run(list, key ? Text{*key} : Text{});\n").size() ==
        1);
  CHECK(doubtful_awaits("co_return co_await run(Parameters{id.text()});\n").size() == 1);
  CHECK(doubtful_awaits("const Reply r = co_await run(list, std::move(parameters));\nf({1});\n")
            .empty());
  CHECK(doubtful_awaits("co_await until([&] { return attempt(tools, *command); });\n").empty());
  CHECK(doubtful_awaits("co_await timer; // {?\n").empty());
}
