#include "config/loader.hpp"
#include "config/masked_url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <type_traits>

namespace regroup::config {
namespace {

using Http = Settings::Http;
using Database = Settings::Database;
using Auth = Settings::Auth;
using Migration = Settings::Migration;
using Limits = Settings::Limits;
using Webhooks = Settings::Webhooks;
using Log = Settings::Log;

struct Unit {
  std::string_view name;
  Settings::Duration length;
};
constexpr std::array<Unit, 4> kUnits{{{"h", std::chrono::hours{1}},
                                      {"m", std::chrono::minutes{1}},
                                      {"s", std::chrono::seconds{1}},
                                      {"ms", std::chrono::milliseconds{1}}}};

// Rules: how the text of a value becomes a value, and back. Their exceptions say what is expected
// and never repeat the text, which may be a secret put in the wrong place.

template <std::int64_t Min, std::int64_t Max> struct Number {
  static constexpr bool quoted = false;
  static std::string type() { return std::to_string(Min) + " to " + std::to_string(Max); }
  static std::int64_t parse(const std::string& text) {
    std::int64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end || number < Min || number > Max)
      throw SettingsError("must be a whole number from " + std::to_string(Min) + " to " +
                          std::to_string(Max));
    return number;
  }
  template <class Value> static std::string print(Value number) { return std::to_string(number); }
};

struct Boolean {
  static constexpr bool quoted = false;
  static std::string type() { return "true, false"; }
  static bool parse(const std::string& text) {
    if (text != "true" && text != "false")
      throw SettingsError("must be true or false");
    return text == "true";
  }
  static std::string print(bool value) { return value ? "true" : "false"; }
};

template <std::int64_t MinMilliseconds> struct Period {
  /// PostgreSQL and the kernel keep the milliseconds of their timeouts in 31 bits.
  static constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();

  static constexpr bool quoted = true;
  static std::string type() { return "duration"; }
  static Settings::Duration parse(const std::string& text) {
    const Settings::Duration span = parse_duration(text);
    if (span.count() < MinMilliseconds || span.count() > kMax)
      throw SettingsError(MinMilliseconds == 0 ? "must be at most 24 days"
                                               : "must be longer than 0 and at most 24 days");
    return span;
  }
  static std::string print(Settings::Duration span) { return print_duration(span); }
};

/// A span of history, not a timer: it may be long.
struct Window {
  static constexpr bool quoted = true;
  static std::string type() { return "duration"; }
  static Settings::Duration parse(const std::string& text) {
    const Settings::Duration span = parse_duration(text);
    if (span > std::chrono::hours{24 * 3660})
      throw SettingsError("must be at most 10 years");
    return span;
  }
  static std::string print(Settings::Duration span) { return print_duration(span); }
};

struct Text {
  static constexpr bool quoted = true;
  static std::string type() { return "text"; }
  static std::string parse(const std::string& text) {
    const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (std::any_of(text.begin(), text.end(), is_control))
      throw SettingsError("must not hold a control character, such as a line break");
    return text;
  }
  static std::string print(const std::string& text) { return text; }
};

struct File : Text {
  static std::string type() { return "file"; }
};

struct Directory : Text {
  static std::string type() { return "folder"; }
  static std::string parse(const std::string& text) {
    if (text.empty())
      throw SettingsError("must not be empty");
    return Text::parse(text);
  }
};

struct Secret : Text {
  static std::string print(const std::string& text) {
    return std::string{text.empty() ? std::string_view{} : kMask};
  }
};

struct Address : Text { // as RESTinio takes it: it resolves these two names only
  static std::string type() { return "address"; }
  static std::string parse(const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    const std::string host = text.substr(0, text.find('%')); // fe80::1%eth0
    if (text != "localhost" && text != "ip6-localhost" &&
        inet_pton(AF_INET, text.c_str(), bytes.data()) != 1 &&
        inet_pton(AF_INET6, host.c_str(), bytes.data()) != 1)
      throw SettingsError("must be an IPv4 or IPv6 address");
    return Text::parse(text);
  }
};

/// A list of `scheme://host[:port]`, as browsers write them (RFC 6454), with commas between.
struct Origins {
  static constexpr bool quoted = true;
  static std::string type() { return "list"; }
  static std::vector<std::string> parse(const std::string& text) {
    std::vector<std::string> origins;
    std::string rest = text;
    while (!rest.empty()) {
      const auto end = std::min(rest.find(','), rest.size());
      const auto origin = trimmed(rest.substr(0, end));
      rest.erase(0, end + 1);
      if (!is_origin(origin))
        throw SettingsError("must be origins such as https://app.example.com, in lower case and "
                            "without a path, or *");
      origins.push_back(origin);
    }
    return origins;
  }
  static std::string print(const std::vector<std::string>& origins) {
    std::string text;
    for (const auto& origin : origins)
      text += (text.empty() ? "" : ",") + origin;
    return text;
  }

private:
  static std::string trimmed(const std::string& text) {
    const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
    return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
  }
  static bool is_origin(const std::string& text) {
    const auto scheme = text.find("://");
    if (text == "*")
      return true;
    if (scheme == std::string::npos || scheme == 0 || scheme + 3 == text.size())
      return false;
    const auto host = text.substr(scheme + 3);
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c > 0x20 && c < 0x7f && (c < 'A' || c > 'Z'); }) &&
           host.find_first_of("/?#@*") == std::string::npos;
  }
};

