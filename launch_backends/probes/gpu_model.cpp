#include "launch_backends/probes/gpu_model.hpp"

#include <algorithm>
#include <charconv>
#include <string>

namespace fabric {
namespace {

struct Known {
  std::string_view word;
  std::int8_t major, minor;
};

// Source: NVIDIA's list of CUDA GPU compute capabilities (developer.nvidia.com/cuda-gpus).
constexpr Known known_models[] = {
    {"k80", 3, 7},    {"m40", 5, 2},    {"m60", 5, 2},   {"p100", 6, 0},   {"p40", 6, 1},    {"p4", 6, 1},     {"v100", 7, 0},
    {"v100s", 7, 0},  {"t4", 7, 5},     {"a100", 8, 0},  {"a800", 8, 0},   {"a30", 8, 0},    {"a40", 8, 6},    {"a16", 8, 6},
    {"a10", 8, 6},    {"a10g", 8, 6},   {"a2", 8, 6},    {"a2000", 8, 6},  {"a4000", 8, 6},  {"a4500", 8, 6},  {"a5000", 8, 6},
    {"a5500", 8, 6},  {"a6000", 8, 6},  {"l4", 8, 9},    {"l40", 8, 9},    {"l40s", 8, 9},   {"h100", 9, 0},   {"h800", 9, 0},
    {"h200", 9, 0},   {"gh200", 9, 0},  {"b100", 10, 0}, {"b200", 10, 0},  {"gb200", 10, 0}, {"b300", 10, 3},  {"gb300", 10, 3},
    {"1080", 6, 1},   {"1080ti", 6, 1}, {"2080", 7, 5},  {"2080ti", 7, 5}, {"3080", 8, 6},   {"3080ti", 8, 6}, {"3090", 8, 6},
    {"3090ti", 8, 6}, {"4080", 8, 9},   {"4090", 8, 9},  {"5080", 12, 0},  {"5090", 12, 0},
};

constexpr std::string_view other_makes[] = {"amd", "instinct", "radeon", "intel", "gaudi", "gaudi2", "gaudi3", "pvc", "max1100", "max1550"};

std::optional<std::int64_t> number_before(std::string_view word, std::string_view unit) {
  if (!word.ends_with(unit)) return std::nullopt;
  word.remove_suffix(unit.size());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc() || end != word.data() + word.size() || number < 1 || number > 4096) return std::nullopt;
  return number;
}

// mi250x, mi300a
bool is_amds(std::string_view word) { return word.size() >= 4 && word.starts_with("mi") && word[2] >= '0' && word[2] <= '9'; }

void learn(std::string_view word, GpuModel& model) {
  if (std::ranges::find(other_makes, word) != std::end(other_makes) || is_amds(word)) model.of_another_make = true;
  if (const auto gigabytes = number_before(word, "gb")) model.memory_bytes = *gigabytes << 30;
  for (const std::string_view brand : {"rtx", "gtx"})
    if (word.starts_with(brand)) word.remove_prefix(brand.size());
  if (const auto row = std::ranges::find(known_models, word, &Known::word); row != std::end(known_models) && !model.compute_major) {
    model.compute_major = row->major;
    model.compute_minor = row->minor;
  }
}

}  // namespace

GpuModel gpu_model(std::string_view name) {
  GpuModel model;
  std::string word;
  for (const char c : std::string(name) + ' ') {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if ((lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9')) {
      word += lower;
      continue;
    }
    learn(word, model);
    word.clear();
  }
  return model;
}

}  // namespace fabric
