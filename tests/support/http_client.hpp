#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace regroup::test {

struct IgnoringCase {
  bool operator()(const std::string& left, const std::string& right) const;
};
using Headers = std::map<std::string, std::string, IgnoringCase>;

struct Response {
  int status = 0;
  Headers headers; // of two with the same name the last
  std::string body;
};

/// From now on every answer that any HttpClient gets is shown to this, from whatever thread. To be
/// called before there is a second one.
using AnswerWatch =
    std::function<void(const std::string& method, const std::string& path, const Response&)>;
void watch_answers(AnswerWatch watch);

/// Speaks HTTP to a loopback port. Every request gives nothing when no whole response came: the
/// connection was refused or broke, or `timeout` passed.
class HttpClient {
public:
  enum class Connections {
    one_each, // a new connection for each request; may be shared by threads
    kept      // one connection, kept open; for one thread at a time
  };

  explicit HttpClient(unsigned port, Connections connections = Connections::one_each,
                      std::chrono::milliseconds timeout = std::chrono::seconds{60});
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  std::optional<Response> get(const std::string& path, const Headers& headers = {});
  /// `Content-Type: application/json` unless the headers say another.
  std::optional<Response> post(const std::string& path, const std::string& body,
                               const Headers& headers = {});
  std::optional<Response> put(const std::string& path, const std::string& body,
                              const Headers& headers = {});
  std::optional<Response> remove(const std::string& path, const Headers& headers = {});

  /// The path is sent as it is. A body without a content type goes as text/plain.
  std::optional<Response> request(const std::string& method, const std::string& path,
                                  const Headers& headers = {}, const std::string& body = {});

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Sends the bytes over a new connection to the loopback port, whatever they are, and gives all
/// that comes back until the other side closes or `limit` has passed.
std::string raw_exchange(unsigned port, const std::string& bytes,
                         std::chrono::milliseconds limit = std::chrono::seconds{10});

/// Runs each on a thread of its own, let go together once all threads stand ready; the answers are
/// in the order of the requests.
std::vector<std::optional<Response>>
at_once(const std::vector<std::function<std::optional<Response>()>>& requests);

} // namespace regroup::test
