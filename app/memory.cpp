#include "app/memory.hpp"

#ifdef REGROUP_JEMALLOC
#include <jemalloc/jemalloc.h>

#include <string>

// Read by jemalloc before main() (manual, "TUNING"). With few arenas threads share what they free,
// and little memory is kept for reuse. Freed pages go back after a second or so in the threads' own
// calls; give_memory_back() is for threads that have gone quiet.
const char* malloc_conf = "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0";

void regroup::app::give_memory_back() {
  // A thread can flush only its own cache, so this flushes the calling thread's alone.
  mallctl("thread.tcache.flush", nullptr, nullptr, nullptr, 0);
  const std::string purge = "arena." + std::to_string(MALLCTL_ARENAS_ALL) + ".purge";
  mallctl(purge.c_str(), nullptr, nullptr, nullptr, 0);
}
#else
#include <malloc.h>

void regroup::app::give_memory_back() { malloc_trim(0); }
#endif
