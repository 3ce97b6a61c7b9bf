#include "actors/pool.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace regroup::actors {
namespace {

/// So that replicas that were refused together do not all come back at the same time.
std::chrono::milliseconds jittered(std::chrono::milliseconds span) {
  thread_local std::minstd_rand generator{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> between{span.count() / 2, span.count()};
  return std::chrono::milliseconds{between(generator)};
}

} // namespace

void Pool::set(Id place, State state) {
  auto& known = places_.at(place);
  if (known == State::idle)
    std::erase(idle_, place);
  if (known == State::unconnected)
    std::erase(unconnected_, place);
  if (state == State::idle)
    idle_.push_back(place);
  if (state == State::unconnected)
    unconnected_.push_back(place);
  --counts_[static_cast<std::size_t>(known)];
  ++counts_[static_cast<std::size_t>(state)];
  known = state;
}

void Pool::add(Id place) {
  places_.emplace(place, State::gone);
  ++counts_[static_cast<std::size_t>(State::gone)];
  set(place, State::unconnected);
}

void Pool::remove(Id place, Time now) {
  const auto found = places_.find(place);
  if (found == places_.end())
    return;
  if (found->second == State::connecting)
    failed(now);
  set(place, State::gone);
  --counts_[static_cast<std::size_t>(State::gone)];
  places_.erase(place);
}

std::optional<Pool::Id> Pool::take() {
  if (idle_.empty())
    return std::nullopt;
  const Id place = idle_.back();
  set(place, State::busy);
  return place;
}

void Pool::put_back(Id place, bool connected) {
  set(place, connected ? State::idle : State::unconnected);
}

std::optional<Pool::Id> Pool::begin_connecting(Time now) {
  if (unconnected_.empty() || count(State::connecting) > 0 || now < not_before_)
    return std::nullopt;
  const Id place = unconnected_.back();
  set(place, State::connecting);
  return place;
}

void Pool::tried(Id place, bool connected, Time now) {
  const auto found = places_.find(place);
  if (found == places_.end())
    return;
  if (found->second == State::connecting) {
    if (connected)
      pause_ = std::chrono::milliseconds{0};
    else
      failed(now);
  }
  put_back(place, connected);
}

void Pool::failed(Time now) {
  pause_ = std::clamp(pause_ * 2, std::chrono::milliseconds{first_pause},
                      std::chrono::milliseconds{longest_pause});
  not_before_ = now + jittered(pause_);
}

std::optional<Pool::Time> Pool::next_try(Time now) const {
  if (unconnected_.empty() || count(State::connecting) > 0 || not_before_ <= now)
    return std::nullopt;
  return not_before_;
}

std::vector<Pool::Id> Pool::doubt_idle() {
  const auto doubted = idle_;
  for (const Id place : doubted)
    set(place, State::proving);
  return doubted;
}

bool Pool::has_connection() const {
  return count(State::unconnected) + count(State::connecting) < size();
}

} // namespace regroup::actors
