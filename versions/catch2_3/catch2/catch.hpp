#pragma once
// Catch2 3 under the header and names of Catch2 2, which the tests are written for. Only a build
// with Catch2 3 has this folder in its include path (versions/libraries.cmake).
#include <catch2/catch_approx.hpp>
#include <catch2/catch_message.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <catch2/reporters/catch_reporter_event_listener.hpp>
#include <catch2/reporters/catch_reporter_registrars.hpp>

#include <string>

namespace Catch {

// Catch2 3 has the matchers in a namespace of their own, and its Contains is for ranges.
using Matchers::EndsWith;
using Matchers::Matches;
using Matchers::StartsWith;
inline auto Contains(const std::string& part) { return Matchers::ContainsSubstring(part); }

using TestEventListenerBase = EventListenerBase;

} // namespace Catch

using Catch::Approx; // version 2 has it in the global namespace
