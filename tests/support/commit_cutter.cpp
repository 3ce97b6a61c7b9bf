#include "tests/support/commit_cutter.hpp"

#include "tests/support/process.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <poll.h>
#include <regex>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace regroup::test {
namespace {

constexpr int kPollMilliseconds = 50; // how soon a proxy that is told to stop does

sockaddr_in loopback(unsigned port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error{errno, std::generic_category(), what};
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// What there is now; empty when the other side has closed.
std::string receive(int socket) {
  std::array<char, 16384> buffer{};
  const auto got = ::recv(socket, buffer.data(), buffer.size(), 0);
  return got > 0 ? std::string{buffer.data(), static_cast<std::size_t>(got)} : std::string{};
}

bool readable(int socket, int milliseconds) {
  pollfd entry{socket, POLLIN, 0};
  return ::poll(&entry, 1, milliseconds) > 0;
}

std::size_t length_at(std::string_view bytes, std::size_t at) {
  std::size_t length = 0;
  for (std::size_t i = 0; i < 4; ++i)
    length = length * 256 + static_cast<unsigned char>(bytes[at + i]);
  return length;
}

/// A stream taken apart into messages: a type, a length that counts itself, and the rest. The first
/// one of a client has no type.
class Messages {
public:
  explicit Messages(bool first_is_untyped) : untyped_(first_is_untyped) {}

  void add(std::string_view bytes) { bytes_ += bytes; }

  std::optional<std::string> next() {
    const std::size_t type = untyped_ ? 0 : 1;
    if (bytes_.size() < type + 4)
      return std::nullopt;
    const auto size = type + length_at(bytes_, type);
    if (bytes_.size() < size)
      return std::nullopt;
    untyped_ = false;
    auto message = bytes_.substr(0, size);
    bytes_.erase(0, size);
    return message;
  }

private:
  bool untyped_;
  std::string bytes_;
};

/// Whether that is what it says: as a query of its own, or in a pipeline, where it is unnamed or
/// prepared for the first time in a Parse message, and later on named in a Bind message (manual,
/// 55.7).
bool says(std::string_view message, std::string_view sql, std::string_view name) {
  const char type = message.front();
  const auto words = message.substr(std::min<std::size_t>(5, message.size()));
  if (type == 'Q')
    return words.starts_with(sql);
  const auto second = words.substr(std::min(words.find('\0'), words.size() - 1) + 1);
  return (type == 'P' && second.starts_with(sql)) || (type == 'B' && second.starts_with(name));
}

bool is_begin(std::string_view message) { return says(message, "BEGIN", "regroup_begin"); }
bool is_commit(std::string_view message) { return says(message, "COMMIT", "regroup_commit"); }

/// What PostgreSQL answers with "ready for the next".
bool ends_a_trip(std::string_view message) {
  return message.front() == 'Q' || message.front() == 'S';
}

/// What waits for the end of its trip; all else is passed on as it comes (a password, a goodbye).
bool is_of_a_trip(std::string_view message) {
  return ends_a_trip(message) || std::string_view{"PBDEC"}.find(message.front()) != message.npos;
}

/// The first id among the parameters: those of a transaction begin with its own.
std::string first_id(const std::string& transaction) {
  static const std::regex expression{"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"};
  std::smatch match;
  return std::regex_search(transaction, match, expression) ? match[0].str() : std::string{};
}

/// Closes so that the other side is reset, not ended in order.
void reset(db::FileDescriptor& socket) {
  const linger at_once{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket = {};
}

} // namespace

/// One client's connection, on a thread of its own.
class CommitCutter::Connection {
public:
  Connection(CommitCutter& owner, db::FileDescriptor client)
      : owner_(owner),
        client_(std::move(client)), server_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {}

  void serve() {
    const auto address = loopback(owner_.postgres_port_);
    if (::connect(server_.get(), generic(address), sizeof address) != 0)
      return;
    while (!owner_.stopping_) {
      std::array<pollfd, 2> both{{{client_.get(), POLLIN, 0}, {server_.get(), POLLIN, 0}}};
      if (::poll(both.data(), both.size(), kPollMilliseconds) <= 0)
        continue;
      if (both[1].revents != 0 && !pass_answers())
        return;
      if (both[0].revents != 0 && !pass_requests())
        return;
    }
  }

private:
  bool pass_answers() {
    const auto bytes = receive(server_.get());
    if (backend_ == 0) { // until BackendKeyData, which comes before the first "ready"
      answers_.add(bytes);
      while (const auto message = answers_.next())
        if (message->front() == 'K')
          backend_ = static_cast<pid_t>(length_at(*message, 5));
    }
    return !bytes.empty() && send_all(client_.get(), bytes);
  }

  /// False when the connection is to end.
  bool pass_requests() {
    const auto bytes = receive(client_.get());
    if (bytes.empty())
      return false;
    requests_.add(bytes);
    while (const auto message = requests_.next()) {
      if (is_first_ || !is_of_a_trip(*message)) {
        is_first_ = false;
        if (!send_all(server_.get(), std::exchange(trip_, {}) + *message))
          return false;
        continue;
      }
      if (!has_commit_ && is_commit(*message)) {
        has_commit_ = true;
        before_commit_ = trip_.size();
      }
      if (is_begin(*message))
        transaction_.clear();
      trip_ += *message;
      if (ends_a_trip(*message) && !pass_trip())
        return false;
    }
    return true;
  }

  bool pass_trip() {
    const auto trip = std::exchange(trip_, {});
    const bool commits = std::exchange(has_commit_, false);
    transaction_ += trip;
    if (const auto refusal = owner_.refusal_of(transaction_))
      return refuse(*refusal, trip);
    if (commits) {
      const int released = owner_.released_; // before the order is said to be carried out
      const auto how = owner_.take_order(transaction_, first_id(transaction_));
      if (how != Cut::never)
        return cut(how, trip, released);
    }
    if (commits)
      transaction_.clear();
    ++owner_.trips_;
    return send_all(server_.get(), trip);
  }

  bool refuse(const Refusal& refusal, const std::string& trip) {
    if (refusal.answered && send_all(server_.get(), trip))
      owner_.wait_until_answered(server_.get());
    reset(client_);
    return false;
  }

  bool cut(Cut how, const std::string& trip, int released) {
    if (how == Cut::before_commit) {
      send_all(server_.get(), std::string_view{trip}.substr(0, before_commit_));
      // PostgreSQL has rolled back before the client hears of it.
      ::shutdown(server_.get(), SHUT_WR);
      owner_.wait_until_answered(server_.get());
      return false;
    }
    ++owner_.trips_;
    if (how == Cut::after_commit) {
      send_all(server_.get(), trip);
      owner_.wait_until_answered(server_.get());
      return false;
    }
    if (how == Cut::last_words) {
      send_all(server_.get(), trip);
      owner_.wait_until_answered(server_.get());
      return send_all(client_.get(), owner_.last_words()) && owner_.goes_on();
    }
    if (how == Cut::abandoned) {
      send_all(server_.get(), trip);
      reset(client_);
      owner_.wait_until_answered(server_.get());
      return false;
    }
    const pid_t reader = owner_.stopped_ != 0 ? owner_.stopped_.load() : backend_;
    stop_process(reader);
    send_all(server_.get(), trip);
    reset(client_);
    owner_.wait_for_release(released);
    ::kill(reader, SIGCONT);
    owner_.wait_until_answered(server_.get());
    return false;
  }

  CommitCutter& owner_;
  db::FileDescriptor client_, server_;
  Messages requests_{true}, answers_{false};
  pid_t backend_ = 0;
  bool is_first_ = true;
  std::string trip_;        // what has come of the one that is not at its end
  std::string transaction_; // all of it since its BEGIN
  bool has_commit_ = false;
  std::size_t before_commit_ = 0; // of the trip
};

CommitCutter::CommitCutter(unsigned postgres_port)
    : postgres_port_{postgres_port}, listener_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
  auto address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(listener_.get(), generic(address), size) != 0 || ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    fail("cannot listen");
  port_ = ntohs(address.sin_port);
  accepting_ = std::thread{[this] { accept_all(); }};
}

CommitCutter::~CommitCutter() {
  stopping_ = true;
  accepting_.join();
  for (auto& connection : connections_)
    connection.join();
}

void CommitCutter::cut_next(Cut how, std::vector<std::string> words, Refusal refusal) {
  const std::scoped_lock lock{mutex_};
  next_ = {how, std::move(words), refusal};
}

void CommitCutter::speak_last(const std::string& severity, const std::string& sqlstate,
                              bool in_step) {
  std::string fields;
  for (const auto& [code, value] : {std::pair{'S', severity}, std::pair{'V', severity},
                                    std::pair{'C', sqlstate}, std::pair{'M', std::string{"gone"}}})
    fields += code + value + '\0';
  fields += '\0';
  const auto length = fields.size() + 4; // below 256
  const std::scoped_lock lock{mutex_};
  last_words_ = std::string{"E"} + std::string(3, '\0') + static_cast<char>(length) + fields;
  goes_on_ = in_step;
  if (in_step)
    last_words_ += std::string{"Z\0\0\0\5I", 6};
}

bool CommitCutter::goes_on() {
  const std::scoped_lock lock{mutex_};
  return goes_on_;
}

std::string CommitCutter::last_words() {
  const std::scoped_lock lock{mutex_};
  return last_words_;
}

void CommitCutter::forgive() {
  const std::scoped_lock lock{mutex_};
  refusals_of_.clear();
}

void CommitCutter::accept_all() {
  while (!stopping_) {
    if (!readable(listener_.get(), kPollMilliseconds))
      continue;
    db::FileDescriptor client{::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    connections_.emplace_back([this, socket = std::move(client)]() mutable {
      Connection{*this, std::move(socket)}.serve();
    });
  }
}

CommitCutter::Cut CommitCutter::take_order(const std::string& transaction, const std::string& id) {
  const std::scoped_lock lock{mutex_};
  const bool is_meant =
      std::all_of(next_.words.begin(), next_.words.end(), [&](const std::string& words) {
        return transaction.find(words) != transaction.npos;
      });
  if (next_.how == Cut::never || !is_meant)
    return Cut::never;
  if (next_.refusal.refused > 0 && !id.empty())
    refusals_of_[id] = next_.refusal;
  ++cuts_;
  return std::exchange(next_, {}).how;
}

std::optional<CommitCutter::Refusal> CommitCutter::refusal_of(const std::string& transaction) {
  const std::scoped_lock lock{mutex_};
  for (auto& [id, refusal] : refusals_of_) {
    if (refusal.refused == 0 || transaction.find(id) == transaction.npos)
      continue;
    if (refusal.spared-- > 0)
      continue;
    --refusal.refused;
    ++refusals_;
    return refusal;
  }
  return std::nullopt;
}

void CommitCutter::wait_for_release(int before) const {
  while (!stopping_ && released_ == before)
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
}

/// Until PostgreSQL is ready for the next query: it has committed. Or until it has closed.
void CommitCutter::wait_until_answered(int server) const {
  Messages answers{false};
  while (!stopping_) {
    if (!readable(server, kPollMilliseconds))
      continue;
    const auto bytes = receive(server);
    if (bytes.empty())
      return;
    answers.add(bytes);
    while (const auto message = answers.next())
      if (message->front() == 'Z')
        return;
  }
}

} // namespace regroup::test