/// One of a few words; an empty word means "not set".
template <const auto& Words> struct Word {
  static constexpr bool quoted = true;
  static std::string type() { return list(); }
  static std::string parse(const std::string& text) {
    if (std::find(Words.begin(), Words.end(), text) == Words.end())
      throw SettingsError("must be one of " + list());
    return text;
  }
  static std::string print(const std::string& text) { return text; }

  static std::string list() {
    std::string words;
    for (const std::string_view word : Words)
      if (!word.empty())
        words += (words.empty() ? "" : ", ") + std::string{word};
    return words;
  }
};

constexpr std::array<std::string_view, 4> kAlgorithms{"", "RS256", "ES256", "HS256"};
constexpr std::array<std::string_view, 3> kFormats{"", "text", "json"};
constexpr std::array<std::string_view, 4> kLevels{"debug", "info", "warning", "error"};

struct Level { // kLevels is in the enum's order
  static constexpr bool quoted = true;
  static std::string type() { return Word<kLevels>::list(); }
  static domain::LogLevel parse(const std::string& text) {
    const std::string word = text == "warn" ? "warning" : Word<kLevels>::parse(text);
    return static_cast<domain::LogLevel>(std::find(kLevels.begin(), kLevels.end(), word) -
                                         kLevels.begin());
  }
  static std::string print(domain::LogLevel level) {
    return std::string{kLevels.at(static_cast<std::size_t>(level))};
  }
};

struct Consent { // kConsents is in the enum's order
  static constexpr std::array<std::string_view, 3> kConsents{"any", "majority", "all_linked"};
  static constexpr bool quoted = true;
  static std::string type() { return "any, majority, all_linked"; }
  static domain::RequireOwner parse(const std::string& text) {
    const auto* found = std::find(kConsents.begin(), kConsents.end(), text);
    if (found == kConsents.end())
      throw SettingsError("must be one of " + type());
    return static_cast<domain::RequireOwner>(found - kConsents.begin());
  }
  static std::string print(domain::RequireOwner rule) { return domain::name_of(rule); }
};

struct Prepared { // kChoices is in the enum's order
  static constexpr std::array<std::string_view, 3> kChoices{"auto", "true", "false"};
  static constexpr bool quoted = true;
  static std::string type() { return "auto, true, false"; }
  static Database::Prepared parse(const std::string& text) {
    const auto* found = std::find(kChoices.begin(), kChoices.end(), text);
    if (found == kChoices.end())
      throw SettingsError("must be one of " + type());
    return static_cast<Database::Prepared>(found - kChoices.begin());
  }
  static std::string print(Database::Prepared choice) {
    return std::string{kChoices.at(static_cast<std::size_t>(choice))};
  }
};

