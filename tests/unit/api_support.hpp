#pragma once
#include "http/api.hpp"
#include "text/unicode.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

namespace regroup::test {

/// The events, by their names.
class RememberedLog final : public domain::Log {
public:
  void event(domain::LogLevel, std::string_view name,
             std::initializer_list<domain::LogField> fields) noexcept override {
    nlohmann::json line = nlohmann::json::object();
    for (const auto& [key, value] : fields)
      std::visit(
          [&, name = std::string{key}]<class T>(const T& held) {
            if constexpr (!std::is_same_v<T, std::monostate>)
              line[name] = held;
          },
          value);
    const std::scoped_lock lock{mutex_};
    lines_[std::string{name}].push_back(std::move(line));
  }
  std::vector<nlohmann::json> lines(const std::string& name) {
    const std::scoped_lock lock{mutex_};
    return lines_[name];
  }

private:
  std::mutex mutex_;
  std::map<std::string, std::vector<nlohmann::json>> lines_;
};

/// Keeps what it is asked for, until the test answers in the actors' place.
class HeldGateway final : public http::Gateway {
public:
  void run(domain::Job job, domain::Lane, Answered done) override {
    if (job.is<domain::AdminJob<domain::ReadLive>>()) // these two from the publisher's thread
      return done(domain::Answer{domain::AdminDocument{"[]"}});
    if (job.is<domain::PublishRunning>())
      return done(domain::Answer{domain::Done{}});
    if (job.is<domain::NoteRunning>())
      return done(domain::Answer{domain::RunningNoted{3}});
    jobs.push_back(std::move(job));
    asked.push_back(std::move(done));
  }
  void migrate(domain::MigrationPtr what, std::chrono::milliseconds,
               MigrationCallbacks given) override {
    command = std::move(what);
    callbacks = std::move(given);
  }

  std::vector<domain::Job> jobs;
  std::vector<Answered> asked;
  domain::MigrationPtr command;
  MigrationCallbacks callbacks;
};

inline constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";

/// The handlers, asked as the server asks them, in front of actors that the test plays.
struct ApiTest {
  http::JwtSettings jwt = [] {
    http::JwtSettings settings;
    settings.algorithm = "HS256";
    settings.secret = "a secret of thirty-two bytes or more";
    return settings;
  }();
  http::JwtVerifier tokens{jwt};
  text::Utf8procUnicode unicode;
  http::RateLimiter limiter{0};
  HeldGateway gateway;
  http::Lifecycle lifecycle;
  RememberedLog log;
  domain::Metrics metrics;
  http::Api api{http::ApiSettings{}, {tokens, unicode, limiter, gateway, lifecycle, log, metrics}};
  ~ApiTest() { api.stop(); }

  domain::Uuid user = domain::Uuid::random();
  std::string token = "Bearer " + http::mint_token(jwt, user, std::chrono::hours{1},
                                                   std::chrono::system_clock::now());
  std::string body = R"({"registration_group_id": "camping-2025"})";
  http::Request request = [this] {
    http::Request made;
    made.method = "POST";
    made.has_body = true;
    made.read_body = [this](const std::function<void(const http::Body&)>& done) {
      done(std::string_view{body});
    };
    made.content_type = "application/json";
    made.authorization = token;
    made.trace_id = kTrace;
    made.request_id = "r-1";
    made.received = std::chrono::steady_clock::now() - std::chrono::milliseconds{50};
    return made;
  }();
  std::vector<http::Reply> replies;
  http::Respond respond = [this](http::Reply reply) { replies.push_back(std::move(reply)); };
};

} // namespace regroup::test
