#include "tests/support/two_copies.hpp"

#include <algorithm>
#include <regex>
#include <stdexcept>

namespace regroup::test {

Copy::Copy(const std::string& url) : connection_{PQconnectdb(url.c_str()), PQfinish} {
  if (PQstatus(connection_.get()) != CONNECTION_OK)
    throw std::runtime_error{PQerrorMessage(connection_.get())};
}

std::string Copy::filled(std::string parameter) const {
  for (const auto& [id, name] : names_)
    for (auto at = parameter.find("{" + name + "}"); at != std::string::npos;
         at = parameter.find("{" + name + "}"))
      parameter.replace(at, name.size() + 2, id);
  return parameter;
}

std::string Copy::evened(const PGresult& result) const {
  static const std::regex id{"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"};
  static const std::regex time{R"(20[2-9]\d-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+\d\d)"};
  std::string text;
  for (int row = 0; row < PQntuples(&result); ++row) {
    for (int column = 0; column < PQnfields(&result); ++column)
      text +=
          (column == 0 ? "" : " | ") +
          std::string{PQgetisnull(&result, row, column) ? kNull : PQgetvalue(&result, row, column)};
    text += '\n';
  }
  std::string even;
  auto rest = text.cbegin();
  for (std::sregex_iterator each{text.cbegin(), text.cend(), id}, end; each != end; ++each) {
    even.append(rest, (*each)[0].first);
    const auto named = names_.find(each->str());
    even += named != names_.end()             ? named->second
            : each->str().starts_with("0000") ? each->str()
                                              : "an id";
    rest = (*each)[0].second;
  }
  even.append(rest, text.cend());
  std::string out;
  rest = even.cbegin();
  for (std::sregex_iterator each{even.cbegin(), even.cend(), time}, end; each != end; ++each) {
    out.append(rest, (*each)[0].first);
    out += each->str().starts_with("2020") ? each->str() : "now";
    rest = (*each)[0].second;
  }
  return out.append(rest, even.cend());
}

std::string Copy::run(const std::string& statement, const std::vector<std::string>& parameters,
                      const std::string& name) {
  std::vector<std::string> texts;
  for (const auto& parameter : parameters)
    texts.push_back(filled(parameter));
  std::vector<const char*> values;
  for (const auto& text : texts)
    values.push_back(text == kNull ? nullptr : text.c_str());
  const std::unique_ptr<PGresult, decltype(&PQclear)> result{
      PQexecParams(connection_.get(), statement.c_str(), static_cast<int>(values.size()), nullptr,
                   values.data(), nullptr, nullptr, 0),
      PQclear};
  const auto field = [&](int which) {
    const char* text = PQresultErrorField(result.get(), which);
    return text ? std::string{text} : std::string{};
  };
  if (PQresultStatus(result.get()) == PGRES_COMMAND_OK)
    return PQcmdStatus(result.get());
  if (PQresultStatus(result.get()) != PGRES_TUPLES_OK)
    return "failed: " + field(PG_DIAG_SQLSTATE) + " " + field(PG_DIAG_CONSTRAINT_NAME);
  if (!name.empty() && PQntuples(result.get()) > 0)
    call(PQgetvalue(result.get(), 0, 0), name);
  return evened(*result);
}

std::string Copy::rows(const std::string& table, const std::string& columns) {
  std::string text = run("SELECT " + columns + " FROM " + table);
  std::vector<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(text.substr(at, end - at));
  std::sort(lines.begin(), lines.end());
  std::string sorted;
  for (const auto& line : lines)
    sorted += line + '\n';
  return sorted;
}

void Copy::call(const std::string& id, const std::string& name) { names_[id] = name; }

} // namespace regroup::test
