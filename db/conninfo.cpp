#include "db/conninfo.hpp"

#include <chrono>
#include <libpq-fe.h>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace regroup::db {
namespace {

/// A value as libpq's key=value form wants it (libpq, "Connection Strings").
std::string quoted(const std::string& value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\')
      text += '\\';
    text += c;
  }
  return text + "'";
}

} // namespace

std::string conninfo(const config::Settings::Database& settings) {
  using std::chrono::ceil;
  using std::chrono::seconds;
  std::map<std::string, std::string> values{
      {"application_name", settings.application_name},
      // libpq counts whole seconds here, and takes 1 for 2.
      {"connect_timeout", std::to_string(ceil<seconds>(settings.connect_timeout).count())},
      {"keepalives_idle", "5"},
      {"keepalives_interval", "2"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", std::to_string(settings.tcp_user_timeout.count())},
  };
  char* why = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options{
      PQconninfoParse(settings.url.c_str(), &why), &PQconninfoFree};
  const std::unique_ptr<char, decltype(&PQfreemem)> why_owner{why, &PQfreemem};
  if (!options)
    throw std::runtime_error("database.url: not a libpq connection string");
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr)
      values[option->keyword] = option->val;
  // Whatever the url, PGCLIENTENCODING or the role says: all text here is UTF-8.
  values["client_encoding"] = "UTF8";
  std::string text;
  for (const auto& [key, value] : values)
    text += (text.empty() ? "" : " ") + key + "=" + quoted(value);
  return text;
}

} // namespace regroup::db
