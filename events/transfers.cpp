#include "events/transfers.hpp"

#include "events/address.hpp"
#include "events/signature.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <stdexcept>
#include <unistd.h>

namespace regroup::events {
namespace {

struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// libcurl wants to be initialised once, before there are threads that use it.
void initialise() {
  static const bool good = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (!good)
    throw std::runtime_error("libcurl cannot be initialised");
}

/// The answer's body is nothing to us.
std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

} // namespace

struct Transfers::Transfer {
  domain::Delivery delivery;
  bool refuse_private = true;
  bool refused = false;
  std::unique_ptr<CURL, FreeEasy> easy;
  std::unique_ptr<curl_slist, FreeList> headers;

  void add_header(const std::string& line) {
    auto* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr)
      throw std::bad_alloc();
    static_cast<void>(headers.release());
    headers.reset(longer);
  }

  /// What libcurl is about to connect to, after names were looked up: nobody can answer a first
  /// look with one address and a second with another.
  static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.refuse_private && !is_public(address->addr)) {
      transfer.refused = true;
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  /// Empty when the endpoint has taken it.
  std::string outcome(CURLcode code) const {
    if (refused)
      return "the address is not a public one (webhooks.allow_private_addresses)";
    if (code != CURLE_OK)
      return curl_easy_strerror(code);
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300 ? "" : "answered " + std::to_string(status);
  }
};

struct Transfers::Impl {
  std::unique_ptr<CURLM, FreeMulti> multi;
  std::list<Transfer> transfers;
  std::chrono::milliseconds timeout;
  bool allow_private = false;
};

Transfers::Transfers(std::chrono::milliseconds timeout, bool allow_private_addresses)
    : impl_(std::make_unique<Impl>()) {
  initialise();
  impl_->multi.reset(curl_multi_init());
  if (!impl_->multi)
    throw std::runtime_error("libcurl cannot be used");
  impl_->timeout = timeout;
  impl_->allow_private = allow_private_addresses;
}

Transfers::~Transfers() {
  for (const auto& transfer : impl_->transfers)
    curl_multi_remove_handle(impl_->multi.get(), transfer.easy.get());
}

void Transfers::start(const domain::Delivery& delivery) {
  auto& transfer = impl_->transfers.emplace_back();
  transfer.delivery = delivery;
  transfer.refuse_private = !impl_->allow_private;
  transfer.easy.reset(curl_easy_init());
  CURL* easy = transfer.easy.get();
  if (easy == nullptr)
    throw std::bad_alloc();
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  transfer.add_header("Content-Type: application/json");
  transfer.add_header("Expect:"); // no "100-continue" and its second of silence
  transfer.add_header("User-Agent: Regroup");
  transfer.add_header("Regroup-Event-Id: evt_" + std::to_string(delivery.id));
  transfer.add_header("Regroup-Event: " + delivery.type);
  transfer.add_header("Regroup-Signature: " + signature(delivery.secret, now, delivery.body));
  const auto limit = static_cast<long>(impl_->timeout.count());
  curl_easy_setopt(easy, CURLOPT_URL, delivery.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, impl_->allow_private ? "http,https" : "https");
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(delivery.body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer.delivery.body.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer.headers.get());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, limit);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, limit);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION,
                   0L);                      // the answer's word is not the administrator's
  curl_easy_setopt(easy, CURLOPT_PROXY, ""); // nor is the environment's
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &discard);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  // A connection that was opened for one endpoint's address is kept for its next event: it passed
  // the same check.
  curl_multi_add_handle(impl_->multi.get(), easy);
}

std::vector<domain::SettleEvents::Result> Transfers::go_on(std::chrono::milliseconds limit) {
  CURLM* multi = impl_->multi.get();
  int running = 0;
  curl_multi_perform(multi, &running);
  int messages = 0;
  std::vector<domain::SettleEvents::Result> ended;
  const auto collect = [&] {
    while (const CURLMsg* message = curl_multi_info_read(multi, &messages)) {
      Transfer* transfer = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
      ended.push_back({transfer->delivery.id, transfer->outcome(message->data.result)});
      curl_multi_remove_handle(multi, message->easy_handle);
      impl_->transfers.remove_if([&](const Transfer& each) { return &each == transfer; });
    }
  };
  collect();
  if (ended.empty()) {
    curl_multi_poll(multi, nullptr, 0, static_cast<int>(limit.count()), nullptr);
    curl_multi_perform(multi, &running);
    collect();
  }
  return ended;
}

void Transfers::wake() { curl_multi_wakeup(impl_->multi.get()); }

std::size_t Transfers::count() const { return impl_->transfers.size(); }

std::vector<domain::Uuid> Transfers::endpoints() const {
  std::vector<domain::Uuid> ids;
  for (const auto& transfer : impl_->transfers)
    ids.push_back(transfer.delivery.endpoint_id);
  return ids;
}

} // namespace regroup::events
