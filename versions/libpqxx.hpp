#pragma once
#include <pqxx/connection>
#include <pqxx/result>
#include <pqxx/transaction_base>
#include <pqxx/version>
#if PQXX_VERSION_MAJOR < 7
#include <pqxx/connection_base>
#include <pqxx/connectionpolicy>
#else
#include <pqxx/params>
#include <pqxx/prepared_statement>

#endif

#include <string>

/// The differences between libpqxx 6.4 (Debian 12) and 7.10 (Debian 13). All other code of Regroup
/// compiles with both.
namespace regroup::versions {

#if PQXX_VERSION_MAJOR < 7

/// libpqxx 6 does not expose libpq's handle, but a connection policy of our own sees it.
class LibpqConnection : public pqxx::connection_base {
public:
  using Handle = pqxx::internal::pq::PGconn*;

  /// Opens the connection at once and never again: a broken one stays broken. Throws
  /// pqxx::broken_connection if it cannot be opened.
  explicit LibpqConnection(const std::string& conninfo);
  ~LibpqConnection();
  LibpqConnection(const LibpqConnection&) = delete;
  LibpqConnection& operator=(const LibpqConnection&) = delete;

  Handle handle() const { return policy_.handle; }

private:
  struct Policy final : pqxx::connect_direct {
    using connect_direct::connect_direct;
    Handle do_startconnect(Handle before) override {
      return handle = connect_direct::do_startconnect(before);
    }
    Handle do_disconnect(Handle before) noexcept override {
      handle = nullptr;
      return connect_direct::do_disconnect(before);
    }
    Handle handle = nullptr;
  };

  Policy policy_; // the base keeps a reference, used from init() to close()
};

template <class... Args>
pqxx::result exec_params(pqxx::transaction_base& work, const std::string& sql,
                         const Args&... args) {
  return work.exec_params(sql, args...);
}

template <class... Args>
pqxx::result exec_prepared(pqxx::transaction_base& work, const std::string& name,
                           const Args&... args) {
  return work.exec_prepared(name, args...);
}

#else

/// libpqxx 7 takes over a connection that libpq has opened, and never opens one again.
class LibpqConnection : public pqxx::connection {
public:
  using Handle = pqxx::internal::pq::PGconn*;

  /// Throws pqxx::broken_connection if it cannot be opened.
  explicit LibpqConnection(const std::string& conninfo);

  Handle handle() const { return handle_; }

private:
  explicit LibpqConnection(Handle opened)
      : connection(seize_raw_connection(opened)), handle_(opened) {}

  Handle handle_;
};

// libpqxx 7 deprecates these in favour of exec() with pqxx::params, which version 6 does not have.
template <class... Args>
pqxx::result exec_params(pqxx::transaction_base& work, const std::string& sql,
                         const Args&... args) {
  return work.exec(sql, pqxx::params{args...});
}

template <class... Args>
pqxx::result exec_prepared(pqxx::transaction_base& work, const std::string& name,
                           const Args&... args) {
  return work.exec(pqxx::prepped{name}, pqxx::params{args...});
}

#endif

} // namespace regroup::versions
