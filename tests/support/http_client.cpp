#include "tests/support/http_client.hpp"

#include "db/file_descriptor.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <httplib.h>
#include <latch>
#include <poll.h>
#include <thread>

namespace regroup::test {
namespace {

using namespace std::chrono_literals;

Headers with_json(const Headers& headers) {
  Headers result{{"Content-Type", "application/json"}};
  for (const auto& [name, value] : headers)
    result.insert_or_assign(name, value);
  return result;
}

db::FileDescriptor connected_socket(unsigned port) {
  db::FileDescriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return {};
  ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  return socket;
}

AnswerWatch& answer_watch() {
  static AnswerWatch watch;
  return watch;
}

} // namespace

bool IgnoringCase::operator()(const std::string& left, const std::string& right) const {
  return std::lexicographical_compare(
      left.begin(), left.end(), right.begin(), right.end(),
      [](unsigned char a, unsigned char b) { return std::tolower(a) < std::tolower(b); });
}

struct HttpClient::Impl {
  unsigned port;
  std::chrono::milliseconds timeout;
  std::unique_ptr<httplib::Client> kept;

  std::unique_ptr<httplib::Client> connection(bool keep_alive) const {
    auto client = std::make_unique<httplib::Client>("127.0.0.1", static_cast<int>(port));
    client->set_keep_alive(keep_alive);
    client->set_url_encode(false);
    client->set_tcp_nodelay(true);
    client->set_connection_timeout(timeout);
    client->set_read_timeout(timeout);
    client->set_write_timeout(timeout);
    return client;
  }
};

HttpClient::HttpClient(unsigned port, Connections connections, std::chrono::milliseconds timeout)
    : impl_{std::make_unique<Impl>(Impl{port, timeout, nullptr})} {
  if (connections == Connections::kept)
    impl_->kept = impl_->connection(true);
}

HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

std::optional<Response> HttpClient::get(const std::string& path, const Headers& headers) {
  return request("GET", path, headers);
}

std::optional<Response> HttpClient::post(const std::string& path, const std::string& body,
                                         const Headers& headers) {
  return request("POST", path, with_json(headers), body);
}

std::optional<Response> HttpClient::put(const std::string& path, const std::string& body,
                                        const Headers& headers) {
  return request("PUT", path, with_json(headers), body);
}

std::optional<Response> HttpClient::remove(const std::string& path, const Headers& headers) {
  return request("DELETE", path, headers);
}

std::optional<Response> HttpClient::request(const std::string& method, const std::string& path,
                                            const Headers& headers, const std::string& body) {
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.headers = {headers.begin(), headers.end()};
  request.body = body;
  const auto fresh = impl_->kept ? nullptr : impl_->connection(false);
  const auto result = (fresh ? *fresh : *impl_->kept).send(request);
  if (!result)
    return std::nullopt;
  Response response{result->status, {}, result->body};
  for (const auto& [name, value] : result->headers)
    response.headers.insert_or_assign(name, value);
  if (answer_watch())
    answer_watch()(method, path, response);
  return response;
}

void watch_answers(AnswerWatch watch) { answer_watch() = std::move(watch); }

std::string raw_exchange(unsigned port, const std::string& bytes, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  const auto socket = connected_socket(port);
  std::string answer;
  std::size_t sent = 0;
  std::array<char, 65536> chunk{};
  while (socket && std::chrono::steady_clock::now() < deadline) {
    // Both ways at once: a server may answer and close before it has read everything.
    const auto wanted = static_cast<short>(sent < bytes.size() ? POLLIN | POLLOUT : POLLIN);
    pollfd waiting{socket.get(), wanted, 0};
    if (::poll(&waiting, 1, 20) <= 0)
      continue;
    if ((waiting.revents & POLLOUT) != 0) {
      const auto count =
          ::send(socket.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count > 0)
        sent += static_cast<std::size_t>(count);
      else if (errno != EAGAIN)
        sent = bytes.size(); // it no longer listens, but may have answered
    }
    if ((waiting.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
      const auto count = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
      if (count > 0)
        answer.append(chunk.data(), static_cast<std::size_t>(count));
      else if (count == 0 || errno != EAGAIN)
        break;
    }
  }
  return answer;
}

std::vector<std::optional<Response>>
at_once(const std::vector<std::function<std::optional<Response>()>>& requests) {
  std::vector<std::optional<Response>> answers(requests.size());
  std::latch ready{static_cast<std::ptrdiff_t>(requests.size())};
  std::vector<std::thread> threads;
  for (std::size_t index = 0; index < requests.size(); ++index)
    threads.emplace_back([&, index] {
      ready.arrive_and_wait();
      answers[index] = requests[index]();
    });
  for (auto& thread : threads)
    thread.join();
  return answers;
}

} // namespace regroup::test
