#pragma once
#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::app {

/// How many characters must be put in, taken out, replaced or swapped with their neighbour to make
/// one text of the other, whatever their case.
inline std::size_t edits_between(std::string_view one, std::string_view other) {
  const auto same = [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) ==
           std::tolower(static_cast<unsigned char>(b));
  };
  std::vector<std::vector<std::size_t>> costs(one.size() + 1,
                                              std::vector<std::size_t>(other.size() + 1));
  for (std::size_t i = 0; i <= one.size(); ++i)
    for (std::size_t j = 0; j <= other.size(); ++j) {
      if (i == 0 || j == 0) {
        costs[i][j] = i + j;
        continue;
      }
      costs[i][j] = std::min({costs[i - 1][j] + 1, costs[i][j - 1] + 1,
                              costs[i - 1][j - 1] + (same(one[i - 1], other[j - 1]) ? 0 : 1)});
      if (i > 1 && j > 1 && same(one[i - 1], other[j - 2]) && same(one[i - 2], other[j - 1]))
        costs[i][j] = std::min(costs[i][j], costs[i - 2][j - 2] + 1);
    }
  return costs[one.size()][other.size()];
}

/// The candidate that `word` may have been meant to be: the one with the fewest edits, one for each
/// three characters at most, none for `-v`; or the only one that ends so after a dot (`--port`:
/// `--http.port`).
inline std::optional<std::string> nearest(std::string_view word,
                                          const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t least = word.size() <= 2 ? 1 : std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const auto& each : candidates)
    if (const auto edits = edits_between(word, each); edits < least) {
      least = edits;
      best = each;
    }
  if (best || word.size() < 4)
    return best;
  const std::string ending = "." + std::string{word.substr(word.find_first_not_of('-'))};
  for (const auto& each : candidates)
    if (each.ends_with(ending))
      best = best ? std::string{} : each;
  return best && !best->empty() ? best : std::nullopt;
}

} // namespace regroup::app
