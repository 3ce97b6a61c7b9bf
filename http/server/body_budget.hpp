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

/// Limits the memory for request bodies still being received, over all connections. Thread-safe.
class BodyBudget {
public:
  explicit BodyBudget(std::size_t bytes) : bytes_(static_cast<std::int64_t>(bytes)) {}

  /// Returns false, and takes nothing, if less than `count` bytes are left.
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

/// Collects one request body of at most `most` bytes, in blocks that the budget pays for. Blocks,
/// because a single growing buffer would leave behind freed pieces that others cannot use.
class BodyBuffer {
public:
  BodyBuffer(std::shared_ptr<BodyBudget> budget, std::size_t most)
      : budget_(std::move(budget)), most_(most) {}
  ~BodyBuffer() { clear(); }
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;

  bool fits(std::size_t more) const { return more <= most_ - size_; }

  /// Returns false if the budget is spent. Call only with what fits().
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

  /// Returns the whole body and empties the buffer.
  std::string take() {
    std::string text;
    text.reserve(size_);
    for (const auto& block : blocks_)
      text.append(block.get(), std::min(kBlock, size_ - text.size()));
    clear();
    return text;
  }

private:
  static constexpr std::size_t kBlock = 4096; // the minimum of http.max_buffered_bytes

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
