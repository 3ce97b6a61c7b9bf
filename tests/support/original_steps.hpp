#pragma once
#include "tests/support/sql.hpp"

#include <string>
#include <vector>

namespace regroup::test {

/// The original backend's own migrate, statement by statement in a transaction that stays open: the
/// group, its owner, the devices' new string, the audit row. (The original filters devices by a
/// column that its table lacks; here it is the one that it has.)
class OriginalMigrate {
public:
  static constexpr int kSteps = 4;

  OriginalMigrate(const std::string& url, std::string user, std::string registration_group,
                  std::string slug)
      : transaction_{url}, user_{std::move(user)},
        registration_group_{std::move(registration_group)}, slug_{std::move(slug)} {
    for (const auto& row : transaction_.exec(
             "SELECT device_id::text FROM devices WHERE group_id = $1 AND active = true",
             registration_group_))
      devices_ += (devices_.empty() ? "" : ",") + std::string{row[0].c_str()};
  }

  /// The next statement; throws if PostgreSQL refuses it.
  void step() {
    switch (done_++) {
    case 0:
      group_ = transaction_
                   .exec("INSERT INTO groups (name, slug, max_devices, created_by, is_active) "
                         "VALUES ($1, $1, 20, $2, true) RETURNING id",
                         slug_, user_)
                   .at(0)
                   .at(0)
                   .as<std::string>();
      break;
    case 1:
      transaction_.exec("INSERT INTO group_memberships (user_id, group_id, role) "
                        "VALUES ($1, $2, 'owner')",
                        user_, group_);
      break;
    case 2:
      transaction_.exec("UPDATE devices SET group_id = $1, updated_at = now() "
                        "WHERE group_id = $2 AND active = true",
                        slug_, registration_group_);
      break;
    default:
      transaction_.exec("INSERT INTO migration_audit_logs (user_id, registration_group_id, "
                        "authenticated_group_id, devices_migrated, device_ids, status) "
                        "VALUES ($1, $2, $3, cardinality($4::uuid[]), $4::uuid[], 'success')",
                        user_, registration_group_, group_, "{" + devices_ + "}");
    }
  }
  void steps(int count) {
    while (done_ < count)
      step();
  }

  /// What is left of it, and COMMIT.
  void finish() {
    steps(kSteps);
    transaction_.commit();
  }
  void rollback() { transaction_.rollback(); }
  const std::string& group() const { return group_; }

private:
  HeldTransaction transaction_;
  std::string user_;
  std::string registration_group_;
  std::string slug_;
  std::string devices_;
  std::string group_;
  int done_ = 0;
};

} // namespace regroup::test
