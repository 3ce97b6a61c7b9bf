#pragma once
#include <prometheus/labels.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace regroup::telemetry {

/// The children of a metric family, by their label values. prometheus-cpp finds a child through a
/// map of strings under a mutex; here a child is made at its first use, never removed, and found
/// without a lock from then on. Thread-safe.
template <class Child, std::size_t N> class Children {
public:
  using Names = std::array<const char*, N>;
  using Values = std::array<std::string_view, N>;
  using Make = std::function<Child(const prometheus::Labels&)>;

  Children(const Names& names, Make make) : names_(names), make_(std::move(make)) {}

  /// Throws std::bad_alloc, and what `make` throws, if it has to make the child.
  Child& with(const Values& values) {
    auto& list = lists_[index_of(values)];
    if (auto* found = find(list.load(std::memory_order_acquire), values))
      return found->child;
    const std::scoped_lock lock{mutex_};
    auto* first = list.load(std::memory_order_relaxed);
    if (auto* found = find(first, values)) // another thread was faster
      return found->child;
    Node& made = nodes_.emplace_back(Node{texts_of(values), make_(labels_of(values)), first});
    list.store(&made, std::memory_order_release);
    return made.child;
  }

private:
  struct Node {
    std::array<std::string, N> values;
    Child child;
    Node* next; // set before the node is published; lists grow at the head only
  };

  static constexpr std::size_t kLists = 256; // more than there are children in use

  static std::size_t index_of(const Values& values) {
    std::size_t hash = 0;
    for (const auto value : values)
      hash = hash * 31 + std::hash<std::string_view>{}(value);
    return hash % kLists;
  }

  static Node* find(Node* node, const Values& values) {
    while (node != nullptr && !std::equal(values.begin(), values.end(), node->values.begin()))
      node = node->next;
    return node;
  }

  static std::array<std::string, N> texts_of(const Values& values) {
    std::array<std::string, N> texts;
    std::copy(values.begin(), values.end(), texts.begin());
    return texts;
  }

  prometheus::Labels labels_of(const Values& values) const {
    prometheus::Labels labels;
    for (std::size_t i = 0; i < N; ++i)
      labels.emplace(names_[i], values[i]);
    return labels;
  }

  const Names names_;
  const Make make_;
  std::array<std::atomic<Node*>, kLists> lists_{};
  std::mutex mutex_;       // held while a child is made
  std::deque<Node> nodes_; // owns the nodes: a deque does not move them
};

} // namespace regroup::telemetry
