#include "db/conninfo.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <libpq-fe.h>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace regroup::db {
namespace {

/// Quoted for libpq's key=value form (libpq, "Connection Strings").
std::string quoted(const std::string& value) {
  std::string text = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\')
      text += '\\';
    text += c;
  }
  return text + "'";
}

using Values = std::map<std::string, std::string>;

Values values_of(const config::Settings::Database& settings) {
  using std::chrono::ceil;
  using std::chrono::seconds;
  // libpq counts whole seconds here, and treats 1 as 2.
  const auto connect_timeout = std::to_string(ceil<seconds>(settings.connect_timeout).count());
  Values values{
      {"application_name", settings.application_name},
      {"connect_timeout", connect_timeout},
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
  if (std::atoi(values["connect_timeout"].c_str()) <= 0) // libpq would wait for ever
    values["connect_timeout"] = connect_timeout;
  // All text here is UTF-8, whatever the url, PGCLIENTENCODING or the role says.
  values["client_encoding"] = "UTF8";
  return values;
}

std::string text_of(const Values& values) {
  std::string text;
  for (const auto& [key, value] : values)
    text += (text.empty() ? "" : " ") + key + "=" + quoted(value);
  return text;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts{""};
  for (const char c : list)
    if (c == ',')
      parts.emplace_back();
    else
      parts.back() += c;
  return parts;
}

} // namespace

std::string conninfo(const config::Settings::Database& settings) {
  return text_of(values_of(settings));
}

std::vector<std::string> conninfo_of_each_host(const config::Settings::Database& settings) {
  const Values all = values_of(settings);
  std::map<std::string, std::vector<std::string>> lists;
  std::size_t hosts = 1;
  for (const char* key : {"host", "hostaddr", "port"})
    if (const auto found = all.find(key); found != all.end()) {
      lists[key] = split(found->second);
      hosts = std::max(hosts, lists[key].size());
    }
  for (const auto& [key, list] : lists)
    if (list.size() != hosts && !(key == "port" && list.size() == 1))
      return {text_of(all)}; // left to libpq, which reports it
  std::vector<std::string> each;
  for (std::size_t host = 0; host < hosts; ++host) {
    Values values = all;
    for (const auto& [key, list] : lists)
      values[key] = list.size() == 1 ? list.front() : list[host];
    each.push_back(text_of(values));
  }
  return each;
}

} // namespace regroup::db
