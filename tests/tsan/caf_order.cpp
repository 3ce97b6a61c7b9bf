// Compiled with ThreadSanitizer alone. CAF's library is not built for it: TSan sees what our code
// and CAF's headers read and write, but not the atomics in the library that order them, and takes
// every message for a race. So these functions of the library, which it calls by way of the dynamic
// linker, come from here: they tell TSan what CAF keeps to and do what the library does. Only that
// is ordered: a message before its receipt, an actor's messages one after the other, and all uses
// before the end.
#include <caf/actor_control_block.hpp>
#include <caf/blocking_actor.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/ref_counted.hpp>
#include <caf/scheduled_actor.hpp>
#include <sanitizer/tsan_interface.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <utility>

namespace {

/// The library's own function. Without it nothing would be ordered, or done: that is the end.
template <class Function> Function of_the_library(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    std::fprintf(stderr, "caf_order.cpp: CAF has no function %s\n", name);
    std::abort();
  }
  return reinterpret_cast<Function>(found);
}

} // namespace

namespace caf {

void scheduled_actor::enqueue(mailbox_element_ptr message, execution_unit* on) {
  static const auto real = of_the_library<void (*)(scheduled_actor*, mailbox_element_ptr,
                                                   execution_unit*)>(
      "_ZN3caf15scheduled_actor7enqueueESt10unique_ptrINS_15mailbox_elementENS_6detail8disposerEE"
      "PNS_14execution_unitE");
  __tsan_release(message.get());
  __tsan_release(&mailbox_);
  real(this, std::move(message), on);
}

/// At its end, with the messages that it has not received.
bool scheduled_actor::cleanup(error&& why, execution_unit* on) {
  static const auto real = of_the_library<bool (*)(scheduled_actor*, error&&, execution_unit*)>(
      "_ZN3caf15scheduled_actor7cleanupEONS_5errorEPNS_14execution_unitE");
  __tsan_acquire(&mailbox_);
  return real(this, std::move(why), on);
}

/// Runs a handler of the actor's, for a message or an exit.
scheduled_actor::activation_result scheduled_actor::reactivate(mailbox_element& message) {
  static const auto real =
      of_the_library<activation_result (*)(scheduled_actor*, mailbox_element&)>(
          "_ZN3caf15scheduled_actor10reactivateERNS_15mailbox_elementE");
  __tsan_acquire(&message);
  __tsan_acquire(this);
  const auto result = real(this, message);
  __tsan_release(this);
  return result;
}

/// At each turn of an actor's; the first one runs its function.
bool scheduled_actor::activate(execution_unit* on) {
  static const auto real = of_the_library<bool (*)(scheduled_actor*, execution_unit*)>(
      "_ZN3caf15scheduled_actor8activateEPNS_14execution_unitE");
  __tsan_acquire(this);
  const bool result = real(this, on);
  __tsan_release(this);
  return result;
}

/// It is made, and is on its way to the thread of its first turn.
void scheduled_actor::launch(execution_unit* on, bool lazy, bool hide) {
  static const auto real = of_the_library<void (*)(scheduled_actor*, execution_unit*, bool, bool)>(
      "_ZN3caf15scheduled_actor6launchEPNS_14execution_unitEbb");
  __tsan_release(this);
  real(this, on, lazy, hide);
}

void blocking_actor::enqueue(mailbox_element_ptr message, execution_unit* on) {
  static const auto real = of_the_library<void (*)(blocking_actor*, mailbox_element_ptr,
                                                   execution_unit*)>(
      "_ZN3caf14blocking_actor7enqueueESt10unique_ptrINS_15mailbox_elementENS_6detail8disposerEE"
      "PNS_14execution_unitE");
  __tsan_release(message.get());
  real(this, std::move(message), on);
}

intrusive::task_result blocking_actor::mailbox_visitor::operator()(mailbox_element& message) {
  static const auto real =
      of_the_library<intrusive::task_result (*)(mailbox_visitor*, mailbox_element&)>(
          "_ZN3caf14blocking_actor15mailbox_visitorclERNS_15mailbox_elementE");
  __tsan_acquire(&message);
  return real(this, message);
}

/// Of a message's content.
void ref_counted::deref() const noexcept {
  if (rc_.fetch_sub(1, std::memory_order_release) != 1)
    return;
  static_cast<void>(rc_.load(std::memory_order_acquire));
  request_deletion(true);
}

/// Of an actor.
void intrusive_ptr_release(actor_control_block* actor) {
  if (actor->strong_refs.fetch_sub(1, std::memory_order_release) != 1)
    return;
  static_cast<void>(actor->strong_refs.load(std::memory_order_acquire));
  actor->data_dtor(actor->get());
  intrusive_ptr_release_weak(actor);
}

void intrusive_ptr_release_weak(actor_control_block* actor) {
  if (actor->weak_refs.fetch_sub(1, std::memory_order_release) != 1)
    return;
  static_cast<void>(actor->weak_refs.load(std::memory_order_acquire));
  actor->block_dtor(actor);
}

} // namespace caf
