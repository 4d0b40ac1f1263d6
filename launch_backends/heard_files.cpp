#include "launch_backends/heard_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/files_of_run.hpp"
#include "launch_backends/kept_record.hpp"
#include "launch_backends/protocol.hpp"
#include "launch_backends/replace_file.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

std::string record_of(const std::string& run) { return run + "/.heard.json"; }

std::vector<messages::FileHad> read_record(const std::string& run) {
  return kept_record<std::vector<messages::FileHad>>(record_of(run)).value_or(std::vector<messages::FileHad>{});
}

void write_at(const std::string& path, std::int64_t offset, const std::string& bytes) {
  const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file || pwrite(file.get(), bytes.data(), bytes.size(), offset) != static_cast<ssize_t>(bytes.size()))
    throw std::system_error(errno, std::generic_category(), "cannot write " + path);
}

}  // namespace

HeardFiles::HeardFiles(std::string run) : run_(std::move(run)) {
  for (messages::FileHad& had : read_record(run_)) {
    std::error_code error;
    const auto size = static_cast<std::int64_t>(fs::file_size(run_ + '/' + had.path, error));
    // What somebody has changed here is fetched anew. A file that grows may be longer: another has begun to take its place.
    if (!error && (size == had.bytes || (grows(had.path) && size > had.bytes))) had_[had.path] = std::move(had);
  }
}

std::vector<messages::FileHad> HeardFiles::all() const {
  std::vector<messages::FileHad> list;
  for (const auto& [path, had] : had_) list.push_back(had);
  return list;
}

void HeardFiles::take(const messages::FilePart& part) {
  if (!is_file_of_run(part.path)) return;
  const std::string path = run_ + '/' + part.path;
  const std::string bytes = bytes_of_text(part.bytes);
  fs::create_directories(fs::path(path).parent_path());
  messages::FileHad& had = had_[part.path];
  if (part.offset == 0 && !continues(part.path, bytes)) replace_file(path, bytes);
  else if (part.offset == 0 || (had.inode == part.inode && had.bytes == part.offset)) write_at(path, part.offset, bytes);
  else return;
  had = {part.path, part.inode, part.offset + static_cast<std::int64_t>(bytes.size())};
}

void HeardFiles::end_where_heard() const {
  for (const auto& [name, had] : had_) {
    const std::string path = run_ + '/' + name;
    std::error_code error;
    if (static_cast<std::int64_t>(fs::file_size(path, error)) <= had.bytes || error) continue;
    if (truncate(path.c_str(), had.bytes) != 0) throw std::system_error(errno, std::generic_category(), "cannot write " + path);
  }
}

void HeardFiles::keep() const { replace_file(record_of(run_), canonical_json(to_value(all())) + '\n'); }

void HeardFiles::forget() const {
  std::error_code none;
  fs::remove(record_of(run_), none);
}

// Whether these bytes begin as what is here does.
bool HeardFiles::continues(const std::string& name, const std::string& bytes) const {
  if (!grows(name)) return false;
  const FileDescriptor file(open((run_ + '/' + name).c_str(), O_RDONLY | O_CLOEXEC));
  std::string here(bytes.size(), '\0');
  const ssize_t n = file ? pread(file.get(), here.data(), here.size(), 0) : -1;
  return n >= 0 && bytes.compare(0, static_cast<std::size_t>(n), here, 0, static_cast<std::size_t>(n)) == 0;
}

}  // namespace fabric
