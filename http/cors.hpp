#pragma once
#include "http/head.hpp"
#include "http/message.hpp"

#include <string>
#include <utility>
#include <vector>

namespace regroup::http {

/// Which pages of other origins may call the service (WHATWG Fetch, "CORS protocol"): those of
/// `http.cors_origins`, with a token or key of their own. Cookies are never asked for.
class Cors {
public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  /// "https://app.example.com"; "*": every page.
  explicit Cors(std::vector<std::string> origins);

  /// Adds what belongs to any answer to this request.
  void add_to(Headers& headers, const Head& request) const;

  /// Adds what a preflight asks for; nothing to any other OPTIONS.
  void add_preflight(Headers& headers, const Head& request, const std::string& allowed) const;

private:
  bool allows(std::string_view origin) const;

  std::vector<std::string> origins_;
  bool any_ = false;
};

} // namespace regroup::http
