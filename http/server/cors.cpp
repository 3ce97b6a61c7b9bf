#include "http/server/cors.hpp"

#include <algorithm>

namespace regroup::http {

Cors::Cors(std::vector<std::string> origins)
    : origins_(std::move(origins)),
      any_(std::find(origins_.begin(), origins_.end(), "*") != origins_.end()) {}

bool Cors::allows(std::string_view origin) const {
  return !origin.empty() &&
         (any_ || std::find(origins_.begin(), origins_.end(), origin) != origins_.end());
}

void Cors::add_to(Headers& headers, const Head& request) const {
  if (origins_.empty())
    return;
  const auto origin = request[Field::origin];
  if (any_)
    headers.emplace_back("Access-Control-Allow-Origin", "*");
  else
    headers.emplace_back("Vary", "Origin"); // also if the origin is another one, or missing
  if (!allows(origin))
    return;
  if (!any_)
    headers.emplace_back("Access-Control-Allow-Origin", origin);
  headers.emplace_back("Access-Control-Expose-Headers",
                       "X-Request-Id, Location, Retry-After, Idempotency-Replayed");
}

void Cors::add_preflight(Headers& headers, const Head& request, const std::string& allowed) const {
  if (!allows(request[Field::origin]) || !request.has(Field::requested_method))
    return;
  headers.emplace_back("Access-Control-Allow-Methods", allowed);
  headers.emplace_back("Access-Control-Allow-Headers",
                       "Authorization, Content-Type, Idempotency-Key, X-API-Key, X-Device-Id, "
                       "X-Request-Id, traceparent");
  headers.emplace_back("Access-Control-Max-Age", "600");
}

} // namespace regroup::http
