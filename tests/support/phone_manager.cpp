#include "tests/support/phone_manager.hpp"

#include "db/embedded/postgres_programs.hpp"
#include "tests/support/process.hpp"
#include "tests/support/sql.hpp"

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

namespace regroup::test {
namespace {

using namespace std::chrono_literals;

std::string read_file(const std::string& name) {
  const std::string path = REGROUP_SOURCE_DIR "/" + name;
  std::ostringstream text;
  text << std::ifstream{path}.rdbuf();
  if (text.view().empty())
    throw std::runtime_error{"cannot read " + path};
  return text.str();
}

std::string database_of(Postgres& server, const std::string& file, const std::string& more) {
  auto url = server.create_database();
  Sql sql{url};
  sql.exec(read_file("tests/support/" + file));
  if (!more.empty())
    sql.exec(more);
  return url;
}

} // namespace

std::string phone_manager_database(Postgres& server, const std::string& more) {
  return database_of(server, "phone_manager.sql", more);
}

std::string original_backend_database(Postgres& server, const std::string& more) {
  auto url = server.create_database();
  Sql sql{url};
  sql.exec("BEGIN;" + original_backend_schema() + "COMMIT;" + more);
  return url;
}

std::string original_backend_schema() {
  const std::filesystem::path folder = REGROUP_SOURCE_DIR "/tests/support/original_backend";
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator{folder})
    files.insert(entry.path().filename());
  std::string text;
  for (const auto& file : files)
    text += read_file("tests/support/original_backend/" + file);
  return text;
}

std::string original_people() { return read_file("tests/support/original_people.sql"); }

std::string unprefixed_database(Postgres& server, const std::string& more) {
  return database_of(server, "unprefixed_names.sql", more);
}

std::string granted_role_url(const std::string& url) {
  Sql sql{url};
  const auto role = "granted_" + sql.value<std::string>("SELECT current_database()");
  if (sql.value<int>("SELECT count(*) FROM pg_roles WHERE rolname = $1", role) == 0)
    sql.exec("CREATE ROLE " + role + " LOGIN");
  if (sql.value<bool>("SELECT to_regclass('regroup_running') IS NOT NULL"))
    sql.exec(std::regex_replace(read_file("deploy/grants.sql"), std::regex{R"(\bTO regroup\b)"},
                                "TO " + role));
  if (sql.value<bool>(
          "SELECT to_regclass('outbox') IS NOT NULL")) // what the backend's triggers write
    sql.exec("GRANT INSERT ON device_group_history, outbox TO " + role +
             "; GRANT USAGE ON SEQUENCE device_group_history_id_seq, outbox_id_seq TO " + role);
  return url + " user=" + role;
}

std::string schema_dump(const std::string& url) {
  const auto program = db::find_postgres_programs().postgres.parent_path() / "pg_dump";
  Process dump{program, {"--schema-only", "--dbname=" + url}};
  if (dump.wait(60s) != 0)
    throw std::runtime_error{"pg_dump: " + dump.errors()};
  std::istringstream lines{dump.output()};
  std::string text;
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("--") && !line.starts_with("\\")) // comments, and a random \restrict
      text += line + "\n";
  return text;
}

} // namespace regroup::test
