// Which texts can be API keys, and what is remembered of them.
#include "http/auth/api_key.hpp"
#include "http/auth/key_memory.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace regroup::http;
using Known = KeyMemory::Known;
using namespace std::chrono_literals;

TEST_CASE("keys of every program's shape can be keys, and what no header carries cannot") {
  for (const std::string& key :
       {new_api_key(), std::string{"admin"}, std::string{"pm_live_4eC39HqLyjWDarjtT1zdp7dc"},
        std::string{"3f2c7f3e-6a51-4c0e-9d0a-3e8f5d7a9b11"}, std::string{"c2VjcmV0IGtleQ=="},
        std::string{"key:with/all+of~it!"}, std::string(256, 'k')}) {
    INFO(key);
    CHECK(can_be_api_key(key));
  }
  for (const std::string& text :
       {std::string{}, std::string(257, 'k'), std::string{"two words"}, std::string{"tab\there"},
        std::string{"caf\xc3\xa9"}, std::string{"nul\0here", 8}, std::string{"rgk_short"},
        new_api_key() + "x", "rgk_" + std::string(43, '!')}) {
    INFO(text);
    CHECK_FALSE(can_be_api_key(text));
  }
}

TEST_CASE(
    "a key that was refused is refused for a moment, one that was proven is known for longer") {
  KeyMemory keys;
  const KeyMemory::Clock::time_point now{1h};
  CHECK(keys.look("a", now) == Known::nothing);
  keys.refuse("a", now);
  CHECK(keys.look("a", now + KeyMemory::refused_for - 1ms) == Known::refused);
  CHECK(keys.look("a", now + KeyMemory::refused_for) == Known::nothing);
  keys.prove("a", now);
  CHECK(keys.look("a", now + 1s) == Known::proven);
  CHECK(keys.look("a", now + KeyMemory::proven_for) == Known::nothing);
  keys.refuse("a", now); // revoked
  CHECK(keys.look("a", now) == Known::refused);
  keys.prove("a", now); // and taken back
  CHECK(keys.look("a", now) == Known::proven);
}

TEST_CASE("a flood of keys takes no more memory than the first few thousand") {
  KeyMemory keys;
  const KeyMemory::Clock::time_point now{1h};
  keys.prove("mine", now);
  for (std::size_t i = 0; i < 3 * KeyMemory::most_keys; ++i)
    keys.refuse(std::to_string(i), now);
  CHECK(keys.size() <= KeyMemory::most_keys + 1);
  CHECK(keys.look("mine", now) == Known::proven);
}
