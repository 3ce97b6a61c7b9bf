// A disk that is full: PostgreSQL cannot write its log, panics in the middle of COMMITs, and does
// not come up again before there is room.
#include "tests/service/chaos/fault.hpp"
#include "tests/support/eventually.hpp"

#include <stdexcept>

namespace regroup::chaos {
namespace {

class DiskFull final : public Fault {
public:
  std::string name() const override { return "disk-full"; }
  Stage::Options stage() const override {
    Stage::Options options;
    options.small_disk = true;
    return options;
  }
  void strike(Field& field) const override {
    auto& server = field.stage.primary();
    const auto panics = [&] { return count_of(server.log(), "PANIC:"); };
    const int before = panics();
    // Again and again, since checkpoints remove old segments.
    if (!test::eventually([&] {
          field.stage.wal_disk().fill();
          return panics() > before;
        }))
      throw std::runtime_error{"PostgreSQL did not run out of room"};
    field.struck();
    field.wait_for_answers(60);
    field.healing();
    field.stage.wal_disk().make_room();
    server.kill9_all(); // what is left of it tries to recover, and does not listen
    server.restart();
  }
};

} // namespace

void add_disk_faults(Faults& faults) { faults.push_back(std::make_unique<DiskFull>()); }

} // namespace regroup::chaos
