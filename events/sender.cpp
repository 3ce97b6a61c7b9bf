#include "events/sender.hpp"

#include "events/transfers.hpp"

#include <algorithm>
#include <utility>

namespace regroup::events {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// How often the outbox is polled while it is empty, and while there is no endpoint.
constexpr auto kPause = 500ms;
constexpr auto kLongPause = 2000ms;
constexpr auto kPatience = 10s;
/// After this time an endpoint's name may resolve to another address.
constexpr auto kBarred = 5min;
/// What a lease lasts beyond twice the delivery timeout: for the outcome to reach the database.
constexpr auto kSlack = 2s;

} // namespace

Sender::Sender(Settings settings, Ask ask, domain::Log& log)
    : settings_(settings), ask_(std::move(ask)), log_(log),
      transfers_(std::make_unique<Transfers>(settings.timeout, settings.allow_private_addresses,
                                             settings.most_at_once)),
      thread_([this] { run(); }) {}

Sender::~Sender() { stop(); }

void Sender::stop() {
  stopping_ = true;
  transfers_->wake();
  if (thread_.joinable())
    thread_.join();
}

void Sender::run() {
  while (!stopping_) {
    try {
      if (results_.empty() && Clock::now() >= next_claim_ &&
          transfers_->count() < settings_.most_at_once)
        claim();
      const auto rest = std::chrono::ceil<std::chrono::milliseconds>(next_claim_ - Clock::now());
      for (auto& result :
           transfers_->go_on(std::clamp<std::chrono::milliseconds>(rest, 0ms, kLongPause)))
        take(std::move(result));
      if (!results_.empty())
        settle();
    } catch (const std::exception& why) {
      log_.event(domain::LogLevel::error, "events.defect",
                 {{"error", std::string_view{why.what()}}});
      next_claim_ = Clock::now() + kPause;
    }
  }
}

void Sender::claim() {
  next_claim_ = Clock::now() + kPause;
  const auto answer = ask_(domain::ClaimEvents{
      transfers_->endpoints(), barred(), settings_.most_at_once - transfers_->count(),
      2 * settings_.timeout + kSlack, Clock::now() + kPatience});
  const auto* claimed = answer.get_if<domain::EventsClaimed>();
  if (claimed && !claimed->has_endpoints)
    next_claim_ = Clock::now() + kLongPause;
  if (claimed == nullptr || claimed->deliveries.empty())
    return;
  next_claim_ = Clock::now(); // where there was one event there may be more
  for (const auto& delivery : claimed->deliveries)
    transfers_->start(delivery);
}

void Sender::take(domain::SettleEvents::Result result) {
  if (result.outcome == domain::SettleEvents::Outcome::barred)
    barred_[result.endpoint_id] = Clock::now() + kBarred;
  results_.push_back(std::move(result));
}

std::vector<domain::Uuid> Sender::barred() {
  std::erase_if(barred_, [now = Clock::now()](const auto& each) { return each.second <= now; });
  std::vector<domain::Uuid> ids;
  for (const auto& [id, until] : barred_)
    ids.push_back(id);
  return ids;
}

void Sender::settle() {
  const auto answer = ask_(domain::SettleEvents{results_, Clock::now() + kPatience});
  if (!answer.is<domain::Done>()) {
    next_claim_ = Clock::now() + kPause; // kept and tried again; at worst the events are sent again
    return;
  }
  for (const auto& result : results_)
    if (!result.error.empty())
      log_.event(domain::LogLevel::warning, "events.not_delivered",
                 {{"event_id", result.id}, {"error", std::string_view{result.error}}});
  results_.clear();
  next_claim_ = Clock::now(); // a delivery slot is free
}

} // namespace regroup::events
