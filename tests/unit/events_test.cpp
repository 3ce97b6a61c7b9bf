// What other systems rely on: the signature of an event, and which addresses it is sent to.
#include "events/address.hpp"
#include "events/signature.hpp"

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>

#include <fstream>
#include <iterator>
#include <string>

using namespace regroup::events;

namespace {

bool is_public(const std::string& text) {
  sockaddr_storage storage{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1)
    storage.ss_family = AF_INET;
  else if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1)
    storage.ss_family = AF_INET6;
  else
    FAIL(text);
  return regroup::events::is_public(reinterpret_cast<const sockaddr&>(storage));
}

} // namespace

TEST_CASE("the signature of an event is the test vector of the documentation") {
  const std::string header =
      "t=1764152598,v1=b06c610ff29a9a50781af6411cbdcfde566e1d62bfa6832a62c7729b9cfe545c";
  CHECK(signature("whsec_an-example-secret",
                  std::chrono::sys_seconds{std::chrono::seconds{1764152598}},
                  R"({"id":"evt_1","type":"migration.completed"})") == header);
  std::ifstream docs{REGROUP_SOURCE_DIR "/docs/events.md"};
  const std::string text{std::istreambuf_iterator<char>{docs}, {}};
  CHECK(text.find(header) != std::string::npos);
}

TEST_CASE("addresses that are not everybody's are not public") {
  for (const char* address : {"0.0.0.0",      "10.1.2.3",          "100.64.0.1",
                              "127.0.0.1",    "127.255.255.255",   "169.254.169.254",
                              "172.16.0.1",   "172.31.255.255",    "192.0.0.8",
                              "192.0.2.1",    "192.168.1.1",       "198.18.0.1",
                              "198.51.100.7", "203.0.113.9",       "224.0.0.1",
                              "240.0.0.1",    "255.255.255.255",   "::",
                              "::1",          "fe80::1",           "fc00::1",
                              "fd12::1",      "ff02::1",           "2001:db8::1",
                              "2001::1",      "::ffff:10.0.0.1",   "::ffff:127.0.0.1",
                              "::127.0.0.1",  "64:ff9b::10.0.0.1", "2002:7f00:1::",
                              "100::1",       "3fff::1",           "3fff:fff:ffff::1",
                              "5f00::1",      "2620:4f:8000::1",   "192.52.193.1",
                              "192.175.48.1", "64:ff9b:1::1",      "192.31.196.1"}) {
    INFO(address);
    CHECK_FALSE(is_public(address));
  }
  for (const char* address :
       {"1.1.1.1", "8.8.8.8", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1",
        "192.167.1.1", "223.255.255.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", "2002:808:808::", "3fff:1000::1", "3ffe::1", "2620:4f:8001::1",
        "192.52.192.1", "192.175.49.1"}) {
    INFO(address);
    CHECK(is_public(address));
  }
}
