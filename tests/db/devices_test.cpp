#include "tests/db/support.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace regroup::test;
using domain::DeviceRegistered;
using domain::Refused;
using domain::Uuid;

namespace {

struct DevicesTest : DatabaseTest {
  domain::Answer register_device(const Uuid& device, const std::string& group,
                                 std::optional<Uuid> user = std::nullopt,
                                 std::optional<std::string> token = std::nullopt) {
    domain::RegisterDevice command;
    command.device_id = device;
    command.display_name = "phone";
    command.registration_group_id = group;
    command.platform = "ios";
    command.fcm_token = std::move(token);
    command.user_id = user;
    return new_store()->execute(command);
  }

  domain::Answer devices_of(const Uuid& group, const Uuid& user, std::int64_t page,
                            std::int64_t per_page) {
    return new_store()->execute(domain::ListGroupDevices{user, group, page, per_page, {}});
  }
};

} // namespace

TEST_CASE_METHOD(DevicesTest, "a device registers, and registers again elsewhere") {
  const auto device = Uuid::random();
  const auto first = register_device(device, "camping-2025", std::nullopt, "token");
  REQUIRE(first.is<DeviceRegistered>());
  CHECK(first.get<DeviceRegistered>().created);
  const auto second = register_device(device, "lake");
  REQUIRE(second.is<DeviceRegistered>());
  CHECK_FALSE(second.get<DeviceRegistered>().created);
  CHECK(second.get<DeviceRegistered>().group_id == "lake");
  CHECK(world->sql.value<std::string>("SELECT fcm_token FROM devices") == "token");
}

TEST_CASE_METHOD(DevicesTest, "a user's token links the device, and another user's does not") {
  const auto user = world->add_user();
  const auto other = world->add_user();
  const auto device = Uuid::random();
  register_device(device, "camping-2025");
  const auto linked = register_device(device, "camping-2025", user);
  REQUIRE(linked.is<DeviceRegistered>());
  CHECK(linked.get<DeviceRegistered>().owner_user_id == user);
  CHECK(refused(register_device(device, "camping-2025", other)) == Refused::device_already_linked);
  CHECK(refused(register_device(Uuid::random(), "camping-2025", Uuid::random())) ==
        Refused::unauthorized);
  CHECK(refused(register_device(device, "camping-2025")) == Refused::device_linked);
}

TEST_CASE_METHOD(DevicesTest, "registering again does not take a device out of its group") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 2, user);
  REQUIRE(completed(migrate(named("camping-2025", user, "Chen Family"))));
  const auto answer = register_device(devices[0], "camping-2025", user);
  REQUIRE(answer.is<DeviceRegistered>());
  CHECK(answer.get<DeviceRegistered>().group_id == "chen-family");
  CHECK(world->devices_in("chen-family") == 2);
}

TEST_CASE_METHOD(DevicesTest, "a device that moves while its group is migrated stays migrated") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 2, user);
  HeldTransaction migration{url};
  migration.exec("SELECT * FROM regroup_migrate_v2($1, $2, $3, 'camping-2025', 'Chen', 'chen', "
                 "NULL, 100, 20, NULL, NULL)",
                 Uuid::random().text(), Uuid::random().text(), user.text());
  auto moving = std::async(std::launch::async, [&] { return register_device(devices[1], "lake"); });
  REQUIRE(somebody_waits("transactionid"));
  migration.commit();
  const auto answer = moving.get();
  REQUIRE(answer.is<DeviceRegistered>());
  CHECK(answer.get<DeviceRegistered>().group_id == "chen");
}

TEST_CASE_METHOD(DevicesTest,
                 "a user finds the registration group of their device, before and after") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 3, user);
  const auto ask = [&](std::optional<Uuid> device) {
    return new_store()->execute(domain::FindRegistrationGroup{user, device, {}});
  };
  const auto before = ask(std::nullopt);
  REQUIRE(before.is<domain::RegistrationGroupFound>());
  const auto& found = before.get<domain::RegistrationGroupFound>();
  CHECK(found.registration_group_id == "camping-2025");
  CHECK(found.device_id == devices[0]);
  CHECK(found.device_count == 3);
  CHECK_FALSE(found.migration_id);
  CHECK(refused(ask(devices[1])) == Refused::not_found); // nobody's

  const auto done = migrate(named("camping-2025", user, "Chen Family"));
  REQUIRE(completed(done));
  const auto after = ask(devices[0]);
  REQUIRE(after.is<domain::RegistrationGroupFound>());
  CHECK(after.get<domain::RegistrationGroupFound>().registration_group_id == "camping-2025");
  CHECK(after.get<domain::RegistrationGroupFound>().authenticated_group_id ==
        completed(done)->authenticated_group_id);
}

TEST_CASE_METHOD(DevicesTest, "a group's devices are its members' to see, page by page") {
  const auto user = world->add_user();
  const auto devices = world->add_devices("camping-2025", 5, user);
  const auto done = migrate(command("camping-2025", user));
  REQUIRE(completed(done));
  const auto group = completed(done)->authenticated_group_id;
  const auto second = devices_of(group, user, 2, 2);
  REQUIRE(second.is<domain::GroupDevicesPage>());
  const auto& page = second.get<domain::GroupDevicesPage>();
  CHECK(page.total == 5);
  REQUIRE(page.devices.size() == 2);
  CHECK(page.devices[0].device_id == devices[2]);
  CHECK(devices_of(group, user, 9, 2).get<domain::GroupDevicesPage>().devices.empty());
  CHECK(refused(devices_of(group, world->add_user(), 1, 2)) == Refused::not_group_member);
  CHECK(refused(devices_of(Uuid::random(), user, 1, 2)) == Refused::not_found);
  CHECK(refused(devices_of(group, world->add_user(false), 1, 2)) == Refused::unauthorized);
}
