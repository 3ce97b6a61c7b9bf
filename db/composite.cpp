#include "db/composite.hpp"

#include <libpq-fe.h>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace regroup::db {
namespace {

[[noreturn]] void refuse() { throw std::runtime_error("the database sent no composite value"); }

/// Takes a field from the beginning of `text`, up to the comma or the parenthesis behind it. A
/// field without a character is NULL; inside quotes a quote or backslash is written twice.
std::optional<std::string> take_field(std::string_view& text) {
  std::string field;
  bool quoted = false;
  bool is_null = true;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (!quoted && (c == ',' || c == ')'))
      break;
    is_null = false;
    if (c == '"' && quoted && at + 1 < text.size() && text[at + 1] == '"')
      field += text[++at];
    else if (c == '"')
      quoted = !quoted;
    else if (c == '\\' && at + 1 < text.size())
      field += text[++at];
    else
      field += c;
  }
  if (at == text.size())
    refuse();
  text.remove_prefix(at);
  return is_null ? std::nullopt : std::optional{std::move(field)};
}

std::vector<std::optional<std::string>> fields_in(std::string_view text) {
  if (!text.starts_with('('))
    refuse();
  std::vector<std::optional<std::string>> fields;
  do {
    text.remove_prefix(1); // the parenthesis, or the comma
    fields.push_back(take_field(text));
  } while (text.starts_with(','));
  if (text != ")")
    refuse();
  return fields;
}

} // namespace

Reply fields_of(const Reply& reply, std::span<const char* const> names) {
  if (reply.rows() != 1)
    refuse();
  const auto fields = fields_in(reply.text(0, "composite"));
  if (fields.size() != names.size())
    throw std::logic_error("the composite value has another number of fields");
  const PgResult row{PQmakeEmptyPGresult(nullptr, PGRES_TUPLES_OK), &PQclear};
  std::vector<PGresAttDesc> columns(names.size());
  for (std::size_t i = 0; i < names.size(); ++i)
    columns[i].name = const_cast<char*>(names[i]); // NOLINT(*-const-cast): libpq copies it
  if (PQsetResultAttrs(row.get(), static_cast<int>(columns.size()), columns.data()) == 0)
    throw std::bad_alloc{};
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::string value = fields[i].value_or("");
    if (PQsetvalue(row.get(), 0, static_cast<int>(i), value.data(),
                   fields[i] ? static_cast<int>(value.size()) : -1) == 0)
      throw std::bad_alloc{};
  }
  return Reply{row};
}

} // namespace regroup::db
