#include "http/outcome_table.hpp"
#include "http/problem.hpp"
#include "http/server/trace.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <string>

using namespace regroup;
using namespace regroup::http;

TEST_CASE("a problem is what names application/problem+json with enough weight") {
  for (const char* yes :
       {"application/problem+json", "APPLICATION/Problem+JSON",
        "text/html, application/problem+json", "application/json, application/problem+json",
        "application/problem+json;q=0.1",
        "application/problem+json ; charset=utf-8 ; q=0.5,application/json;q=0.4"})
    CHECK(wants_problem(yes));
  for (const char* no : {"", "*/*", "application/*", "application/json", ",;,", "problem+json",
                         "application/problem+json;q=0", "application/problem+json;q=x",
                         "application/problem+json;q=0.4, application/json;q=0.5",
                         "application/problem+json;q=0.9, application/json"})
    CHECK_FALSE(wants_problem(no));
}

TEST_CASE("every error of the table is the same error as a problem") {
  for (const OutcomeRow& row : outcome_table()) {
    domain::Refusal refusal{row.reason};
    refusal.registration_group_id = "camping \"2025\" \xff";
    const Reply reply = to_reply(refusal);
    Reply problem = reply;
    to_problem(problem, "Title");
    const auto before = nlohmann::json::parse(reply.body).at("error");
    const auto after = nlohmann::json::parse(problem.body);
    CHECK(problem.status == reply.status);
    CHECK(problem.headers == reply.headers);
    CHECK(std::string{problem.content_type} == "application/problem+json");
    CHECK(after == nlohmann::json{{"type", "urn:regroup:problem:" + std::string{row.code}},
                                  {"title", "Title"},
                                  {"status", row.status},
                                  {"detail", before.at("message")},
                                  {"code", row.code},
                                  {"details", before.at("details")}});
  }
}

TEST_CASE("a traceparent gives its trace id, and anything else gives none") {
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const std::string parent = "00f067aa0ba902b7";
  CHECK(trace_id_of("00-" + trace + "-" + parent + "-01") == trace);
  CHECK(trace_id_of("01-" + trace + "-" + parent + "-01-more") == trace);
  for (const auto& bad :
       {std::string{}, "00-" + trace + "-" + parent, "00-" + trace + "-" + parent + "-01-more",
        "00-" + trace + "-" + parent + "-01 ", "ff-" + trace + "-" + parent + "-01",
        "00-" + std::string(32, '0') + "-" + parent + "-01",
        "00-" + trace + "-" + std::string(16, '0') + "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + parent + "-01",
        "00_" + trace + "-" + parent + "-01", "00-" + trace + "-" + parent + "-0\n"})
    CHECK(trace_id_of(bad).empty());
}
