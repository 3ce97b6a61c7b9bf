// A client that sends each request when it is due, whether or not the one before was answered, and
// counts its latency from the moment when it was due: a stall of the server is then seen by all
// that should have been sent meanwhile. (wrk waits for an answer first and so spares a slow
// server.)
//   regroup_bench_open_loop PORT CONNECTIONS FILE
// FILE has a request a line: when it is due (microseconds from the start, ascending), the token and
// the body, with tabs between. Prints one line of JSON: latencies in milliseconds for all answers
// and for each status.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Latencies = std::vector<double>;

struct Planned {
  std::chrono::microseconds due;
  std::string text; // the request as it is sent
};

struct Connection {
  int socket = -1;
  std::size_t request = 0; // the one that it waits for
  std::string received;
};

int checked(int result, const char* what) {
  if (result < 0)
    throw std::system_error(errno, std::generic_category(), what);
  return result;
}

std::vector<Planned> read_plan(const char* path, const std::string& port) {
  std::vector<Planned> plan;
  std::ifstream file{path};
  std::ostringstream text;
  for (std::string due, token, body; std::getline(file, due, '\t') &&
                                     std::getline(file, token, '\t') && std::getline(file, body);) {
    text.str("");
    text << "POST /api/v1/groups/migrate HTTP/1.1\r\nHost: 127.0.0.1:" << port
         << "\r\nAuthorization: Bearer " << token
         << "\r\nContent-Type: application/json\r\nContent-Length: " << body.size() << "\r\n\r\n"
         << body;
    plan.push_back({std::chrono::microseconds{std::stoll(due)}, text.str()});
  }
  if (plan.empty())
    throw std::runtime_error("no requests in the file");
  return plan;
}

/// The answer's status once all of it is there, else 0.
int complete_status(std::string_view received) {
  constexpr std::string_view kLength = "Content-Length: ";
  const auto head = received.find("\r\n\r\n");
  if (head == std::string_view::npos)
    return 0;
  const auto at = received.substr(0, head).find(kLength);
  if (at == std::string_view::npos)
    throw std::runtime_error("an answer without a Content-Length");
  const auto body = std::stoul(std::string{received.substr(at + kLength.size(), 20)});
  if (received.size() < head + 4 + body)
    return 0;
  return std::stoi(std::string{received.substr(9, 3)});
}

class Client {
public:
  Client(std::uint16_t port, std::size_t connections, std::vector<Planned> plan)
      : plan_(std::move(plan)), connections_(connections),
        epoll_(checked(epoll_create1(0), "epoll_create1")),
        timer_(checked(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "timerfd_create")) {
    watch(timer_, connections_.size(), EPOLLIN | EPOLLET); // never read: only its edge counts
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      connect(connections_[i], port);
      watch(connections_[i].socket, i, EPOLLIN);
      idle_.push_back(i);
    }
  }

  void run() {
    constexpr auto kHeadStart = std::chrono::milliseconds{50};
    start_ = Clock::now() + kHeadStart;
    set_timer();
    std::array<epoll_event, 64> events{};
    for (std::size_t answered = 0; answered < plan_.size();) {
      const int count = epoll_wait(epoll_, events.data(), events.size(), -1);
      if (count < 0 && errno != EINTR)
        checked(count, "epoll_wait");
      for (int i = 0; i < count; ++i) {
        const std::size_t which = events.at(static_cast<std::size_t>(i)).data.u64;
        if (which != connections_.size() && receive(which))
          ++answered;
      }
      send_what_is_due();
      set_timer();
    }
    took_ = Clock::now() - start_;
  }

  void print() {
    Latencies all;
    for (const auto& [status, some] : latencies_)
      all.insert(all.end(), some.begin(), some.end());
    std::cout << "{\"seconds\":" << took_.count() << ",\"answers\":" << all.size() << ",";
    print_latencies("all", all);
    std::cout << ",\"latest_send_ms\":" << latest_send_ << ",\"by_status\":{";
    const char* comma = "";
    for (auto& [status, some] : latencies_) {
      std::cout << comma;
      print_latencies(std::to_string(status), some);
      comma = ",";
    }
    std::cout << "}}\n";
  }

