#include "tests/service/chaos/cast.hpp"

#include <algorithm>
#include <sstream>

namespace regroup::chaos {
namespace {

constexpr std::size_t kMostCallers = 4;

/// A list as an array's text: nothing in it needs quotes.
class ArrayText {
public:
  void add(const std::string& value) { text_ += (text_.empty() ? "" : ",") + value; }
  std::string text() const { return "{" + text_ + "}"; }

private:
  std::string text_;
};

std::string seconds(const std::string& column) {
  return "extract(epoch FROM " + column + ")::double precision";
}

std::vector<std::string> elements(const std::string& array) {
  std::vector<std::string> result;
  std::istringstream words{array.substr(1, array.size() - 2)};
  for (std::string word; std::getline(words, word, ',');)
    result.push_back(word);
  return result;
}

} // namespace

std::vector<Group> add_groups(test::Sql& sql, const std::string& prefix, std::size_t count,
                              std::size_t smallest, std::size_t largest, Owners owned) {
  std::vector<Group> groups(count);
  ArrayText users, devices, ids, owners;
  for (std::size_t number = 0; number < count; ++number) {
    auto& group = groups[number];
    group.id = prefix + "-" + std::to_string(number);
    group.devices.resize(smallest + number % (largest - smallest + 1));
    std::generate(group.devices.begin(), group.devices.end(), domain::Uuid::random);
    group.users.resize(owned == Owners::one ? 1 : std::min(group.devices.size(), kMostCallers));
    std::generate(group.users.begin(), group.users.end(), domain::Uuid::random);
    for (const auto& user : group.users)
      users.add(user.text());
    for (std::size_t index = 0; index < group.devices.size(); ++index) {
      devices.add(group.devices[index].text());
      ids.add(group.id);
      owners.add(owned == Owners::one         ? group.users.front().text()
                 : index < group.users.size() ? group.users[index].text()
                                              : "NULL");
    }
  }
  sql.exec("INSERT INTO users (id, email) SELECT id, id || '@example.com' FROM "
           "unnest($1::uuid[]) AS id",
           users.text());
  sql.exec("INSERT INTO devices (device_id, display_name, group_id, platform, owner_user_id) "
           "SELECT d, 'phone', g, 'android', o FROM "
           "unnest($1::uuid[], $2::text[], $3::uuid[]) AS t (d, g, o)",
           devices.text(), ids.text(), owners.text());
  return groups;
}

Rows read_rows(test::Sql& sql) {
  const auto text = [](const pqxx::field& field) { return std::string{field.c_str()}; };
  Rows rows;
  for (const auto& row : sql.exec("SELECT id, slug FROM groups WHERE is_active"))
    rows.groups.push_back({text(row[0]), text(row[1])});
  for (const auto& row : sql.exec("SELECT m.group_id, m.user_id, m.role FROM group_memberships m "
                                  "JOIN groups g ON g.id = m.group_id AND g.is_active"))
    rows.members.push_back({text(row[0]), text(row[1]), text(row[2])});
  for (const auto& row : sql.exec("SELECT device_id, group_id FROM device_group_memberships"))
    rows.memberships[text(row[0])].push_back(text(row[1]));
  for (const auto& row : sql.exec("SELECT device_id, group_id FROM devices"))
    rows.group_id_of[text(row[0])] = text(row[1]);
  for (const auto& row :
       sql.exec("SELECT id, coalesce(user_id::text, ''), registration_group_id, "
                "coalesce(authenticated_group_id::text, ''), regroup_status(a), device_ids, " +
                seconds("created_at") +
                ", coalesce(trace_id, ''), coalesce(rollback_id::text, ''), "
                "coalesce(undone_group_id::text, ''), coalesce(rolled_back_by::text, ''), "
                "coalesce(rollback_trace_id, ''), coalesce(" +
                seconds("rolled_back_at") + ", 0) FROM migration_audit_logs a"))
    rows.audits.push_back({text(row[0]), text(row[1]), text(row[2]), text(row[3]), text(row[4]),
                           elements(text(row[5])), row[6].as<double>(), text(row[7]), text(row[8]),
                           text(row[9]), text(row[10]), text(row[11]), row[12].as<double>()});
  for (const auto& row : sql.exec("SELECT id, user_id, group_id, action, device_ids, " +
                                  seconds("created_at") + " FROM regroup_device_changes"))
    rows.changes.push_back({text(row[0]), text(row[1]), text(row[2]), text(row[3]),
                            elements(text(row[4])), row[5].as<double>()});
  for (const auto& row : sql.exec("SELECT id, kind, status FROM regroup_operations "
                                  "WHERE kind IS DISTINCT FROM 'migration'"))
    rows.operations.push_back({text(row[0]), text(row[1]), text(row[2])});
  return rows;
}

} // namespace regroup::chaos
