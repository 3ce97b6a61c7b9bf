#pragma once
#include "app/command_line.hpp"
#include "app/reload.hpp"
#include "config/loader.hpp"
#include "domain/log.hpp"

namespace regroup::app {

// The subcommands. Each returns the process's exit status, or throws std::runtime_error
// (UsageError: what the command line says cannot be done) with one line for the terminal.
/// `how.take_over` may be empty: serve() sets it itself.
int serve(const config::Settings& settings, const Reload& how, domain::Log& log);
/// `regroup serve --check-config`: prints the effective settings, and starts nothing. Throws for
/// settings that would stop the start, as far as that shows without a database.
int check_config(const config::Loaded& loaded);
int schema(const CommandLine& line, const config::Settings& settings, domain::Log& log);
int doctor(const CommandLine& line, const config::Settings& settings);
int token(const CommandLine& line, const config::Settings& settings);
int api_key(const CommandLine& line, const config::Settings& settings, domain::Log& log);
int migrations(const CommandLine& line, const config::Settings& settings);
int live(const CommandLine& line, const config::Settings& settings);
int demo(const CommandLine& line, const config::Settings& settings, domain::Log& log);
int completion(const CommandLine& line);

} // namespace regroup::app
