#include "http/server/open_connections.hpp"

#include <catch2/catch.hpp>

using regroup::http::OpenConnections;

TEST_CASE("a connection that closes twice makes room for one other, not two") {
  OpenConnections connections{2};
  CHECK(connections.enter(1));
  CHECK(connections.enter(2));
  CHECK_FALSE(connections.enter(3));
  connections.leave(1);
  connections.leave(1);
  connections.leave(3); // was never let in
  CHECK(connections.count() == 1);
  CHECK(connections.enter(4));
  CHECK_FALSE(connections.enter(5));
}
