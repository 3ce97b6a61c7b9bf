#pragma once
#include <memory>

namespace regroup::test {

/// Another program on a loopback port, beside Regroup. It answers every request with 200 and the
/// header `X-Program: backend`.
class OtherProgram {
public:
  OtherProgram();
  ~OtherProgram();
  OtherProgram(const OtherProgram&) = delete;
  OtherProgram& operator=(const OtherProgram&) = delete;

  unsigned port() const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace regroup::test
