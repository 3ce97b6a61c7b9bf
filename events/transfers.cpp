#include "events/transfers.hpp"

#include "events/address.hpp"
#include "events/signature.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unistd.h>

namespace regroup::events {
namespace {

using Result = domain::SettleEvents::Result;
using Outcome = domain::SettleEvents::Outcome;
using Clock = std::chrono::steady_clock;

constexpr const char* kBarred =
    "the address is not a public one (webhooks.allow_private_addresses)";

struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// libcurl must be initialised once, before any thread uses it.
void initialise() {
  static const bool good = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  if (!good)
    throw std::runtime_error("libcurl cannot be initialised");
}

/// How long an endpoint may go on sending after the head of its answer: most have finished by then,
/// and the connection can be kept for the next event.
constexpr std::chrono::milliseconds kEpilogue{250};
/// The longest pause that an endpoint can ask for.
constexpr std::chrono::seconds kLongestHold{std::chrono::hours{24}};

/// The body of the answer is ignored.
std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

} // namespace

struct Transfers::Transfer {
  domain::Delivery delivery;
  bool refuse_private = true;
  bool barred = false;
  std::optional<Clock::time_point> answered; // when the final head was complete
  bool told = false;                         // its result has been returned
  std::unique_ptr<CURL, FreeEasy> easy;
  std::unique_ptr<curl_slist, FreeList> headers;

  void add_header(const std::string& line) {
    auto* longer = curl_slist_append(headers.get(), line.c_str());
    if (longer == nullptr)
      throw std::bad_alloc();
    static_cast<void>(headers.release());
    headers.reset(longer);
  }

  /// Checks the address that libcurl is about to connect to, after the name look-up: so a server of
  /// names cannot answer a check with one address and the connection with another.
  static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* address) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.refuse_private && !is_public(address->addr)) {
      transfer.barred = true;
      return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  }

  /// libcurl calls it line by line. An empty line ends a head; a 1xx head is followed by another.
  static std::size_t take_header(char* line, std::size_t size, std::size_t count, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    const std::string_view text{line, size * count};
    if ((text == "\r\n" || text == "\n") && transfer.status() >= 200 && !transfer.answered)
      transfer.answered = Clock::now();
    return text.size();
  }

  long status() const {
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }

  /// A complete head is an answer, whatever becomes of its body. `code` is for a transfer that
  /// ended without one.
  Result result(CURLcode code) {
    told = true;
    Result result{delivery.id, delivery.endpoint_id};
    if (answered)
      return judge(std::move(result));
    result.outcome = barred ? Outcome::barred : Outcome::failed;
    result.error = barred ? kBarred : curl_easy_strerror(code);
    return result;
  }

private:
  Result judge(Result result) const {
    const long code = status();
    if (code < 300)
      return result;
    result.error = "answered " + std::to_string(code);
    curl_off_t seconds = 0; // libcurl accepts a date too
    curl_easy_getinfo(easy.get(), CURLINFO_RETRY_AFTER, &seconds);
    if (code == 410) {
      result.outcome = Outcome::gone;
    } else if (seconds > 0) {
      result.outcome = Outcome::held;
      result.hold = std::min<std::chrono::seconds>(std::chrono::seconds{seconds}, kLongestHold);
    } else {
      const bool passing = code == 408 || code == 425 || code == 429;
      result.outcome = code >= 400 && code < 500 && !passing ? Outcome::refused : Outcome::failed;
    }
    return result;
  }
};

struct Transfers::Impl {
  std::unique_ptr<CURLM, FreeMulti> multi;
  std::list<Transfer> transfers;
  std::chrono::milliseconds timeout;
  bool allow_private = false;

  bool in_epilogue() const {
    return std::any_of(transfers.begin(), transfers.end(),
                       [](const Transfer& each) { return each.answered.has_value(); });
  }

  void end(const Transfer* over) {
    const auto found = std::find_if(transfers.begin(), transfers.end(),
                                    [&](const Transfer& each) { return &each == over; });
    if (found == transfers.end()) // it was on the list twice
      return;
    curl_multi_remove_handle(multi.get(), found->easy.get());
    transfers.erase(found);
  }
};

Transfers::Transfers(std::chrono::milliseconds timeout, bool allow_private_addresses,
                     std::size_t most_connections)
    : impl_(std::make_unique<Impl>()) {
  initialise();
  impl_->multi.reset(curl_multi_init());
  if (!impl_->multi)
    throw std::runtime_error("libcurl cannot be used");
  const auto most = static_cast<long>(most_connections);
  curl_multi_setopt(impl_->multi.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS, most);
  curl_multi_setopt(impl_->multi.get(), CURLMOPT_MAXCONNECTS, most);
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
  transfer.add_header("Expect:"); // no "100-continue", which waits a second
  transfer.add_header("User-Agent: Regroup");
  transfer.add_header("Regroup-Event-Id: evt_" + std::to_string(delivery.id));
  transfer.add_header("Regroup-Event: " + delivery.type);
  transfer.add_header("Regroup-Signature: " + signature(delivery.secret, now, delivery.body));
  transfer.barred = transfer.refuse_private && !delivery.url.starts_with("https://");
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
                   0L);                      // only the administrator chooses the address
  curl_easy_setopt(easy, CURLOPT_PROXY, ""); // and not the environment
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Transfer::take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &discard);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &Transfer::open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfer);
  // A connection to an endpoint's address may be reused for its next event: it has passed the same
  // check.
  curl_multi_add_handle(impl_->multi.get(), easy);
}

std::vector<Result> Transfers::go_on(std::chrono::milliseconds limit) {
  perform();
  auto ended = collect();
  if (ended.empty()) {
    const auto wait = impl_->in_epilogue() ? std::min(limit, kEpilogue) : limit;
    curl_multi_poll(impl_->multi.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr);
    perform();
    ended = collect();
  }
  return ended;
}

void Transfers::perform() {
  int running = 0;
  curl_multi_perform(impl_->multi.get(), &running);
}

std::vector<Result> Transfers::collect() {
  CURLM* multi = impl_->multi.get();
  std::vector<Result> ended;
  std::vector<Transfer*> over;
  int messages = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &messages)) {
    Transfer* transfer = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    if (!transfer->told)
      ended.push_back(transfer->result(message->data.result));
    over.push_back(transfer);
  }
  for (auto& transfer : impl_->transfers) {
    if (transfer.answered && !transfer.told)
      ended.push_back(transfer.result(CURLE_OK));
    else if (transfer.answered && Clock::now() - *transfer.answered > kEpilogue)
      over.push_back(&transfer);
  }
  for (const auto* transfer : over)
    impl_->end(transfer);
  return ended;
}

void Transfers::wake() { curl_multi_wakeup(impl_->multi.get()); }

std::size_t Transfers::count() const { return impl_->transfers.size(); }

std::vector<domain::Uuid> Transfers::endpoints() const {
  std::vector<domain::Uuid> ids;
  for (const auto& transfer : impl_->transfers)
    if (!transfer.told)
      ids.push_back(transfer.delivery.endpoint_id);
  return ids;
}

} // namespace regroup::events
