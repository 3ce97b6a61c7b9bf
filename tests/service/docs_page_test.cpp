// The page at /docs in a real Chromium: tests/browser/docs.mjs looks at it.
#include "tests/service/admin_support.hpp"
#include "tests/support/process.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

using namespace regroup;
using namespace regroup::test;
using namespace std::chrono_literals;

TEST_CASE("a developer reads the API's page, on a phone too, and tries a route out") {
  AdminServiceTest test;
  Process browser{"node",
                  {(std::filesystem::path{REGROUP_SOURCE_DIR} / "tests/browser/docs.mjs").string()},
                  {{"DOCS_URL", "http://127.0.0.1:" + std::to_string(test.service.port())},
                   {"DOCS_KEY", test.admin_key},
                   {"DOCS_PICTURES", REGROUP_PICTURES}}};
  const auto status = browser.wait(180s);
  INFO(browser.output() << browser.errors());
  CHECK(status == 0);
}
