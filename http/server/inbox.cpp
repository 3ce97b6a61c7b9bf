#include "http/server/inbox.hpp"

#include <algorithm>
#include <cstring>

namespace regroup::http {

using domain::Refused;

std::span<char> Inbox::room() {
  if (empty()) {
    begin_ = end_ = 0;
    if (buffer_.size() != kUsualBytes) // do not keep a buffer that grew
      std::vector<char>(kUsualBytes).swap(buffer_);
  } else if (end_ == buffer_.size()) {
    if (begin_ > 0) {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    } else {
      buffer_.resize(buffer_.size() * 2);
    }
  }
  return std::span{buffer_}.subspan(end_);
}

void Inbox::use(std::size_t count) {
  begin_ += count;
  searched_ = line_begin_ = 0;
}

std::shared_ptr<const Head> Inbox::next_head() {
  // Ignore empty lines before a request (RFC 9112, 2.2).
  while (bytes().starts_with("\r\n"))
    use(2);
  const auto all = bytes();
  // Refuse at once what cannot become a request.
  if (!all.empty() && !is_token_byte(all.front()) && all != "\r")
    return std::make_shared<Head>(Refused::malformed, 0, all);
  for (auto end = all.find('\n', searched_); end != all.npos; end = all.find('\n', searched_)) {
    if (end == 0 || all[end - 1] != '\r')
      return std::make_shared<Head>(Refused::malformed, 0, all);
    const bool is_empty_line = end == line_begin_ + 1;
    searched_ = line_begin_ = end + 1;
    if (!is_empty_line || searched_ > kMaxHeadBytes)
      continue;
    auto head = std::make_shared<Head>(all.substr(0, searched_));
    use(searched_);
    return head;
  }
  searched_ = all.size();
  if (line_begin_ == 0 && all.size() > kMaxTargetBytes + kMaxFieldNameBytes)
    return std::make_shared<Head>(Refused::uri_too_long, kMaxTargetBytes, all);
  if (all.size() >= kMaxHeadBytes)
    return std::make_shared<Head>(Refused::header_too_large, kMaxHeadBytes, all);
  return nullptr;
}

} // namespace regroup::http
