#include "runtime/checkpoint.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <ATen/ops/empty.h>

#include "runtime/failure.hpp"
#include "schema/safetensors.hpp"
#include "schema/sha256.hpp"

namespace fabric {
namespace {

constexpr std::string_view stem = "step-";
constexpr std::string_view extension = ".safetensors";
constexpr std::string_view unfinished = ".writing";

struct TypeName {
  at::ScalarType type;
  std::string_view name;
};
constexpr TypeName types[] = {{at::kDouble, "F64"}, {at::kFloat, "F32"}, {at::kBFloat16, "BF16"}, {at::kHalf, "F16"},
                              {at::kLong, "I64"},   {at::kInt, "I32"},   {at::kByte, "U8"},       {at::kBool, "BOOL"}};

[[noreturn]] void refuse(const std::string& path, const std::string& what) { throw Failure(FailureClass::checkpoint, path + ": " + what); }

[[noreturn]] void write_failed(const std::string& path, int error) {
  std::string advice;
  if (error == ENOSPC || error == EDQUOT) advice = "; make room there and resume";
  if (error == EACCES || error == EROFS || error == EPERM) advice = "; the run directory must be writable";
  refuse(path, std::string("the checkpoint cannot be written: ") + std::strerror(error) + advice + "; earlier checkpoints are intact");
}

// A file that vanishes unless it is put in place.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const std::string& path) : path_(path), temporary_(path + std::string(unfinished)) {
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) write_failed(path_, errno);
  }
  ~UnfinishedFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!placed_) ::unlink(temporary_.c_str());
  }
  UnfinishedFile(const UnfinishedFile&) = delete;

  void write(const void* bytes, std::size_t size) {
    const char* at = static_cast<const char*>(bytes);
    while (size > 0) {
      const ssize_t written = ::write(fd_, at, size);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) write_failed(path_, errno);
      at += written;
      size -= static_cast<std::size_t>(written);
    }
  }

  void put_in_place() {
    if (::fsync(fd_) != 0) write_failed(path_, errno);
    // Some file systems report what they could not store only here.
    if (::close(std::exchange(fd_, -1)) != 0) write_failed(path_, errno);
    if (std::rename(temporary_.c_str(), path_.c_str()) != 0) write_failed(path_, errno);
    placed_ = true;
    const std::string folder = std::filesystem::path(path_).parent_path().string();
    const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    ::fsync(directory);  // a file system without it still has the file
    ::close(directory);
  }

 private:
  std::string path_, temporary_;
  int fd_ = -1;
  bool placed_ = false;
};

// Steps are compared as numbers would be: the name has at least eight digits, and more once eight do not suffice.
bool is_older(const std::string& a, const std::string& b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

}  // namespace

std::string checkpoint_path(const std::string& folder, std::int64_t step) {
  char name[64];
  std::snprintf(name, sizeof name, "/step-%08lld.safetensors", static_cast<long long>(step));
  return folder + name;
}

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  SafetensorsHeader header;
  header.metadata = checkpoint.metadata;
  header.metadata["format"] = "pt";
  header.metadata["sha256"] = safetensors_no_digest;
  std::vector<at::Tensor> data;
  std::uint64_t end = 0;
  for (const NamedTensor& named : checkpoint.tensors) {
    data.push_back(named.tensor.detach().to(at::kCPU).contiguous());
    const at::Tensor& tensor = data.back();
    const auto* type = std::find_if(std::begin(types), std::end(types), [&](const TypeName& t) { return t.type == tensor.scalar_type(); });
    if (type == std::end(types)) throw Failure(FailureClass::internal, named.name + ": no safetensors name for its type");
    header.tensors.push_back({named.name, std::string(type->name), tensor.sizes().vec(), end, end + tensor.nbytes()});
    end += tensor.nbytes();
  }
  Sha256 sum;
  const std::string undigested = write_safetensors_header(header);
  sum.add(undigested.data(), undigested.size());
  for (const at::Tensor& tensor : data) sum.add(tensor.const_data_ptr(), tensor.nbytes());
  header.metadata["sha256"] = sum.hex();

  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (error) write_failed(path, error.value());
  UnfinishedFile file(path);
  const std::string digested = write_safetensors_header(header);
  file.write(digested.data(), digested.size());
  for (const at::Tensor& tensor : data) file.write(tensor.const_data_ptr(), tensor.nbytes());
  file.put_in_place();
}

Checkpoint read_checkpoint(const std::string& path) {
  if (const std::string why = verify_safetensors(path); !why.empty()) refuse(path, why);
  std::string why;
  const std::optional<SafetensorsHeader> header = read_safetensors_header(path, why);
  if (!header) refuse(path, why);
  Checkpoint checkpoint;
  checkpoint.metadata = header->metadata;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (!file || std::fseek(file.get(), static_cast<long>(header->data_offset), SEEK_SET) != 0) refuse(path, std::strerror(errno));
  for (const TensorEntry& entry : header->tensors) {
    const auto* type = std::find_if(std::begin(types), std::end(types), [&](const TypeName& t) { return t.name == entry.dtype; });
    if (type == std::end(types)) refuse(path, "tensor " + entry.name + ": dtype " + entry.dtype + " is not one that training uses");
    const at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(type->type));
    if (std::fread(tensor.mutable_data_ptr(), 1, tensor.nbytes(), file.get()) != tensor.nbytes())
      refuse(path, "it became shorter while it was read");
    checkpoint.tensors.push_back({entry.name, tensor});
  }
  return checkpoint;
}

void keep_newest_checkpoints(const std::string& path, std::int64_t keep) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const std::string written = std::filesystem::path(path).filename().string();
  std::vector<std::string> names;
  std::error_code ignored;  // what cannot be deleted now is tried again after the next checkpoint
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(stem)) continue;
    if (name.ends_with(extension) && !is_older(written, name)) names.push_back(name);
    if (name.ends_with(unfinished)) std::filesystem::remove(entry.path(), ignored);
  }
  std::sort(names.begin(), names.end(), is_older);
  const std::int64_t surplus = static_cast<std::int64_t>(names.size()) - keep;
  for (std::int64_t i = 0; i < surplus; ++i) std::filesystem::remove(folder + '/' + names[static_cast<std::size_t>(i)], ignored);
}

}  // namespace fabric
