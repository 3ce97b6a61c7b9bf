// The folders are the architecture: what each may include is this table, and nothing else. The
// link graph of CMake says the same, but all folders share the repository as their include path,
// so a header alone could slip past it.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace fs = std::filesystem;

namespace {

using Prefixes = std::vector<std::string_view>;

struct Folder {
  std::string_view name;
  Prefixes project;   // beginnings of quoted includes, beside the folder's own
  Prefixes libraries; // beginnings of includes in angle brackets, beside the standard library
};

constexpr std::string_view kAnything{};

const std::vector<Folder> kFolders{
    {"domain", {}, {}},
    {"text", {"domain/"}, {"utf8proc.h", "nlohmann/"}},
    {"config", {"domain/"}, {"toml++/", "posix"}},
    {"telemetry", {"domain/", "text/json_text.hpp"}, {"nlohmann/", "prometheus/", "posix"}},
    {"db",
     {"domain/", "config/", "versions/"},
     {"asio/", "pqxx/", "libpq-fe.h", "openssl/", "posix"}},
    {"actors", {"domain/"}, {"caf/"}},
    {"events", {"domain/"}, {"curl/", "openssl/", "posix"}},
    {"http",
     {"domain/", "config/", "actors/interfaces.hpp", "text/json_text.hpp"},
     {"restinio/", "nlohmann/", "openssl/", "posix"}},
    {"app", {kAnything}, {kAnything}},
    {"versions", {}, {"pqxx/", "libpq-fe.h", "catch2/"}},
};

/// What the rooms of a folder may include of the same folder, beside their own room. "db/*" is a
/// file that stands in `db/` itself. A folder without rooms is one.
struct Room {
  std::string_view name;
  Prefixes siblings;
};

const std::vector<Room> kRooms{
    {"db", {"db/schema/"}},
    {"db/schema", {"db/conninfo.hpp", "db/adoption/"}},
    {"db/adoption", {"db/conninfo.hpp", "db/schema/"}},
    {"db/embedded", {"db/file_descriptor.hpp"}},
    {"http", {"http/"}},
    {"http/auth", {"http/strict_json.hpp"}},
    {"http/server", {"http/*"}},
    {"http/migrations", {"http/*", "http/auth/", "http/server/"}},
    {"http/groups", {"http/*", "http/auth/", "http/server/"}},
    {"http/admin", {"http/*", "http/auth/", "http/server/"}},
};

/// Files that may include more than their folder: each is the one place for what it adds.
const std::vector<Folder> kExceptions{
    {"http/exchange.cpp", {}, {"caf/"}},
    {"domain/uuid.cpp", {}, {"sys/random.h"}},
};

bool begins_with_one_of(std::string_view include, const Prefixes& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return include.starts_with(prefix); });
}

/// `<vector>`, `<cstdint>`: only the standard library's names have neither a dot nor a slash.
bool is_standard(std::string_view include) {
  return include.find_first_of("./") == std::string_view::npos;
}

/// `<unistd.h>`, `<sys/wait.h>`: the system's own, where a folder has "posix".
bool is_posix(std::string_view include) {
  return begins_with_one_of(include, {"sys/", "unistd.h", "fcntl.h", "signal.h", "pwd.h", "grp.h",
                                      "poll.h", "netdb.h", "netinet/", "arpa/", "spawn.h"});
}

bool may_include(const Folder& folder, std::string_view include, bool quoted) {
  if (quoted)
    return begins_with_one_of(include, folder.project);
  const bool posix = std::count(folder.libraries.begin(), folder.libraries.end(), "posix") > 0;
  return is_standard(include) || (posix && is_posix(include)) ||
         begins_with_one_of(include, folder.libraries);
}

std::string folder_of(std::string_view path) {
  return std::string{path.substr(0, path.rfind('/'))};
}

/// Whether a file of `room` may include `include`, a file of the same top folder.
bool may_include_sibling(const std::string& room, std::string_view include) {
  const std::string other = folder_of(include);
  if (other == room)
    return true;
  const auto known = std::find_if(kRooms.begin(), kRooms.end(),
                                  [&](const Room& each) { return each.name == room; });
  if (known == kRooms.end())
    return false;
  return std::any_of(known->siblings.begin(), known->siblings.end(), [&](std::string_view allowed) {
    return allowed == other + "/*" || (!allowed.ends_with('*') && include.starts_with(allowed));
  });
}

