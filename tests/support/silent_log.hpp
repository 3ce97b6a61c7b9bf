#pragma once
#include "domain/log.hpp"

#include <initializer_list>
#include <string_view>

namespace regroup::test {

class SilentLog final : public domain::Log {
public:
  void event(domain::LogLevel, std::string_view,
             std::initializer_list<domain::LogField>) noexcept override {}
};

} // namespace regroup::test
