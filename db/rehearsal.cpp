#include "db/rehearsal.hpp"

#include "db/codec.hpp"
#include "db/conninfo.hpp"
#include "db/devices.hpp"
#include "db/group_devices.hpp"
#include "db/group_statements.hpp"
#include "db/migration.hpp"
#include "db/undo.hpp"

#include <algorithm>
#include <chrono>
#include <libpq-fe.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace regroup::db {
namespace {

using domain::Finding;
using Severity = Finding::Severity;
using PgResult = std::unique_ptr<PGresult, decltype(&PQclear)>;

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

class Rehearsal {
public:
  explicit Rehearsal(const config::Settings::Database& settings)
      : facts_(read_schema_facts(settings)), connection_{PQconnectdb(conninfo(settings).c_str()),
                                                         PQfinish} {
    if (PQstatus(connection_.get()) != CONNECTION_OK)
      throw std::runtime_error{first_line(PQerrorMessage(connection_.get()))};
  }

  std::vector<Finding> run() {
    must("BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '30s'");
    if (find_user() && register_devices() && migrate_all()) {
      undo();
      if (migrate_some())
        change_devices();
    }
    must("ROLLBACK");
    return std::move(findings_);
  }

private:
  PgResult send(const std::string& sql, const Parameters& parameters) {
    std::vector<const char*> values;
    for (const auto& each : parameters)
      values.push_back(each ? each->c_str() : nullptr);
    return {PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                         values.data(), nullptr, nullptr, 0),
            PQclear};
  }

