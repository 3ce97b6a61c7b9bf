#include "app/secret_file.hpp"

#include "db/file_descriptor.hpp"
#include "domain/uuid.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <unistd.h>

namespace regroup::app {
namespace {

using db::FileDescriptor;

constexpr std::size_t kLongest = 4096;

class SecretFile {
public:
  SecretFile(const std::filesystem::path& folder, std::string name)
      : path_(folder / name), name_(std::move(name)),
        folder_(::open(folder.c_str(), O_DIRECTORY | O_CLOEXEC)) {
    if (!folder_)
      fail("cannot open the folder: " + db::errno_text());
  }

  /// std::nullopt if there is no such file.
  std::optional<std::string> read() const {
    // O_NONBLOCK: does not wait for the other end of a FIFO.
    const FileDescriptor file{
        ::openat(folder_.get(), name_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)};
    if (!file && errno == ENOENT)
      return std::nullopt;
    if (!file)
      fail(errno == ELOOP ? "is a link" : "cannot be read: " + db::errno_text());
    check(file);
    std::array<char, kLongest> buffer{};
    const auto length = ::read(file.get(), buffer.data(), buffer.size());
    const std::string_view text{buffer.data(), length > 0 ? static_cast<std::size_t>(length) : 0};
    const auto line = text.substr(0, text.find('\n'));
    if (line.empty())
      fail("is empty");
    return std::string{line};
  }

  /// Writes the whole file or none. A file that exists by then stays.
  void write(const std::string& secret) const {
    const std::string draft = name_ + "." + domain::Uuid::random().text();
    const FileDescriptor file{::openat(folder_.get(), draft.c_str(),
                                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                       S_IRUSR | S_IWUSR)};
    if (!file)
      fail("cannot be written: " + db::errno_text());
    const bool written =
        ::write(file.get(), secret.data(), secret.size()) == static_cast<ssize_t>(secret.size()) &&
        ::fsync(file.get()) == 0;
    // A link, not a rename: if two processes start together, the first one's secret stays. If the
    // draft has become another file meanwhile, read() will refuse it.
    const bool there =
        written && (::linkat(folder_.get(), draft.c_str(), folder_.get(), name_.c_str(), 0) == 0 ||
                    errno == EEXIST);
    const int why = errno;
    ::unlinkat(folder_.get(), draft.c_str(), 0);
    errno = why;
    if (!there)
      fail("cannot be written: " + db::errno_text());
  }

private:
  void check(const FileDescriptor& file) const {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
      fail("is no plain file");
    if (status.st_uid != ::geteuid())
      fail("belongs to user id " + std::to_string(status.st_uid) + ", not " +
           std::to_string(::geteuid()) + ": remove it, and a new secret is made");
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
      fail("is open to other users, who may know the secret: remove it, and a new one is made");
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error("database.embedded_dir: " + path_.string() + " " + what);
  }

  std::filesystem::path path_;
  std::string name_;
  FileDescriptor folder_;
};

} // namespace

std::string secret_in(const std::filesystem::path& folder, const std::string& name,
                      const std::string& fresh) {
  const SecretFile file{folder, name};
  if (auto secret = file.read())
    return *secret;
  file.write(fresh);
  if (auto secret = file.read())
    return *secret;
  throw std::runtime_error("database.embedded_dir: " + (folder / name).string() +
                           " was taken away as soon as it was made");
}

} // namespace regroup::app
