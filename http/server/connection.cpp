#include "http/server/connection.hpp"

#include <restinio/asio_include.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace regroup::http {
namespace {

namespace asio = restinio::asio_ns;
using domain::Refused;

constexpr auto kNever = std::chrono::steady_clock::time_point::max();
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
/// Closing a socket with unread bytes makes the client's kernel discard the answer (RFC 9112, 9.6).
/// So the connection goes on reading for this long, on this many connections at a time.
constexpr std::chrono::seconds kLinger{2};
constexpr int kMostLingering = 64;

} // namespace

asio::execution_context::id ConnectionRules::id;
thread_local Connection* Connection::current_ = nullptr;

/// A body being received. `done` holds the request and so the connection, so only asio's pending
/// operations own a BodyRead.
struct Connection::BodyRead {
  std::function<void(const Body&)> done;
  BodyBuffer buffer;
  std::string text{}; // the whole body, once it is complete
};

Connection::Connection(asio::io_context& context)
    : rules_(asio::use_service<ConnectionRules>(context)), socket_(context), answer_waits_(context),
      timer_(context) {
  answer_waits_.expires_at(kNever);
}

Connection::Next Connection::next() {
  if (stopped_)
    return Next::end;
  if (delivered_ < delivery_.size())
    return Next::deliver;
  if (awaits_answer_) // the next request may already be arriving
    return inbox_.empty() && !at_end_ ? Next::receive : Next::wait;
  if (!skip_body())
    return at_end_ || gave_up_ || timed_out_ ? Next::end : Next::receive;
  auto head = timed_out_ && !inbox_.empty()
                  ? std::make_shared<Head>(Refused::request_timeout, 0, inbox_.bytes())
                  : inbox_.next_head();
  if (!head && at_end_ && !inbox_.empty())
    head =
        std::make_shared<Head>(Refused::malformed, 0, inbox_.bytes()); // not complete (RFC 9112, 8)
  if (head) {
    deliver(std::move(head));
    return Next::deliver;
  }
  if (at_end_ || timed_out_)
    return Next::end;
  if (!inbox_.empty()) {
    limit_reading();
    return Next::receive;
  }
  if (began_) { // it was only a blank line
    began_.reset();
    deadline_ = kNever;
  }
  if (deadline_ == kNever)
    set_deadline(Clock::now() + rules_.idle_timeout);
  return Next::receive;
}

/// Reads past the rest of a body that no handler asked for, so that the connection stays in step.
/// Returns true once the body is at its end.
bool Connection::skip_body() {
  while (!body_.at_end()) {
    const auto step = body_.step(inbox_.bytes());
    inbox_.use(step.used);
    skipped_ += step.content.size();
    const bool is_wrong =
        step.found == BodyDecoder::Found::malformed || step.found == BodyDecoder::Found::too_long;
    if (is_wrong || skipped_ > rules_.max_body_bytes) {
      gave_up_ = true;
      error_ = asio::error::eof;
    }
    if (at_end_ || gave_up_ || step.found == BodyDecoder::Found::nothing) {
      if (!timed_out_)
        limit_reading();
      return false;
    }
    if (body_.at_end()) { // the connection is idle from now on
      began_.reset();
      deadline_ = kNever;
    }
  }
  return true;
}

void Connection::deliver(std::shared_ptr<const Head> head) {
  head_ = std::move(head);
  const bool refused = head_->refused().has_value();
  body_ = refused ? BodyDecoder{} : BodyDecoder{*head_};
  body_failed_ = false;
  continued_ = !head_->expects_continue();
  skipped_ = 0;
  awaits_answer_ = true;
  deadline_ = kNever; // RESTinio limits the time for the answer
  delivered_ = 0;
  // RESTinio's parser is lenient, so of what the client sent it sees only the path.
  delivery_.assign(refused ? "GET" : head_->served_as());
  delivery_ += ' ';
  delivery_ += refused || head_->path() == "*" ? "/" : head_->path();
  delivery_ += head_->keep_alive() ? " HTTP/1.1\r\n\r\n" : " HTTP/1.1\r\nConnection: close\r\n\r\n";
}

asio::mutable_buffer Connection::room() {
  const auto room = inbox_.room();
  return {room.data(), room.size()};
}

void Connection::received(const Error& error, std::size_t count) {
  inbox_.received(count);
  if (!error)
    return;
  error_ = error;
  if (error == asio::error::operation_aborted)
    error_ = timed_out_ ? asio::error::eof : error; // for RESTinio: closed between two requests
  else
    at_end_ = true;
}

std::size_t Connection::take_delivery(asio::mutable_buffer into) {
  const auto count = std::min(delivery_.size() - delivered_, into.size());
  std::memcpy(into.data(), delivery_.data() + delivered_, count);
  delivered_ += count;
  return count;
}

void Connection::stop_reading() {
  stopped_ = true;
  error_ = asio::error::operation_aborted;
  Error ignored;
  socket_.cancel(ignored);
  answer_waits_.cancel();
}

void Connection::read_body(std::function<void(const Body&)> done) {
  if (current_ == this)
    return begin_body(std::move(done));
  asio::dispatch(strand_, [self = shared_from_this(), done = std::move(done)]() mutable {
    self->begin_body(std::move(done));
  });
}

