#include "schema/safetensors.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>

#include "schema/binding.hpp"
#include "schema/json.hpp"
#include "schema/sha256.hpp"

namespace fabric {
namespace {

// The reference reader's own limit.
constexpr std::uint64_t longest_header = 100'000'000;
constexpr std::uint64_t prefix = 8;

std::optional<std::uint64_t> bytes_of(std::string_view dtype) {
  constexpr std::pair<std::string_view, std::uint64_t> sizes[] = {{"F64", 8}, {"I64", 8}, {"U64", 8},  {"F32", 4},     {"I32", 4},
                                                                  {"U32", 4}, {"F16", 2}, {"BF16", 2}, {"I16", 2},     {"U16", 2},
                                                                  {"I8", 1},  {"U8", 1},  {"BOOL", 1}, {"F8_E4M3", 1}, {"F8_E5M2", 1}};
  for (const auto& [name, size] : sizes)
    if (name == dtype) return size;
  return std::nullopt;
}

// Bytes of a tensor, or nullopt beyond 64 bits.
std::optional<std::uint64_t> bytes_of(const std::vector<std::int64_t>& shape, std::uint64_t element) {
  std::uint64_t size = element;
  for (const std::int64_t n : shape)
    if (__builtin_mul_overflow(size, static_cast<std::uint64_t>(n), &size)) return std::nullopt;
  return size;
}

struct OpenFile {
  std::ifstream stream;
  std::uint64_t size = 0;
};

std::optional<OpenFile> open_file(const std::string& path, std::string& why) {
  OpenFile file{std::ifstream(path, std::ios::binary | std::ios::ate), 0};
  if (!file.stream) {
    why = std::string("cannot be opened: ") + std::strerror(errno);
    return std::nullopt;
  }
  const std::streamoff end = file.stream.tellg();
  if (end < 0 || end == std::numeric_limits<std::streamoff>::max()) {
    why = "not a regular file";
    return std::nullopt;
  }
  file.size = static_cast<std::uint64_t>(end);
  file.stream.seekg(0);
  return file;
}

// The header's JSON text; the stream then stands at the first byte of the data.
std::optional<std::string> read_header_text(OpenFile& file, std::string& why) {
  unsigned char length_bytes[prefix];
  if (file.size < prefix || !file.stream.read(reinterpret_cast<char*>(length_bytes), prefix)) {
    why = "truncated: " + std::to_string(file.size) + " bytes are less than any safetensors file";
    return std::nullopt;
  }
  std::uint64_t length = 0;
  for (std::size_t i = prefix; i-- > 0;) length = length << 8 | length_bytes[i];
  if (length > longest_header) {
    why = "not a safetensors file, or corrupt: its header would be " + std::to_string(length) + " bytes long";
    return std::nullopt;
  }
  if (length > file.size - prefix) {
    why = "truncated inside its header";
    return std::nullopt;
  }
  std::string text(static_cast<std::size_t>(length), '\0');
  if (!file.stream.read(text.data(), static_cast<std::streamsize>(length))) {
    why = "cannot be read";
    return std::nullopt;
  }
  return text;
}

std::optional<std::uint64_t> whole_number(const Value& value) {
  if (!value.is_integer() || value.as_integer() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(value.as_integer());
}

std::optional<TensorEntry> read_entry(const Member& member, std::string& why) {
  const auto refuse = [&](const std::string& what) {
    why = "tensor " + member.key + ": " + what;
    return std::nullopt;
  };
  const Value* dtype = member.value.find("dtype");
  const Value* shape = member.value.find("shape");
  const Value* offsets = member.value.find("data_offsets");
  if (!dtype || !dtype->is_string() || !shape || !shape->is_array() || !offsets || !offsets->is_array() || offsets->as_array().size() != 2)
    return refuse("it needs dtype, shape and data_offsets");
  TensorEntry entry;
  entry.name = member.key;
  entry.dtype = dtype->as_string();
  for (const Value& n : shape->as_array()) {
    if (!whole_number(n)) return refuse("its shape is not made of whole numbers");
    entry.shape.push_back(n.as_integer());
  }
  const std::optional<std::uint64_t> begin = whole_number(offsets->as_array()[0]);
  const std::optional<std::uint64_t> end = whole_number(offsets->as_array()[1]);
  if (!begin || !end || *end < *begin) return refuse("its data_offsets are not a range");
  entry.begin = *begin;
  entry.end = *end;
  const std::optional<std::uint64_t> element = bytes_of(entry.dtype);
  if (!element) return refuse("unknown dtype " + entry.dtype);
  const std::optional<std::uint64_t> size = bytes_of(entry.shape, *element);
  if (size != entry.end - entry.begin)
    return refuse("its shape and dtype do not fit its " + std::to_string(entry.end - entry.begin) + " bytes");
  return entry;
}

bool read_metadata(const Value& metadata, SafetensorsHeader& header, std::string& why) {
  if (!metadata.is_object()) {
    why = "__metadata__ is not a map";
    return false;
  }
  for (const Member& member : metadata.as_object()) {
    if (!member.value.is_string()) {
      why = "__metadata__." + member.key + " is not a string";
      return false;
    }
    header.metadata[member.key] = member.value.as_string();
  }
  return true;
}

// Reads the header of an open file and leaves the stream at the data.
std::optional<SafetensorsHeader> read_header(OpenFile& file, std::string& text, std::string& why) {
  std::optional<std::string> read = read_header_text(file, why);
  if (!read) return std::nullopt;
  text = std::move(*read);
  const std::optional<Value> document = read_json(text, &why);
  if (!document) {
    why = "its header is not JSON: " + why;
    return std::nullopt;
  }
  if (!document->is_object() || text.front() != '{') {
    why = "its header is not a JSON object";
    return std::nullopt;
  }
  SafetensorsHeader header;
  header.data_offset = prefix + text.size();
  for (const Member& member : document->as_object()) {
    if (member.key == "__metadata__") {
      if (!read_metadata(member.value, header, why)) return std::nullopt;
    } else if (std::optional<TensorEntry> entry = read_entry(member, why)) {
      header.tensors.push_back(std::move(*entry));
    } else {
      return std::nullopt;
    }
  }
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorEntry& a, const TensorEntry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t at = 0;
  for (const TensorEntry& entry : header.tensors) {
    if (entry.begin != at) {
      why = "tensor " + entry.name + (entry.begin > at ? ": a hole of bytes precedes it" : ": it overlaps the one before");
      return std::nullopt;
    }
    at = entry.end;
  }
  const std::uint64_t data = file.size - header.data_offset;
  if (at != data) {
    why = (at > data ? "truncated: its header promises " : "too long: its header promises ") + std::to_string(at) + " bytes of data, and " +
          std::to_string(data) + " are there";
    return std::nullopt;
  }
  return header;
}

}  // namespace

std::string write_safetensors_header(const SafetensorsHeader& header) {
  Value document = Value::object();
  if (!header.metadata.empty()) document.set("__metadata__", to_value(header.metadata));
  for (const TensorEntry& entry : header.tensors) {
    Value described = Value::object();
    described.set("dtype", entry.dtype);
    described.set("shape", to_value(entry.shape));
    described.set("data_offsets", Value::Array{static_cast<std::int64_t>(entry.begin), static_cast<std::int64_t>(entry.end)});
    document.set(entry.name, std::move(described));
  }
  std::string text = canonical_json(document);
  text.resize((text.size() + prefix - 1) / prefix * prefix, ' ');
  std::string length(prefix, '\0');
  for (std::size_t i = 0; i < prefix; ++i) length[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  return length + text;
}

std::optional<SafetensorsHeader> read_safetensors_header(const std::string& path, std::string& why) {
  std::optional<OpenFile> file = open_file(path, why);
  std::string text;
  return file ? read_header(*file, text, why) : std::nullopt;
}

std::optional<std::string> safetensors_digest(const std::string& path, std::string& why) {
  std::optional<OpenFile> file = open_file(path, why);
  if (!file) return std::nullopt;
  std::string text;
  const std::optional<SafetensorsHeader> header = read_header(*file, text, why);
  if (!header) return std::nullopt;
  const auto stated = header->metadata.find("sha256");
  const std::size_t at = stated == header->metadata.end() ? std::string::npos : text.find('"' + stated->second + '"');
  if (at == std::string::npos || stated->second.size() != safetensors_no_digest.size()) {
    why = "its metadata has no sha256";
    return std::nullopt;
  }
  text.replace(at + 1, safetensors_no_digest.size(), safetensors_no_digest);

  Sha256 sum;
  char block[1 << 16];
  for (std::size_t i = 0; i < prefix; ++i) block[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  sum.add(block, prefix);
  sum.add(text.data(), text.size());
  std::uint64_t left = file->size - header->data_offset;
  while (left > 0) {
    const std::uint64_t size = std::min<std::uint64_t>(left, sizeof block);
    if (!file->stream.read(block, static_cast<std::streamsize>(size))) {
      why = "cannot be read to its end";
      return std::nullopt;
    }
    sum.add(block, static_cast<std::size_t>(size));
    left -= size;
  }
  return sum.hex();
}

std::string verify_safetensors(const std::string& path) {
  std::string why;
  const std::optional<SafetensorsHeader> header = read_safetensors_header(path, why);
  if (!header) return why;
  const auto stated = header->metadata.find("sha256");
  if (stated == header->metadata.end()) return "";
  const std::optional<std::string> actual = safetensors_digest(path, why);
  if (!actual) return why;
  return *actual == stated->second ? "" : "corrupt: its SHA-256 does not hold";
}

}  // namespace fabric
