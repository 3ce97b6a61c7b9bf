#include "http/auth/jwt_cache.hpp"

#include <catch2/catch.hpp>

using namespace regroup;
using namespace std::chrono_literals;
using http::JwtCache;
using http::JwtVerifier;

namespace {

const auto kNow = JwtVerifier::Clock::time_point{1'800'000'000s};

} // namespace

TEST_CASE("a token is known until its leeway is over, and never after that") {
  JwtCache cache;
  const auto user = domain::Uuid::random();
  cache.put("a.b.c", {user, kNow + 60s});
  REQUIRE(cache.find("a.b.c", kNow, 30s));
  CHECK(cache.find("a.b.c", kNow, 30s)->user_id == user);
  CHECK_FALSE(cache.find("a.b.d", kNow, 30s));
  CHECK_FALSE(cache.find("a.b.", kNow, 30s));
  CHECK(cache.find("a.b.c", kNow + 89s, 30s));
  CHECK_FALSE(cache.find("a.b.c", kNow + 90s, 30s));
  CHECK(cache.size() == 0);
}

TEST_CASE("neither many tokens nor long ones fill the memory") {
  JwtCache cache;
  for (std::size_t i = 0; i < JwtCache::most_tokens + 100; ++i)
    cache.put(std::to_string(i), {domain::Uuid::random(), kNow});
  CHECK(cache.size() == JwtCache::most_tokens);
  const std::string last = std::to_string(JwtCache::most_tokens + 99);
  CHECK(cache.find(last, kNow, 30s));
  const std::string longer(JwtCache::longest_token + 1, 'a');
  cache.put(longer, {domain::Uuid::random(), kNow});
  CHECK_FALSE(cache.find(longer, kNow, 30s));
}

TEST_CASE("a token that nobody used between two sweeps is forgotten") {
  JwtCache cache;
  cache.put("used", {domain::Uuid::random(), kNow});
  cache.put("idle", {domain::Uuid::random(), kNow});
  cache.sweep();
  CHECK(cache.size() == 2);
  CHECK(cache.find("used", kNow, 30s));
  cache.sweep();
  CHECK(cache.size() == 1);
  CHECK(cache.find("used", kNow, 30s));
}
