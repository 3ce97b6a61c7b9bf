#pragma once
#include "http/server/head.hpp"
#include "http/server/message.hpp"

#include <string>
#include <utility>
#include <vector>

namespace regroup::http {

/// Lets pages of the origins in `http.cors_origins` call the service (WHATWG Fetch, "CORS
/// protocol"), with a token or key of their own. Never allows credentials such as cookies.
class Cors {
public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  /// Origins such as "https://app.example.com"; "*" allows every page.
  explicit Cors(std::vector<std::string> origins);

  /// Adds the CORS headers that every answer to this request carries.
  void add_to(Headers& headers, const Head& request) const;

  /// Adds the answer to a preflight; adds nothing to any other OPTIONS.
  void add_preflight(Headers& headers, const Head& request, const std::string& allowed) const;

private:
  bool allows(std::string_view origin) const;

  std::vector<std::string> origins_;
  bool any_ = false;
};

} // namespace regroup::http