/// The includes of `text`, the source at `path` (from the repository's root), that the table does
/// not allow, each as "path:line includes what".
std::vector<std::string> violations(const std::string& path, std::istream& text) {
  std::vector<std::string> found;
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    const auto hash = line.find_first_not_of(" \t");
    if (hash == std::string::npos || line[hash] != '#')
      continue;
    const auto word = line.find_first_not_of(" \t", hash + 1);
    if (word == std::string::npos || line.compare(word, 7, "include") != 0)
      continue;
    const auto open = line.find_first_of("<\"", word);
    const bool quoted = open == std::string::npos || line[open] == '"'; // a macro is none we know
    const auto close = line.find(quoted ? '"' : '>', open + 1);
    const std::string include =
        close == std::string::npos ? line : line.substr(open + 1, close - open - 1);

    const std::string own = path.substr(0, path.find('/'));
    bool allowed =
        quoted && include.starts_with(own + '/') && may_include_sibling(folder_of(path), include);
    for (const auto* table : {&kFolders, &kExceptions})
      for (const Folder& each : *table)
        if (path == each.name || own == each.name)
          allowed = allowed || may_include(each, include, quoted);
    if (!allowed)
      found.push_back(path + ":" + std::to_string(number) + " includes " + include);
  }
  return found;
}

std::vector<std::string> violations_of(const std::string& path, const std::string& text) {
  std::istringstream stream{text};
  return violations(path, stream);
}

std::vector<fs::path> sources_below(const fs::path& folder) {
  std::vector<fs::path> sources;
  for (const auto& entry : fs::recursive_directory_iterator{folder})
    if (entry.path().extension() == ".cpp" || entry.path().extension() == ".hpp")
      sources.push_back(entry.path());
  return sources;
}

} // namespace

TEST_CASE("no folder includes what the table of folders does not allow") {
  const fs::path root{REGROUP_SOURCE_DIR};
  for (const Folder& folder : kFolders) {
    const auto sources = sources_below(root / folder.name);
    CAPTURE(folder.name);
    CHECK_FALSE(sources.empty());
    for (const fs::path& source : sources) {
      std::ifstream text{source};
      REQUIRE(text);
      CHECK(violations(fs::relative(source, root).generic_string(), text) ==
            std::vector<std::string>{});
    }
  }
}

TEST_CASE("an include that points back is found, however it is written") {
  const std::string caf = "#pragma once\n#include <vector>\n\n  #  include <caf/all.hpp>\n";
  CHECK(violations_of("domain/names.hpp", caf) ==
        std::vector<std::string>{"domain/names.hpp:4 includes caf/all.hpp"});
  CHECK(violations_of("domain/names.cpp", "#include \"text/unicode.hpp\"\n").size() == 1);
  CHECK(violations_of("domain/names.cpp", "#include <unistd.h>\n").size() == 1);
  CHECK(violations_of("domain/names.cpp", "#include \"names.hpp\"\n").size() == 1);
  CHECK(violations_of("domain/names.cpp", "#include NAMES\n").size() == 1);
  CHECK(violations_of("actors/group.cpp", "#include \"db/pg_store.hpp\"\n").size() == 1);
  CHECK(violations_of("actors/group.cpp", "#include <pqxx/pqxx>\n").size() == 1);
  CHECK(violations_of("db/schema/schema.cpp", "#include <restinio/all.hpp>\n").size() == 1);
  CHECK(violations_of("http/routes.cpp", "#include <caf/all.hpp>\n").size() == 1);
  CHECK(violations_of("http/routes.cpp", "#include \"actors/system.hpp\"\n").size() == 1);
  CHECK(violations_of("http/routes.cpp", "#include \"db/pg_store.hpp\"\n").size() == 1);
  CHECK(
      violations_of("db/session.cpp", "#include \"db/embedded/embedded_postgres.hpp\"\n").size() ==
      1);
  CHECK(violations_of("db/session.cpp", "#include \"db/adoption/doctor.hpp\"\n").size() == 1);
  CHECK(violations_of("db/embedded/child_process.cpp", "#include \"db/session.hpp\"\n").size() ==
        1);
  CHECK(violations_of("http/auth/jwt.cpp", "#include \"http/api.hpp\"\n").size() == 1);
  CHECK(
      violations_of("http/groups/group_api.cpp", "#include \"http/admin/console.hpp\"\n").size() ==
      1);
  CHECK(violations_of("http/server/head.cpp", "#include \"http/auth/jwt.hpp\"\n").size() == 1);
  CHECK(violations_of("db/attic/old.cpp", "#include \"db/session.hpp\"\n").size() == 1);
}

TEST_CASE("an include that the table allows is not found") {
  CHECK(violations_of("domain/names.cpp", "#include \"domain/uuid.hpp\"\n#include <string>\n")
            .empty());
  CHECK(violations_of("http/exchange.cpp", "#include <caf/all.hpp>\n").empty());
  CHECK(violations_of("http/exchange.hpp", "#include \"actors/interfaces.hpp\"\n").empty());
  CHECK(violations_of("db/session.cpp", "#include <pqxx/pqxx>\n#include <sys/wait.h>\n").empty());
  CHECK(violations_of("db/pg_store.cpp", "#include \"db/schema/schema.hpp\"\n").empty());
  CHECK(violations_of("http/groups/group_api.cpp", "#include \"http/api.hpp\"\n").empty());
  CHECK(violations_of("app/main.cpp", "#include \"db/pg_store.hpp\"\n#include <caf/all.hpp>\n")
            .empty());
  CHECK(violations_of("domain/names.cpp", "// #include <caf/all.hpp>\n").empty());
}