  void must(const char* sql) {
    const PgResult result{PQexec(connection_.get(), sql), PQclear};
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK)
      throw std::runtime_error{first_line(PQerrorMessage(connection_.get()))};
  }

  static bool failed(const PgResult& result) {
    const auto status = PQresultStatus(result.get());
    return status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;
  }

  /// Its result, and what its triggers put off to COMMIT has run as well; or null after a failure,
  /// of which there is a finding then, and nothing in the database.
  PgResult try_it(const char* code, const std::string& what, const std::string& sql,
                  const Parameters& parameters) {
    must("SAVEPOINT step");
    auto result = send(sql, parameters);
    PgResult deferred{nullptr, PQclear};
    if (!failed(result))
      deferred = send("SET CONSTRAINTS ALL IMMEDIATE", {});
    const auto& wrong = failed(result) ? result : deferred;
    if (!failed(wrong)) {
      must("SET CONSTRAINTS ALL DEFERRED");
      must("RELEASE SAVEPOINT step");
      return result;
    }
    const auto field = [&](int which) {
      const char* text = PQresultErrorField(wrong.get(), which);
      return std::string{text ? text : ""};
    };
    const auto constraint = field(PG_DIAG_CONSTRAINT_NAME);
    const auto table = field(PG_DIAG_TABLE_NAME);
    const auto function = function_in(field(PG_DIAG_CONTEXT));
    std::string why = field(PG_DIAG_SQLSTATE);
    if (!constraint.empty())
      why += ", the constraint " + constraint + " of " + table;
    must("ROLLBACK TO SAVEPOINT step");
    if (!function.empty())
      why += ", in " + function + trigger_of(function);
    error(code, what + " fails: " + why + ": " + field(PG_DIAG_MESSAGE_PRIMARY));
    return {nullptr, PQclear};
  }

  /// The function that raised, as PostgreSQL names it.
  static std::string function_in(const std::string& context) {
    constexpr std::string_view kBefore = "function ";
    const auto at = context.find(kBefore);
    const auto end = context.find(')', at);
    return at == context.npos || end == context.npos
               ? std::string{}
               : context.substr(at + kBefore.size(), end + 1 - at - kBefore.size());
  }

  std::string trigger_of(const std::string& function) {
    const auto found =
        send("SELECT tgname, tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal "
             "AND tgfoid = to_regprocedure($1) LIMIT 1",
             {function});
    return failed(found) || PQntuples(found.get()) == 0
               ? std::string{}
               : std::string{" (the trigger "} + PQgetvalue(found.get(), 0, 0) + " on " +
                     PQgetvalue(found.get(), 0, 1) + ")";
  }

  void error(const char* code, std::string what) {
    findings_.push_back({Severity::error, code, std::move(what),
                         "change what is named there, or let it pass what Regroup's role does"});
  }
  void good(const char* code, std::string what) {
    findings_.push_back({Severity::good, code, std::move(what), {}});
  }

  /// A step that answers with a word in `outcome`.
  bool step(const char* code, const std::string& what, const Statement& statement,
            const Parameters& parameters, std::string_view expected) {
    const auto result = try_it(code, what, statement.sql, parameters);
    if (!result)
      return false;
    const int column = PQfnumber(result.get(), "outcome");
    const std::string outcome = column < 0 || PQntuples(result.get()) == 0
                                    ? "nothing"
                                    : PQgetvalue(result.get(), 0, column);
    if (outcome != expected) {
      error(code, what + " is refused: " + outcome);
      return false;
    }
    good(code, what + " passes");
    return true;
  }

  /// A made-up user; one of those that there are, where the role may not make any.
  bool find_user() {
    must("SAVEPOINT person");
    const auto made =
        send("INSERT INTO users (id, email, display_name) VALUES ($1, $2, 'Rehearsal')",
             {user_.text(), user_.text() + "@rehearsal.invalid"});
    if (!failed(made))
      return true;
    must("ROLLBACK TO SAVEPOINT person");
    const auto found = send("SELECT id FROM users WHERE is_active LIMIT 1", {});
    if (failed(found) || PQntuples(found.get()) == 0) {
      error("rehearsal/user", "there is no user to rehearse with, and the role may not make one");
      return false;
    }
    user_ = uuid(PQgetvalue(found.get(), 0, 0));
    return true;
  }

  bool register_devices() {
    const char* code = "rehearsal/register";
    for (int i = 0; i < 4; ++i) {
      domain::RegisterDevice device;
      device.device_id = domain::Uuid::random();
      device.display_name = "Rehearsal";
      device.registration_group_id = string_;
      device.platform = "android";
      device.user_id = user_;
      devices_.push_back(device.device_id);
      const auto made = try_it(code, "registering a device", statements::register_device.sql,
                               parameters_of(device));
      if (!made)
        return false;
    }
    good(code, "registering devices passes");
    return true;
  }

  domain::MigrationCommand command() const {
    domain::MigrationCommand made;
    made.migration_id = domain::Uuid::time_ordered();
    made.authenticated_group_id = domain::Uuid::time_ordered();
    made.user_id = user_;
    made.registration_group_id = string_;
    made.group_name = "Rehearsal " + mark_;
    made.slug = "rehearsal-" + mark_;
    made.received = std::chrono::steady_clock::now();
    return made;
  }

  bool migrate(const char* code, const std::string& what, const domain::MigrationCommand& made) {
    group_ = made.authenticated_group_id;
    return step(code, what, statements::migrate, parameters_of(made, facts_, made.received),
                "completed");
  }

  bool migrate_all() { return migrate("rehearsal/migrate", "a migration", command()); }

  bool migrate_some() {
    auto made = command();
    made.group_name += " again"; // whether or not the undo passed
    made.slug += "-again";
    made.device_ids = {std::min(devices_[0], devices_[1]), std::max(devices_[0], devices_[1])};
    return migrate("rehearsal/partial", "a migration of some devices", made);
  }

  void undo() {
    domain::UndoCommand made;
    made.undo_id = domain::Uuid::time_ordered();
    made.authenticated_group_id = group_;
    made.user_id = user_;
    made.registration_group_id = string_;
    made.window = std::chrono::hours{1};
    if (!step("rehearsal/undo", "an undo", statements::undo, parameters_of(made), "rolled_back"))
      start_over(); // the devices are in the group still: the rest is rehearsed with others
  }

  void start_over() {
    string_ += "b";
    mark_ += "b";
    devices_.clear();
    if (register_devices())
      findings_.pop_back(); // it was found before
  }

  void change_devices() {
    domain::ChangeGroupDevices change;
    change.change_id = domain::Uuid::time_ordered();
    change.user_id = user_;
    change.group_id = group_;
    change.action = domain::ChangeGroupDevices::Action::remove;
    change.device_ids = {devices_[0]};
    step("rehearsal/remove", "taking a device out of a group", statements::change_devices,
         parameters_of(change), "changed");
    change.change_id = domain::Uuid::time_ordered();
    change.action = domain::ChangeGroupDevices::Action::add;
    change.device_ids = {devices_[2]};
    step("rehearsal/add", "putting a device into a group", statements::change_devices,
         parameters_of(change), "changed");
  }

  SchemaFacts facts_;
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  std::vector<Finding> findings_;
  domain::Uuid user_ = domain::Uuid::random();
  domain::Uuid group_;
  std::vector<domain::Uuid> devices_;
  std::string mark_ = domain::Uuid::random().text().substr(0, 8);
  std::string string_ = "regroup-rehearsal-" + mark_;
};

} // namespace

std::vector<Finding> rehearse(const config::Settings::Database& settings) {
  try {
    return Rehearsal{settings}.run();
  } catch (const std::exception& why) {
    return {{Severity::error, "rehearsal", "it could not be tried: " + first_line(why.what()),
             "run `regroup schema apply` first; else see what the database's log says of it"}};
  }
}

} // namespace regroup::db
