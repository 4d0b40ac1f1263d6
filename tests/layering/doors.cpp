#include "tests/layering/doors.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <string_view>

namespace fabric::layering {
namespace {

struct Floor {
  std::string_view folder;
  std::vector<std::string_view> below;  // itself is always allowed
};

const std::vector<Floor> plan_of_the_house = {
    {"schema/", {}},
    {"compiler/", {"schema/"}},
    {"launch_backends/", {"schema/"}},
    {"runtime/", {"schema/"}},
    {"cli/", {"schema/", "compiler/", "launch_backends/"}},
};

struct RowList {
  std::string_view folder;
  std::vector<std::string_view> rows;      // first words of file names that are alternatives; empty: all but `shared`
  std::vector<std::string_view> shared{};  // whole names that every row may include
};

const std::vector<RowList> row_lists = {
    {"compiler/front_ends/", {"yaml", "jsonnet"}}, {"launch_backends/", {"local", "slurm", "ssh", "kubernetes"}},
    {"runtime/strategies/", {}, {"strategy"}},     {"runtime/tasks/", {"image", "language", "scripted"}},
    {"cli/commands/", {}, {"commands"}},
};

struct ForeignDoor {
  std::string_view header;              // how the include begins
  std::vector<std::string_view> doors;  // how the paths that may include it begin
};

const std::vector<ForeignDoor> foreign_doors = {
    {"yaml-cpp/", {"compiler/front_ends/yaml"}},
    {"libjsonnet", {"compiler/front_ends/jsonnet"}},
    {"openssl/", {"schema/sha256."}},
    {"re2/", {"schema/pattern."}},
    {"nvml", {"launch_backends/probes/nv"}},
    {"hwloc", {"launch_backends/probes/"}},
    {"CLI/", {"cli/"}},
    {"torch/", {"runtime/"}},
    {"ATen/", {"runtime/"}},
    {"c10/", {"runtime/"}},
    {"caffe2/", {"runtime/"}},
    {"cuda", {"runtime/cuda/"}},
    {"nccl", {"runtime/cuda/"}},
    {"tbb/", {"runtime/data/"}},
    {"oneapi/", {"runtime/data/"}},
    {"libdeflate", {"runtime/data/"}},
    {"spdlog/", {"launch_backends/", "runtime/"}},
    {"boost/", {}},
    {"nlohmann/", {}},
    {"iostream", {"cli/"}},
};

struct CallDoor {
  std::regex call;
  std::string_view what;
  std::vector<std::string_view> doors;
};

const std::vector<CallDoor>& call_doors() {
  static const std::vector<CallDoor> doors = {
      {std::regex(R"((^|[^\w.>])(v?fork|exec[vl]p?e?|fexecve|posix_spawnp?|popen|system)\s*\()"),
       "starts a process",
       {"launch_backends/process.cpp"}},
      {std::regex(R"(std::(cout|cerr|clog)|(^|[^\w.>])(printf|fprintf|puts|fputs|putchar|perror)\s*\()"),
       "prints",
       {"launch_backends/", "runtime/", "cli/"}},
  };
  return doors;
}

bool begins_with_any(std::string_view text, const std::vector<std::string_view>& prefixes) {
  return std::ranges::any_of(prefixes, [&](auto prefix) { return text.starts_with(prefix); });
}

// The row that a path is a part of, if the path lies in the folder of the list and is no shared file.
std::optional<std::string_view> row_of(std::string_view path, const RowList& list) {
  if (!path.starts_with(list.folder)) return std::nullopt;
  path.remove_prefix(list.folder.size());
  if (path.find('/') != std::string_view::npos) return std::nullopt;
  const auto name = path.substr(0, path.find('.'));
  if (std::ranges::find(list.shared, name) != list.shared.end()) return std::nullopt;
  if (list.rows.empty()) return name;
  const auto word = name.substr(0, name.find('_'));
  if (std::ranges::find(list.rows, word) == list.rows.end()) return std::nullopt;
  return word;
}

// Tarjan's algorithm: a knot is a set of rooms that each can reach all others.
class Knots {
 public:
  explicit Knots(const std::map<std::string, std::set<std::string>>& graph) : graph_(graph) {
    for (const auto& [room, next] : graph_)
      if (!order_.contains(room)) visit(room);
  }
  std::vector<std::vector<std::string>> found;

 private:
  void visit(const std::string& room) {
    const int order = order_[room] = low_[room] = static_cast<int>(order_.size());
    path_.push_back(room);
    on_path_.insert(room);
    for (const auto& next : graph_.at(room)) {
      if (!order_.contains(next)) {
        visit(next);
        low_[room] = std::min(low_[room], low_[next]);
      } else if (on_path_.contains(next)) {
        low_[room] = std::min(low_[room], order_[next]);
      }
    }
    if (low_[room] != order) return;
    std::vector<std::string> knot;
    do {
      knot.push_back(path_.back());
      on_path_.erase(path_.back());
      path_.pop_back();
    } while (knot.back() != room);
    if (knot.size() > 1) found.push_back(std::move(knot));
  }

