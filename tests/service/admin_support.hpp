#pragma once
#include "http/auth/api_key.hpp"
#include "tests/service/support.hpp"

#include <catch2/catch.hpp>

#include <string>

namespace regroup::test {

/// A deployment with an administrator in it.
class AdminServiceTest : public ServiceTest {
public:
  explicit AdminServiceTest(const Service::Options& options = {})
      : ServiceTest(options), admin_key(add_key(true)), device_key(add_key(false)) {}

  std::string add_key(bool is_admin) {
    std::string key = http::new_api_key();
    world.sql.exec("INSERT INTO api_keys (key_hash, key_prefix, name, is_admin) VALUES "
                   "($1, $2, 'test', $3)",
                   http::sha256_hex(key), key.substr(0, 8), is_admin);
    return key;
  }

  Headers admin() const { return {{"X-API-Key", admin_key}}; }

  Answered get(const std::string& path, std::size_t replica = 0) {
    return HttpClient{service.replica(replica).port()}.get("/api/admin/v1" + path, admin());
  }

  Answered post(const std::string& path, const std::string& text = "", std::size_t replica = 0) {
    return HttpClient{service.replica(replica).port()}.post("/api/admin/v1" + path, text, admin());
  }

  /// The body of a 200.
  json read(const std::string& path, std::size_t replica = 0) {
    const auto answer = get(path, replica);
    INFO(path << " " << (answer ? answer->body : "no answer"));
    REQUIRE(status_of(answer) == 200);
    return json::parse(answer->body);
  }

  std::string admin_key;
  std::string device_key;
};

} // namespace regroup::test