void Connection::begin_body(std::function<void(const Body&)> done) {
  const auto there = inbox_.bytes();
  if (head_->framing() != Framing::chunked && head_->content_length() <= there.size()) {
    continued_ = true;
    const auto step = body_.step(there.substr(0, head_->content_length()));
    done(step.content);
    inbox_.use(step.used);
    return;
  }
  limit_reading();
  auto read = std::shared_ptr<BodyRead>(
      new BodyRead{std::move(done), {rules_.budget, rules_.max_body_bytes}});
  if (std::exchange(continued_, true) || !there.empty())
    return go_on_with(std::move(read));
  asio::async_write(
      socket_, asio::buffer(kContinue.data(), kContinue.size()),
      asio::bind_executor(strand_, [self = shared_from_this(), read](const Error&, std::size_t) {
        self->go_on_with(read);
      }));
}

void Connection::go_on_with(std::shared_ptr<BodyRead> read) {
  if (const auto body = decode(*read)) {
    deadline_ = kNever;
    return read->done(*body); // `done` holds the request and must not outlive this call
  }
  socket_.async_receive(
      room(), asio::bind_executor(strand_, [self = shared_from_this(), read = std::move(read)](
                                               const Error& error, std::size_t count) {
        self->received(error, count);
        self->go_on_with(read);
      }));
}

/// Returns nothing while more of the body has to arrive.
std::optional<Body> Connection::decode(BodyRead& read) {
  using Found = BodyDecoder::Found;
  for (;;) {
    const auto step = body_.step(inbox_.bytes());
    if (step.found == Found::malformed)
      return fail(Refused::malformed);
    if (step.found == Found::too_long)
      return fail(Refused::header_too_large);
    if (!read.buffer.fits(step.content.size()))
      return fail(Refused::too_large);
    if (!read.buffer.add(step.content))
      return fail(Refused::overloaded);
    inbox_.use(step.used);
    if (step.found == Found::end) {
      read.text = read.buffer.take();
      return std::string_view{read.text};
    }
    if (step.found == Found::nothing)
      break;
  }
  if (timed_out_)
    return fail(Refused::request_timeout);
  if (at_end_ || stopped_ || is_closed_)
    return fail(Refused::malformed);
  return std::nullopt;
}

Body Connection::fail(Refused why) {
  body_failed_ = true;
  return why;
}

bool Connection::must_close() const {
  if (head_->refused() || body_failed_)
    return true;
  // A client that waits for 100 Continue may or may not send the body after the answer.
  return !body_.at_end() && (!continued_ || body_.remaining() > rules_.max_body_bytes);
}

void Connection::answered() {
  awaits_answer_ = false;
  has_answered_ = true;
  if (body_.at_end())
    began_.reset();
  if (is_closed_)
    return;
  set_deadline(Clock::now() + rules_.idle_timeout);
  answer_waits_.cancel();
}

void Connection::close() {
  if (std::exchange(is_closed_, true))
    return;
  answer_waits_.cancel();
  if (may_be_unread())
    return linger();
  timer_.cancel();
  Error ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.close(ignored);
}

/// Whether the client may not have read the answer yet, and unread bytes from it would make its
/// kernel discard the answer on close.
bool Connection::may_be_unread() {
  if (at_end_ || awaits_answer_ || !has_answered_)
    return false;
  Error ignored;
  return must_close() || !body_.at_end() || !inbox_.empty() || socket_.available(ignored) > 0;
}

void Connection::linger() {
  Error ignored;
  if (rules_.lingering.fetch_add(1) < kMostLingering) {
    socket_.shutdown(Socket::shutdown_send, ignored);
    set_deadline(Clock::now() + kLinger);
    return drain();
  }
  --rules_.lingering;
  timer_.cancel();
  socket_.close(ignored);
}

void Connection::drain() {
  inbox_.use(inbox_.bytes().size());
  socket_.async_receive(room(), asio::bind_executor(strand_, [self = shared_from_this()](
                                                                 const Error& error, std::size_t) {
                          if (!error && !self->timed_out_)
                            return self->drain();
                          --self->rules_.lingering;
                          self->timer_.cancel();
                          Error ignored;
                          self->socket_.close(ignored);
                        }));
}

/// The read timeout runs from a request's first byte to its last.
void Connection::limit_reading() {
  if (!began_)
    began_ = Clock::now();
  set_deadline(*began_ + rules_.read_timeout);
}

/// A connection has one timer. It is rearmed only if it would otherwise fire too late.
void Connection::set_deadline(Clock::time_point deadline) {
  deadline_ = deadline;
  timed_out_ = false;
  if (deadline < armed_for_)
    arm(deadline);
}

void Connection::arm(Clock::time_point when) {
  armed_for_ = when;
  timer_.expires_at(when);
  timer_.async_wait(asio::bind_executor(strand_, [weak = weak_from_this()](const Error& error) {
    const auto self = weak.lock();
    if (error || !self)
      return;
    self->armed_for_ = kNever;
    if (Clock::now() < self->deadline_) {
      if (self->deadline_ != kNever)
        self->arm(self->deadline_);
      return;
    }
    self->timed_out_ = true;
    Error ignored;
    self->socket_.cancel(ignored);
  }));
}

} // namespace regroup::http
