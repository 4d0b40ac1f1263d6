#include "runtime/data/idx_dataset.hpp"

#include <fcntl.h>
#include <libdeflate.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "runtime/failure.hpp"
#include "schema/catalog.hpp"

namespace fabric {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& what) { throw Failure(FailureClass::data, path + ": " + what); }

struct Bytes {
  std::shared_ptr<std::uint8_t[]> data;
  std::size_t size = 0;

  // Not zeroed first: these are tens of megabytes.
  explicit Bytes(std::size_t n) : data(new std::uint8_t[n]), size(n) {}
};

Bytes read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) refuse(path, std::strerror(errno));
  const auto close_at_end = std::unique_ptr<const int, void (*)(const int*)>(&fd, [](const int* open) { ::close(*open); });
  struct stat about {};
  if (::fstat(fd, &about) != 0) refuse(path, std::strerror(errno));
  if (!S_ISREG(about.st_mode)) refuse(path, "not a regular file");
  Bytes bytes(static_cast<std::size_t>(about.st_size));
  for (std::size_t at = 0; at < bytes.size;) {
    const ssize_t got = ::read(fd, bytes.data.get() + at, bytes.size - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) refuse(path, std::strerror(errno));
    if (got == 0) refuse(path, "the file became shorter while it was read");
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

// libdeflate and not zlib: the 26 MB of Fashion-MNIST take a third of the time, and every rank spends it before its first step.
Bytes gunzip(const std::string& path, const Bytes& packed) {
  if (packed.size < 18 || packed.data[0] != 0x1f || packed.data[1] != 0x8b) refuse(path, "not a gzip file, though its name ends in .gz");
  // RFC 1952: the last four bytes are the unpacked size modulo 2^32. Deflate packs 1032 to 1 at the very best.
  const std::uint8_t* tail = packed.data.get() + packed.size - 4;
  const std::size_t size = tail[0] | std::size_t{tail[1]} << 8 | std::size_t{tail[2]} << 16 | std::size_t{tail[3]} << 24;
  if (size > packed.size * 1032) refuse(path, "the file is truncated or corrupt (its last bytes are not the end of a gzip file)");

  Bytes bytes(size);
  const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> unpacker(libdeflate_alloc_decompressor(),
                                                                                              libdeflate_free_decompressor);
  std::size_t consumed = 0;
  std::size_t unpacked = 0;
  const libdeflate_result result =
      libdeflate_gzip_decompress_ex(unpacker.get(), packed.data.get(), packed.size, bytes.data.get(), size, &consumed, &unpacked);
  if (result != LIBDEFLATE_SUCCESS || unpacked != size) refuse(path, "the file is truncated or corrupt (its gzip checksum does not hold)");
  if (consumed != packed.size) refuse(path, "bytes follow the end of the gzip data");
  return bytes;
}

struct IdxFile {
  std::string path;
  std::vector<std::int64_t> shape;
  std::shared_ptr<const std::uint8_t[]> data;
};

IdxFile read_idx(const std::string& folder, const std::string& name, std::size_t dimensions) {
  const std::string plain = folder + '/' + name;
  const std::string packed = plain + ".gz";
  const bool is_plain = ::access(plain.c_str(), F_OK) == 0;
  if (!is_plain && ::access(packed.c_str(), F_OK) != 0) refuse(plain, "there is no such file, nor " + name + ".gz beside it");
  const std::string& path = is_plain ? plain : packed;
  const Bytes bytes = is_plain ? read_file(path) : gunzip(path, read_file(path));

  const auto word = [&](std::size_t index) {
    const std::uint8_t* b = bytes.data.get() + 4 * index;
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | std::uint32_t{b[3]};
  };
  const std::size_t header = 4 * (1 + dimensions);
  if (bytes.size < header) refuse(path, "truncated: " + std::to_string(bytes.size) + " bytes, shorter than an IDX header");
  const std::uint32_t magic = 0x800 + static_cast<std::uint32_t>(dimensions);  // 08: unsigned bytes
  if (word(0) != magic)
    refuse(path, "not an IDX file of bytes with " + std::to_string(dimensions) + (dimensions == 1 ? " dimension" : " dimensions") +
                     ": it begins with " + std::to_string(word(0)) + " where " + std::to_string(magic) + " is due");
  IdxFile file{path, {}, nullptr};
  std::uint64_t size = 1;
  bool beyond = false;  // more than 64 bits can say
  for (std::size_t d = 0; d < dimensions; ++d) {
    file.shape.push_back(word(1 + d));
    beyond |= __builtin_mul_overflow(size, std::uint64_t{word(1 + d)}, &size);
  }
  const std::uint64_t present = bytes.size - header;
  if (beyond || size > present)
    refuse(path, "truncated: its header promises " + (beyond ? "more than 2^64" : std::to_string(size)) + " bytes of data, and " +
                     std::to_string(present) + " are there");
  if (size < present)
    refuse(path, "too long: its header promises " + std::to_string(size) + " bytes of data, and " + std::to_string(present) + " are there");
  if (size == 0) refuse(path, "it holds no sample");
  file.data = {bytes.data, bytes.data.get() + header};
  return file;
}

}  // namespace

LabelledImages read_labelled_images(const std::string& folder, Split split) {
  const std::size_t first = split == Split::train ? 0 : 2;
  IdxFile labels = read_idx(folder, std::string(idx_files[first + 1]), 1);
  IdxFile images = read_idx(folder, std::string(idx_files[first]), 3);
  if (labels.shape[0] != images.shape[0])
    refuse(labels.path,
           std::to_string(labels.shape[0]) + " labels, but " + std::to_string(images.shape[0]) + " pictures in " + images.path);
  LabelledImages set;
  set.count = images.shape[0];
  set.rows = images.shape[1];
  set.columns = images.shape[2];
  set.classes = 1 + *std::max_element(labels.data.get(), labels.data.get() + set.count);
  set.pixels = std::move(images.data);
  set.labels = std::move(labels.data);
  return set;
}

}  // namespace fabric
