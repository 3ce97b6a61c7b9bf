#include "tests/unit/settings_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <fstream>
#include <unistd.h>

namespace regroup::test {

using config::Key;
using config::keys;
using config::Loaded;
using config::Settings;
using config::SettingsError;

TempFile::TempFile(const std::string& text) {
  const int handle = ::mkstemp(path_.data());
  REQUIRE(handle >= 0);
  ::close(handle);
  std::ofstream{path_} << text;
}

Loaded load_from(const std::optional<std::string>& file, const Variables& variables,
                 const Arguments& flags) {
  std::vector<std::string> names;
  for (const auto& [name, value] : variables)
    names.push_back(name);
  return config::load(
      file, flags, [&](const std::string& name) { return variables.at(name); }, names);
}

Loaded load_toml(const std::string& text, const Variables& variables, const Arguments& flags) {
  return load_from(TempFile{text}.path(), variables, flags);
}

Settings with_flags(const Arguments& flags) { return load_from({}, {}, flags).settings; }

namespace {

template <class Load> std::string line_of_error(Load load_it) {
  std::string line = "no error";
  try {
    load_it();
  } catch (const SettingsError& error) {
    line = error.what();
  }
  CHECK(line.find('\n') == std::string::npos);
  return line;
}

} // namespace

std::string file_error(const std::string& path) {
  return line_of_error([&] { load_from(path, {}, {}); });
}

std::string flags_error(const Arguments& flags) {
  return line_of_error([&] { with_flags(flags); });
}

std::string variables_error(const Variables& variables) {
  return line_of_error([&] { load_from({}, variables, {}); });
}

std::string toml_error(const std::string& text) {
  const TempFile file{text};
  std::string line = file_error(file.path());
  const auto at = line.find(file.path());
  return at == std::string::npos ? line : line.replace(at, file.path().size(), "FILE");
}

std::size_t index_of(std::string_view name) {
  const auto found =
      std::find_if(keys().begin(), keys().end(), [&](const Key& key) { return key.name == name; });
  REQUIRE(found != keys().end());
  return static_cast<std::size_t>(found - keys().begin());
}

std::string printed(std::string_view name, const Settings& settings) {
  return keys()[index_of(name)].print(settings);
}

} // namespace regroup::test
