#include "launch_backends/answer_about_run.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <system_error>

#include "launch_backends/controller_place.hpp"
#include "launch_backends/descriptor.hpp"
#include "launch_backends/files_of_run.hpp"
#include "launch_backends/protocol.hpp"
#include "launch_backends/run_directory.hpp"
#include "launch_backends/run_standing.hpp"

namespace fabric {
namespace {

// In a message each of them may take six.
constexpr std::size_t most_bytes_told = std::size_t{512} << 10;

class NewParts {
 public:
  explicit NewParts(const messages::RunInquiry& inquiry) : inquiry_(inquiry) {
    for (const messages::FileHad& file : inquiry.had) had_[file.path] = &file;
  }

  void tell(messages::RunReport& report) {
    // Whoever watches a run that goes on is to know where it stands before all that it prints; of an end after that alone.
    if (report.goes_on) {
      take(file_of_end, report);
      if (has_ended()) report.parts.clear();
    }
    for (const std::string& path : files_of_run(inquiry_.run)) {
      if (path == file_of_end && !report.parts.empty() && report.parts.front().path == path) return;
      take(path, report);
      if (report.more) return;
    }
  }

 private:
  bool has_ended() const {
    try {
      return RunDirectory::open(inquiry_.run).status().ended.has_value();
    } catch (const std::exception&) {
      return false;  // not written yet
    }
  }

  void take(const std::string& path, messages::RunReport& report) {
    const FileDescriptor file(open((inquiry_.run + '/' + path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file && errno != ENOENT) return cannot_read(path, report);
    struct stat status {};
    if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    messages::FilePart part{.path = path, .inode = identity(path, status), .offset = 0, .bytes = ""};
    const auto known = had_.find(path);
    const bool same = known != had_.end() && known->second->inode == part.inode && known->second->bytes <= status.st_size;
    if (same) part.offset = known->second->bytes;
    if (same && part.offset == status.st_size) return;
    std::string bytes(std::min<std::size_t>(static_cast<std::size_t>(status.st_size - part.offset), most_bytes_told - told_), '\0');
    const ssize_t n = pread(file.get(), bytes.data(), bytes.size(), part.offset);
    if (n < 0) return cannot_read(path, report);
    bytes.resize(static_cast<std::size_t>(n));
    told_ += bytes.size();
    report.more = part.offset + static_cast<std::int64_t>(bytes.size()) < status.st_size;
    part.bytes = text_of_bytes(bytes);
    report.parts.push_back(std::move(part));
  }

  // It keeps nobody from the others.
  static void cannot_read(const std::string& path, messages::RunReport& report) {
    const std::string why = path + " cannot be read: " + std::generic_category().message(errno);
    report.unreadable = report.unreadable ? *report.unreadable + "; " + why : why;
  }

  // A file that is replaced again and again soon has a number again that it had before.
  static std::int64_t identity(const std::string& path, const struct stat& status) {
    const auto number = static_cast<std::uint64_t>(status.st_ino);
    if (grows(path)) return static_cast<std::int64_t>(number);
    const std::uint64_t time =
        static_cast<std::uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(status.st_mtim.tv_nsec);
    return static_cast<std::int64_t>((number * 0x9E3779B97F4A7C15U ^ time) >> 1);
  }

  const messages::RunInquiry& inquiry_;
  std::map<std::string, const messages::FileHad*> had_;
  std::size_t told_ = 0;
};

}  // namespace

messages::RunReport answer_about_run(const messages::RunInquiry& inquiry) {
  messages::RunReport report;
  report.machine = this_machine();
  // A disk that is not that any more has nothing to say of it.
  if (access((inquiry.run + "/plan.json").c_str(), F_OK) != 0 && errno == ENOENT) return report;
  try {
    const RunDirectory run = RunDirectory::open(inquiry.run);
    report.known = true;
    // Looked at first: what it writes before it ends is then among what is read.
    report.goes_on = run.is_alive();
    if (inquiry.signal) report.stopped = report.goes_on && stop_run_here(run, static_cast<int>(*inquiry.signal), inquiry.hurry);
    if (inquiry.files) NewParts(inquiry).tell(report);
  } catch (const std::exception& error) {
    report.problem = error.what();
  }
  return report;
}

}  // namespace fabric
