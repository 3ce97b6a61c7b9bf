#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace regroup::http {

/// Memory for bodies that are still coming in, of all connections together. Thread-safe.
class BodyBudget {
public:
  explicit BodyBudget(std::size_t bytes) : bytes_(static_cast<std::int64_t>(bytes)) {}

  /// False, and nothing is taken, where there is not as much left.
  bool take(std::size_t count) {
    const auto wanted = static_cast<std::int64_t>(count);
    if (taken_.fetch_add(wanted) + wanted <= bytes_)
      return true;
    taken_ -= wanted;
    return false;
  }
  void give_back(std::size_t count) { taken_ -= static_cast<std::int64_t>(count); }

private:
  const std::int64_t bytes_;
  std::atomic<std::int64_t> taken_{0};
};

/// One body that is coming in, of `most` bytes at most: as many blocks as have come, and a budget
/// pays for them. Blocks, since one that grew would leave behind what others cannot use.
class BodyBuffer {
public:
  BodyBuffer(std::shared_ptr<BodyBudget> budget, std::size_t most)
      : budget_(std::move(budget)), most_(most) {}
  ~BodyBuffer() { clear(); }
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;

  bool fits(std::size_t more) const { return more <= most_ - size_; }

  /// False where the budget is spent. What does not fit must not be added.
  bool add(std::string_view more) {
    while (!more.empty()) {
      const auto at = size_ % kBlock;
      if (at == 0) {
        if (!budget_->take(kBlock))
          return false;
        blocks_.push_back(std::make_unique_for_overwrite<char[]>(kBlock));
      }
      const auto count = more.copy(blocks_.back().get() + at, kBlock - at);
      size_ += count;
      more.remove_prefix(count);
    }
    return true;
  }

  /// The whole of it; it is empty afterwards.
  std::string take() {
    std::string text;
    text.reserve(size_);
    for (const auto& block : blocks_)
      text.append(block.get(), std::min(kBlock, size_ - text.size()));
    clear();
    return text;
  }

private:
  static constexpr std::size_t kBlock = 4096; // the least of http.max_buffered_bytes

  void clear() {
    budget_->give_back(blocks_.size() * kBlock);
    blocks_.clear();
    size_ = 0;
  }

  std::shared_ptr<BodyBudget> budget_;
  std::size_t most_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t size_ = 0;
};

} // namespace regroup::http