private:
  static void connect(Connection& connection, std::uint16_t port) {
    connection.socket = checked(socket(AF_INET, SOCK_STREAM, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    checked(::connect(connection.socket, reinterpret_cast<sockaddr*>(&address), sizeof address),
            "connect");
    const int yes = 1;
    setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  }

  void watch(int descriptor, std::size_t which, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.u64 = which;
    checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event), "epoll_ctl");
  }

  /// Wakes the loop when the next request is due; with every connection busy, an answer does.
  void set_timer() const {
    if (next_ == plan_.size() || idle_.empty())
      return;
    const auto at = (start_ + plan_[next_].due).time_since_epoch(); // steady: CLOCK_MONOTONIC
    const auto whole = std::chrono::floor<std::chrono::seconds>(at);
    itimerspec next{};
    next.it_value.tv_sec = whole.count();
    next.it_value.tv_nsec = std::chrono::nanoseconds{at - whole}.count();
    checked(timerfd_settime(timer_, TFD_TIMER_ABSTIME, &next, nullptr), "timerfd_settime");
  }

  void send_what_is_due() {
    for (; next_ < plan_.size() && !idle_.empty(); ++next_) {
      const auto late = Clock::now() - (start_ + plan_[next_].due);
      if (late < Clock::duration::zero())
        return;
      latest_send_ = std::max(latest_send_, milliseconds(late));
      Connection& connection = connections_[idle_.front()];
      idle_.pop_front();
      connection.request = next_;
      const std::string& text = plan_[next_].text;
      // A request is far smaller than the socket's buffer: it goes in whole.
      if (checked(static_cast<int>(send(connection.socket, text.data(), text.size(), MSG_NOSIGNAL)),
                  "send") != static_cast<int>(text.size()))
        throw std::runtime_error("a request did not fit into the socket's buffer");
    }
  }

  /// Whether an answer was completed.
  bool receive(std::size_t which) {
    Connection& connection = connections_[which];
    std::array<char, 16384> buffer{};
    const auto size =
        checked(static_cast<int>(recv(connection.socket, buffer.data(), buffer.size(), 0)), "recv");
    if (size == 0)
      throw std::runtime_error("the server closed a connection");
    connection.received.append(buffer.data(), static_cast<std::size_t>(size));
    const int status = complete_status(connection.received);
    if (status == 0)
      return false;
    latencies_[status].push_back(
        milliseconds(Clock::now() - (start_ + plan_[connection.request].due)));
    connection.received.clear();
    idle_.push_back(which);
    return true;
  }

  static double milliseconds(Clock::duration span) {
    return std::chrono::duration<double, std::milli>{span}.count();
  }

  static void print_latencies(std::string_view name, Latencies& some) {
    std::sort(some.begin(), some.end());
    const auto at = [&](double part) {
      return some[std::min(some.size() - 1,
                           static_cast<std::size_t>(part * static_cast<double>(some.size())))];
    };
    std::cout << '"' << name << "\":{\"count\":" << some.size() << ",\"p50_ms\":" << at(0.5)
              << ",\"p95_ms\":" << at(0.95) << ",\"p99_ms\":" << at(0.99)
              << ",\"max_ms\":" << some.back() << "}";
  }

  std::vector<Planned> plan_;
  std::vector<Connection> connections_;
  int epoll_;
  int timer_;
  std::deque<std::size_t> idle_;
  std::size_t next_ = 0;
  Clock::time_point start_;
  std::chrono::duration<double> took_{};
  double latest_send_ = 0;
  std::map<int, Latencies> latencies_;
};

} // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: regroup_bench_open_loop PORT CONNECTIONS FILE\n";
    return 2;
  }
  try {
    Client client{static_cast<std::uint16_t>(std::stoul(argv[1])), std::stoul(argv[2]),
                  read_plan(argv[3], argv[1])};
    client.run();
    client.print();
  } catch (const std::exception& why) {
    std::cerr << "regroup_bench_open_loop: " << why.what() << "\n";
    return 1;
  }
  return 0;
}
