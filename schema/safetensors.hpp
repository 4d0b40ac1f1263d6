// The safetensors container (8 bytes little-endian header length, JSON header, row-major data): its header, and whether a file is
// whole. Ours carry a SHA-256 over everything in __metadata__, so that a flipped bit is found. Format:
// https://huggingface.co/docs/safetensors
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabric {

struct TensorEntry {
  std::string name;
  std::string dtype;  // F64 F32 BF16 I64 ...
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0;  // bytes, from the start of the data
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<TensorEntry> tensors;  // by begin
  std::uint64_t data_offset = 0;     // bytes from the start of the file
};

// What metadata "sha256" holds while the digest is taken.
constexpr std::string_view safetensors_no_digest = "0000000000000000000000000000000000000000000000000000000000000000";

// The header as it stands in a file: 8 bytes of length, then JSON, space-padded so that the data starts at a multiple of 8. Entries
// must cover the data without holes.
std::string write_safetensors_header(const SafetensorsHeader& header);

// Reads and checks the header of a file: lengths, shapes, no holes or overlaps. On failure nullopt and why.
std::optional<SafetensorsHeader> read_safetensors_header(const std::string& path, std::string& why);

// The SHA-256 that a file's metadata "sha256" must hold: over the whole file with that value as 64 zeros. nullopt and why if the file
// cannot be read or has no such value. Reads the whole file.
std::optional<std::string> safetensors_digest(const std::string& path, std::string& why);

// Empty if the file is whole and its digest, when it has one, holds; else why not.
std::string verify_safetensors(const std::string& path);

}  // namespace fabric