  const std::map<std::string, std::set<std::string>>& graph_;
  std::map<std::string, int> order_, low_;
  std::vector<std::string> path_;
  std::set<std::string> on_path_;
};

}  // namespace

const std::vector<std::string>& floors() {
  static const auto names = [] {
    std::vector<std::string> all;
    for (const auto& floor : plan_of_the_house) all.emplace_back(floor.folder.substr(0, floor.folder.size() - 1));
    return all;
  }();
  return names;
}

std::vector<std::string> broken_doors(const std::vector<SourceFile>& files) {
  std::set<std::string> known;
  for (const auto& file : files) known.insert(file.path);
  std::vector<std::string> broken;
  for (const auto& file : files) {
    const auto floor = std::ranges::find_if(plan_of_the_house, [&](const Floor& f) { return file.path.starts_with(f.folder); });
    if (floor == plan_of_the_house.end()) continue;
    for (const auto& include : file.includes) {
      const std::string_view target = include.target;
      const bool ours = std::ranges::any_of(plan_of_the_house, [&](const Floor& f) { return target.starts_with(f.folder); });
      if (target.starts_with("tests/"))
        broken.push_back(file.at(include.line) + ": a program does not include its tests (" + include.target + ")");
      else if (ours && !target.starts_with(floor->folder) && !begins_with_any(target, floor->below))
        broken.push_back(file.at(include.line) + ": " + std::string(floor->folder) + " may not include " + include.target);
      else if (ours && !include.quoted)
        broken.push_back(file.at(include.line) + ": our own headers stand in quotation marks (" + include.target + ")");
      // Text that the build generates has the ending .inc.
      else if (include.quoted && !target.ends_with(".inc") && !known.contains(include.target))
        broken.push_back(file.at(include.line) + ": not the path of a header from the root of the repository: " + include.target);
    }
  }
  return broken;
}

std::vector<std::string> rows_that_know_each_other(const std::vector<SourceFile>& files) {
  std::vector<std::string> broken;
  for (const auto& file : files)
    for (const auto& list : row_lists)
      for (const auto& include : file.includes) {
        const auto row = row_of(file.path, list);
        const auto other = row_of(include.target, list);
        if (row && other && *row != *other)
          broken.push_back(file.at(include.line) + ": " + std::string(*row) + " and " + std::string(*other) +
                           " are rows of one list; neither includes " + "the other (" + include.target + ")");
      }
  return broken;
}

std::vector<std::string> foreign_headers_out_of_place(const std::vector<SourceFile>& files) {
  std::vector<std::string> broken;
  for (const auto& file : files)
    for (const auto& include : file.includes) {
      if (include.quoted) continue;
      const std::string_view target = include.target;
      for (const auto& foreign : foreign_doors)
        if (target.starts_with(foreign.header) && !begins_with_any(file.path, foreign.doors)) {
          broken.push_back(file.at(include.line) + ": <" + include.target + "> has no door here");
          break;
        }
      const bool standard = target.find_first_of("./") == std::string_view::npos;
      if (file.path.starts_with("schema/") && file.path.ends_with(".hpp") && !standard)
        broken.push_back(file.at(include.line) + ": headers of schema/ include the standard library alone, not <" + include.target + ">");
    }
  return broken;
}

std::vector<std::string> calls_out_of_place(const std::vector<SourceFile>& files) {
  std::vector<std::string> broken;
  for (const auto& file : files)
    for (const auto& door : call_doors()) {
      if (begins_with_any(file.path, door.doors)) continue;
      for (int number = 1; const auto& line : file.lines) {
        if (std::regex_search(line.substr(0, line.find("//")), door.call))
          broken.push_back(file.at(number) + ": " + std::string(door.what) + ", which has no place here");
        ++number;
      }
    }
  return broken;
}

std::vector<std::string> include_cycles(const std::vector<SourceFile>& files) {
  std::map<std::string, std::set<std::string>> graph;
  for (const auto& file : files) graph[file.room()];
  for (const auto& file : files)
    for (const auto& include : file.includes) {
      const auto target = include.target.substr(0, include.target.rfind('.'));
      if (target != file.room() && graph.contains(target)) graph[file.room()].insert(target);
    }
  std::vector<std::string> cycles;
  for (auto knot : Knots(graph).found) {
    std::ranges::sort(knot);
    std::string sentence = "these include each other in a circle:";
    for (const auto& room : knot) sentence += " " + room;
    cycles.push_back(std::move(sentence));
  }
  return cycles;
}

}  // namespace fabric::layering
