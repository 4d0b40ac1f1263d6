#include "launch_backends/program_digest.hpp"

#include <elf.h>
#include <link.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "schema/sha256.hpp"

namespace fabric {
namespace {

std::string hex_of(char byte) {
  constexpr char digits[] = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(byte);
  return {digits[value >> 4], digits[value & 15]};
}

// What the linker computed from all that it wrote, lower-case hex; empty if it was not asked to.
std::string build_id() {
  std::string id;
  const auto look_at = [](dl_phdr_info* program, std::size_t, void* found) {
    for (int i = 0; i < program->dlpi_phnum; ++i) {
      const ElfW(Phdr)& segment = program->dlpi_phdr[i];
      if (segment.p_type != PT_NOTE) continue;
      const auto* at = reinterpret_cast<const char*>(program->dlpi_addr + segment.p_vaddr);
      for (const char* end = at + segment.p_memsz; at + sizeof(ElfW(Nhdr)) <= end;) {
        const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
        const auto padded = [](std::size_t size) { return (size + 3) / 4 * 4; };
        const char* name = at + sizeof *note;
        const char* bytes = name + padded(note->n_namesz);
        if (note->n_type == NT_GNU_BUILD_ID && std::string_view(name, note->n_namesz) == std::string_view("GNU", 4))
          for (std::size_t k = 0; k < note->n_descsz; ++k) *static_cast<std::string*>(found) += hex_of(bytes[k]);
        at = bytes + padded(note->n_descsz);
      }
    }
    return 1;  // the first is the program itself, and libraries follow
  };
  dl_iterate_phdr(look_at, &id);
  return id;
}

}  // namespace

std::string digest_of_this_program() {
  const std::string linked = build_id();
  std::error_code error;
  if (!linked.empty()) return linked + '-' + std::to_string(std::filesystem::file_size("/proc/self/exe", error));
  return sha256_of_this_program();
}

std::string sha256_of_this_program() {
  std::ifstream in("/proc/self/exe", std::ios::binary);
  return sha256_hex(std::string{std::istreambuf_iterator<char>(in), {}});
}

}  // namespace fabric