struct Url : Text {
  static std::string type() { return "libpq URL"; }
  static std::string print(const std::string& url) { return masked_url(url); }
};

template <class Part, class Value> Part part_of(Value Part::*member);
template <class Part, class Value> Value value_of(Value Part::*member);

template <class Part, class AnySettings> auto& part(AnySettings& settings) {
  if constexpr (std::is_same_v<Part, Http>)
    return settings.http;
  else if constexpr (std::is_same_v<Part, Database>)
    return settings.database;
  else if constexpr (std::is_same_v<Part, Auth>)
    return settings.auth;
  else if constexpr (std::is_same_v<Part, Migration>)
    return settings.migration;
  else if constexpr (std::is_same_v<Part, Limits>)
    return settings.limits;
  else if constexpr (std::is_same_v<Part, Webhooks>)
    return settings.webhooks;
  else
    return settings.log;
}

template <auto Member, class Rule>
constexpr Key key(std::string_view name, std::string_view help, bool secret = false) {
  using Part = decltype(part_of(Member));
  using Value = decltype(value_of(Member));
  return {name,
          help,
          secret,
          false,
          Rule::quoted,
          false,
          &Rule::type,
          [](Settings& settings, const std::string& text) {
            part<Part>(settings).*Member = static_cast<Value>(Rule::parse(text));
          },
          [](const Settings& settings) { return Rule::print(part<Part>(settings).*Member); },
          [](const Settings& one, const Settings& other) {
            return part<Part>(one).*Member == part<Part>(other).*Member;
          },
          [](const Settings& from, Settings& to) {
            part<Part>(to).*Member = part<Part>(from).*Member;
          }};
}

constexpr Key list(Key key) {
  key.is_list = true;
  return key;
}

constexpr Key reloaded(Key key) {
  key.reloads = true;
  return key;
}

using Positive = Period<1>;
using NonNegative = Period<0>;

