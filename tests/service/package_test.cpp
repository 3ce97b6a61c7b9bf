// The program and the package, as what they are: how they are built and who may read and write
// them.
#include "tests/support/cluster.hpp"
#include "tests/support/temp_folder.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

using namespace regroup::test;
using namespace std::chrono_literals;

namespace fs = std::filesystem;

namespace {

std::string output_of(const std::string& program, const std::vector<std::string>& arguments,
                      const Process::Environment& environment = {}) {
  Process process{program, arguments, environment};
  const auto status = process.wait(120s);
  INFO(program << ": " << process.output() << process.errors());
  REQUIRE(status == 0);
  return process.output();
}

void check_hardening(const fs::path& program) {
  const auto facts = output_of("readelf", {"--wide", "--program-headers", "--dynamic", "--dyn-syms",
                                           "--file-header", program.string()});
  const auto has = [&](const std::string& expression) {
    return std::regex_search(facts, std::regex{expression});
  };
  CHECK(has(R"(Type: +DYN)")); // position independent, and so is its address
  CHECK(has(R"(FLAGS_1\).*\bPIE\b)"));
  CHECK(has(R"(GNU_RELRO)"));
  CHECK(has(R"(FLAGS_1\).*\bNOW\b)")); // with it the table of functions is read-only
  CHECK(has(R"(GNU_STACK .* RW )"));
  CHECK(has(R"(__stack_chk_fail)"));
  CHECK(has(R"(\b__\w+_chk@)")); // FORTIFY
  CHECK_FALSE(has(R"(\((RPATH|RUNPATH|TEXTREL)\))"));
}

struct Packed {
  std::string mode, owner, path;
};

/// As `tar --list --verbose` has it.
std::vector<Packed> entries(const std::string& listing) {
  std::vector<Packed> all;
  std::istringstream lines{listing};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    Packed entry;
    std::string size, day, time;
    words >> entry.mode >> entry.owner >> size >> day >> time >> entry.path;
    all.push_back(entry);
  }
  return all;
}

} // namespace

TEST_CASE("the program is built to stop at what overwrites its memory") {
  check_hardening(regroup_binary());
}

TEST_CASE("the package's files are root's, and its settings are not for everybody to read") {
  const TempFolder folder;
  const auto build = fs::path{regroup_binary()}.parent_path().parent_path();
  // What it depends on is found out by programs of dpkg-dev, which this test does without.
  output_of("cpack",
            {"-G", "DEB", "-B", folder.path().string(), "-D", "CPACK_DEBIAN_PACKAGE_SHLIBDEPS=OFF",
             "--config", (build / "CPackConfig.cmake").string()});
  std::string package;
  for (const auto& file : fs::directory_iterator{folder.path()})
    if (file.path().extension() == ".deb")
      package = file.path().string();
  REQUIRE_FALSE(package.empty());

  bool has_program = false, has_settings = false;
  int completions = 0;
  for (const auto& entry : entries(output_of("dpkg-deb", {"--contents", package}))) {
    INFO(entry.mode << " " << entry.owner << " " << entry.path);
    CHECK(entry.owner == "root/root");
    CHECK(entry.mode.find_first_of("sStT") == std::string::npos);
    CHECK(entry.mode.substr(5, 1) != "w");
    CHECK(entry.mode.substr(8, 1) != "w");
    if (entry.path.ends_with("/bin/regroup")) {
      has_program = true;
      CHECK(entry.mode == "-rwxr-xr-x");
    }
    if (entry.path.ends_with("/regroup.toml")) {
      has_settings = true;
      CHECK(entry.mode == "-rw-r-----");
    }
    for (const char* each : {"/bash-completion/completions/regroup", "/vendor-completions/_regroup",
                             "/vendor_completions.d/regroup.fish"})
      completions += entry.path.ends_with(each) ? 1 : 0;
  }
  CHECK(has_program);
  CHECK(has_settings);
  CHECK(completions == 3);

  const auto unpacked = folder.path() / "unpacked";
  output_of("dpkg-deb", {"--raw-extract", package, unpacked.string()});
  check_hardening(unpacked / "usr/bin/regroup");
  for (const char* script : {"postinst", "prerm", "postrm"}) {
    const auto file = unpacked / "DEBIAN" / script;
    CHECK(fs::status(file).permissions() == fs::perms{0755});
    output_of("sh", {"-n", file.string()});
  }
}
