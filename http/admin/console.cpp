// The pages at /admin and /docs. The console is public as a page: its data comes from
// /api/admin/v1, with a key.
#include "http/admin/console.hpp"

#include "http/api.hpp"
#include "http/outcome_table.hpp"

namespace regroup::http {
namespace {

/// Allows the page's own files and requests to its own service only: no other host, no inline
/// script or style, no embedding in a frame, no form submission.
constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

Reply reply_with(const PageAsset& asset) {
  const bool is_page = asset.name.empty();
  Reply reply{200, std::string{asset.text}};
  reply.content_type = asset.content_type;
  reply.headers = {
      {"Cache-Control", is_page ? "no-cache" : "public, max-age=31536000, immutable"},
      {"Content-Security-Policy", kPolicy},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Referrer-Policy", "no-referrer"},
  };
  return reply;
}

void answer_from(std::span<const PageAsset> assets, const Request& request,
                 const Respond& respond) {
  const std::string_view name =
      request.parameters.empty() ? std::string_view{} : request.parameters.front();
  for (const PageAsset& asset : assets)
    if (asset.name == name)
      return respond(reply_with(asset));
  respond(to_reply(domain::Refusal{domain::Refused::not_found}));
}

} // namespace

void Api::console(const Request& request, const Respond& respond) {
  answer_from(console_assets(), request, respond);
}

void Api::docs(const Request& request, const Respond& respond) {
  answer_from(docs_assets(), request, respond);
}

} // namespace regroup::http
