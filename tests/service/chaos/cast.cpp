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

std::vector<std::string> elements(const std::string& array) {
  std::vector<std::string> result;
  std::istringstream words{array.substr(1, array.size() - 2)};
  for (std::string word; std::getline(words, word, ',');)
    result.push_back(word);
  return result;
}

} // namespace

std::vector<Group> add_groups(test::Sql& sql, const std::string& prefix, std::size_t count,
                              std::size_t smallest, std::size_t largest) {
  std::vector<Group> groups(count);
  ArrayText users, devices, ids, owners;
  for (std::size_t number = 0; number < count; ++number) {
    auto& group = groups[number];
    group.id = prefix + "-" + std::to_string(number);
    group.devices.resize(smallest + number % (largest - smallest + 1));
    std::generate(group.devices.begin(), group.devices.end(), domain::Uuid::random);
    group.users.resize(std::min(group.devices.size(), kMostCallers));
    std::generate(group.users.begin(), group.users.end(), domain::Uuid::random);
    for (const auto& user : group.users)
      users.add(user.text());
    for (std::size_t index = 0; index < group.devices.size(); ++index) {
      devices.add(group.devices[index].text());
      ids.add(group.id);
      owners.add(index < group.users.size() ? group.users[index].text() : "NULL");
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
  for (const auto& row : sql.exec("SELECT id, slug FROM groups"))
    rows.groups.push_back({text(row[0]), text(row[1])});
  for (const auto& row : sql.exec("SELECT group_id, user_id, role FROM group_memberships"))
    rows.members.push_back({text(row[0]), text(row[1]), text(row[2])});
  for (const auto& row : sql.exec("SELECT device_id, group_id FROM device_group_memberships"))
    rows.memberships[text(row[0])].push_back(text(row[1]));
  for (const auto& row : sql.exec("SELECT device_id, group_id FROM devices"))
    rows.group_id_of[text(row[0])] = text(row[1]);
  for (const auto& row :
       sql.exec("SELECT id, coalesce(user_id::text, ''), registration_group_id, "
                "coalesce(authenticated_group_id::text, ''), status, device_ids, "
                "extract(epoch FROM created_at)::double precision FROM migration_audit_logs"))
    rows.audits.push_back({text(row[0]), text(row[1]), text(row[2]), text(row[3]), text(row[4]),
                           elements(text(row[5])), row[6].as<double>()});
  return rows;
}

} // namespace regroup::chaos
