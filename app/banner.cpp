#include "app/banner.hpp"

#include "app/terminal.hpp"
#include "config/loader.hpp"
#include "config/masked_url.hpp"

#include <iostream>
#include <unistd.h>

namespace regroup::app {
namespace {

/// Where a browser on this machine finds what listens on `address`.
std::string host_of(const std::string& address) {
  if (address == "0.0.0.0" || address == "::")
    return "127.0.0.1";
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

std::string bold(const std::string& text) {
  return painted(text, Colour::bold, takes_colours(STDOUT_FILENO));
}

} // namespace

Banner::Banner(const config::Settings& settings)
    : settings_(settings), on_(isatty(STDOUT_FILENO) == 1) {}

void Banner::serving(std::uint16_t port) const {
  if (!on_)
    return;
  const std::string url = "http://" + host_of(settings_.http.address) + ":" + std::to_string(port);
  const auto& database = settings_.database.url;
  std::cout << "\nRegroup " REGROUP_VERSION " serves " << bold(url) << "\n"
            << "  documentation  " << url << "/docs\n"
            << "  console        " << url << "/admin"
            << "   (its key: regroup api-key create --admin)\n"
            << "  database       "
            << (database.empty() ? "its own, in " + settings_.database.embedded_dir
                                 : config::masked_url(database))
            << "\nCtrl-C stops it.\n"
            << std::endl;
}

void Banner::leaving() const {
  if (on_)
    std::cout
        << "\nStopping. It serves on for " << config::print_duration(settings_.http.drain_delay)
        << ", so that load balancers notice (http.drain_delay). Ctrl-C again stops it at once."
        << std::endl;
}

void Banner::draining(std::int64_t owed) const {
  if (on_ && owed > 0)
    std::cout << "It waits for " << owed << (owed == 1 ? " request" : " requests") << ", at most "
              << config::print_duration(settings_.http.drain_timeout)
              << " (http.drain_timeout). Ctrl-C again stops it at once." << std::endl;
}

void Banner::stopped(std::int64_t unanswered) const {
  if (on_)
    std::cout << (unanswered == 0 ? std::string{"Stopped."}
                                  : "Stopped; unanswered: " + std::to_string(unanswered) + ".")
              << std::endl;
}

} // namespace regroup::app
