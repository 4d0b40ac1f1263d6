#include "launch_backends/files_of_run.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> files_of_controller = {"code.json",     "events.jsonl", "metrics.csv",
                                                                 "metrics.jsonl", "console.log",  file_of_end};
constexpr std::array<std::string_view, 4> tails_of_rank = {".log", ".times", ".events.jsonl", ".error.json"};

}  // namespace

std::vector<std::string> files_of_run(const std::string& run) {
  std::vector<std::string> logs;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(run + "/nodes", error), end; !error && entry != end; entry.increment(error)) {
    const std::string path = "nodes" + entry->path().string().substr(run.size() + 6);
    if (is_file_of_run(path)) logs.push_back(path);
  }
  std::sort(logs.begin(), logs.end());
  std::vector<std::string> files(files_of_controller.begin(), files_of_controller.end() - 1);
  files.insert(files.end(), logs.begin(), logs.end());
  files.emplace_back(file_of_end);
  return files;
}

bool grows(const std::string& path) {
  constexpr std::array<std::string_view, 4> tails = {".log", ".jsonl", ".times", ".csv"};
  return std::any_of(tails.begin(), tails.end(), [&](std::string_view tail) { return path.ends_with(tail); });
}

bool is_file_of_run(const std::string& path) {
  if (std::find(files_of_controller.begin(), files_of_controller.end(), path) != files_of_controller.end()) return true;
  const std::string_view text = path;
  const auto digits = [&text](std::size_t at) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789", at), text.size());
    return end > at ? end : std::string_view::npos;
  };
  const std::size_t node = text.starts_with("nodes/") ? digits(6) : std::string_view::npos;
  if (node == std::string_view::npos || !text.substr(node).starts_with("/rank-")) return false;
  const std::size_t rank = digits(node + 6);
  return rank != std::string_view::npos && std::find(tails_of_rank.begin(), tails_of_rank.end(), text.substr(rank)) != tails_of_rank.end();
}

}  // namespace fabric