constexpr std::array kKeys{
    key<&Http::address, Address>("http.address", "where it listens"),
    key<&Http::port, Number<0, 65535>>("http.port", "0: any free port"),
    key<&Http::threads, Number<0, 1024>>("http.threads", "0: as many as there are cores"),
    key<&Http::request_timeout, Positive>("http.request_timeout", "then 504"),
    key<&Http::max_body_bytes, Number<1, 1 << 30>>("http.max_body_bytes", "then 413"),
    key<&Http::max_buffered_bytes, Number<4096, std::int64_t{1} << 40>>( // BodyBuffer's block
        "http.max_buffered_bytes",
        "memory for bodies that are coming in, of all connections together, in blocks of 4096; "
        "then 503"),
    key<&Http::max_connections, Number<1, 1000000>>(
        "http.max_connections", "open at once; what is beyond is closed at once"),
    key<&Http::idle_timeout, Positive>(
        "http.idle_timeout",
        "a connection between two requests is closed; longer than a load balancer keeps one"),
    key<&Http::read_timeout, Positive>("http.read_timeout", "for one request to come in; then 408"),
    list(key<&Http::cors_origins, Origins>(
        "http.cors_origins", "pages of these origins may call from a browser; *: of any")),
    key<&Http::drain_delay, NonNegative>(
        "http.drain_delay",
        "on SIGTERM: not ready, but still serving for this long, so that load balancers notice"),
    key<&Http::drain_timeout, Positive>("http.drain_timeout",
                                        "and what runs may finish for this long"),
    key<&Database::url, Url>("database.url", "a URI or key=value; empty: an embedded PostgreSQL"),
    key<&Database::embedded_dir, Directory>("database.embedded_dir",
                                            "the embedded PostgreSQL's folder"),
    key<&Database::pool_size, Number<1, 1000>>(
        "database.pool_size", "connections a replica; up to 3 more are beside them"),
    key<&Database::queue_limit, Number<0, 1000000>>(
        "database.queue_limit", "jobs that wait for a connection; then 503 server/overloaded"),
    key<&Database::lock_timeout, Positive>("database.lock_timeout", "set inside each transaction"),
    key<&Database::statement_timeout, Positive>("database.statement_timeout",
                                                "set inside each transaction"),
    key<&Database::idle_in_transaction_timeout, Positive>(
        "database.idle_in_transaction_timeout",
        "set inside each transaction: frees the locks of a replica that froze"),
    key<&Database::connect_timeout, Positive>("database.connect_timeout", "for a new connection"),
    key<&Database::tcp_user_timeout, Positive>(
        "database.tcp_user_timeout", "data unacknowledged for this long breaks a connection"),
    key<&Database::prepared_statements, Prepared>(
        "database.prepared_statements",
        "named prepared statements: faster, but refused by poolers in transaction mode; auto: "
        "used where no pooler is in between"),
    key<&Database::allow_recorded_duplicates, Boolean>(
        "database.allow_recorded_duplicates",
        "start although registration groups were migrated twice before: without the unique index"),
    reloaded(key<&Auth::jwt_algorithm, Word<kAlgorithms>>("auth.jwt_algorithm",
                                                          "must be set with a database.url")),
    reloaded(key<&Auth::jwt_public_key_file, File>("auth.jwt_public_key_file",
                                                   "PEM; this, or one of the next two")),
    reloaded(
        key<&Auth::jwt_jwks_file, File>("auth.jwt_jwks_file", "a JSON Web Key Set (RFC 7517)")),
    reloaded(
        key<&Auth::jwt_secret, Secret>("auth.jwt_secret", "for HS256; at least 32 bytes", true)),
    reloaded(key<&Auth::jwt_private_key_file, File>("auth.jwt_private_key_file",
                                                    "PEM; for `regroup token` alone")),
    reloaded(key<&Auth::jwt_issuer, Text>("auth.jwt_issuer", "checked when set")),
    reloaded(key<&Auth::jwt_audience, Text>("auth.jwt_audience", "checked when set")),
    key<&Migration::async_after, Positive>("migration.async_after", "then 202"),
    key<&Migration::group_idle_timeout, Positive>("migration.group_idle_timeout",
                                                  "an idle group actor is released"),
    key<&Migration::rollback_window, Window>(
        "migration.rollback_window", "how long after a migration its group's owner can undo it"),
    key<&Migration::require_owner, Consent>(
        "migration.require_owner",
        "how many of a registration group's linked devices must be the caller's"),
    key<&Migration::link_age, Window>(
        "migration.link_age",
        "with majority and all_linked a device counts when it has been linked, and there, as long"),
    reloaded(key<&Limits::max_devices_per_group, Number<1, 1000000>>(
        "limits.max_devices_per_group", "then 400 validation/too-many-devices")),
    reloaded(key<&Limits::requests_per_minute, Number<0, 1000000000>>(
        "limits.requests_per_minute", "a user, a replica; 0: no limit")),
    key<&Webhooks::timeout, Positive>("webhooks.timeout", "for one delivery of an event"),
    key<&Webhooks::allow_private_addresses, Boolean>(
        "webhooks.allow_private_addresses",
        "deliver to this machine's, private and other special addresses too, and without TLS"),
    reloaded(key<&Log::level, Level>("log.level", "what is below it is not logged")),
    key<&Log::format, Word<kFormats>>("log.format", "empty: text on a terminal, else json"),
};

} // namespace

std::span<const Key> keys() { return kKeys; }

Settings::Duration parse_duration(const std::string& text) {
  std::uint32_t count = 0; // 32 bits of hours fit into 64 bits of milliseconds
  const char* end = text.data() + text.size();
  const auto [unit_begin, error] = std::from_chars(text.data(), end, count);
  const std::string_view unit{unit_begin, static_cast<std::size_t>(end - unit_begin)};
  if (error == std::errc{})
    for (const Unit& known : kUnits)
      if (unit == known.name)
        return known.length * count;
  throw SettingsError("must be a duration such as 250ms, 2s, 15m or 24h");
}

std::string print_duration(Settings::Duration duration) {
  for (const Unit& unit : kUnits)
    if (duration.count() != 0 && duration % unit.length == Settings::Duration::zero())
      return std::to_string(duration / unit.length) + std::string{unit.name};
  return "0s";
}

} // namespace regroup::config
