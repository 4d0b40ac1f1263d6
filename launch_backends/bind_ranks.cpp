#include "launch_backends/bind_ranks.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

namespace fabric {
namespace {

std::optional<std::string> value_of(Binding binding, const RankPlace& place) {
  switch (binding) {
    case Binding::main_address: return place.main_address;
    case Binding::main_port: return std::to_string(place.main_port);
    case Binding::device_ids: {
      std::string list;
      for (const std::string& device : place.devices) list += (list.empty() ? "" : ",") + device;
      return list.empty() ? std::nullopt : std::optional(list);
    }
    case Binding::node_name: return place.node_name;
    case Binding::rank: return std::to_string(place.rank);
    case Binding::local_rank: return std::to_string(place.local_rank);
    case Binding::node_rank: return std::to_string(place.node_rank);
    case Binding::attempt: return std::to_string(place.attempt);
    case Binding::resume_path: return place.resume_path;
    case Binding::role_address: return place.role_address;
    case Binding::run_id: return place.run_id;
    case Binding::run_directory: return place.run_directory;
    case Binding::events_file: return place.events_file;
    case Binding::error_file: return place.error_file;
    case Binding::stop_file: return place.stop_file;
    case Binding::store_fd: return place.store_fd ? std::optional(std::to_string(*place.store_fd)) : std::nullopt;
  }
  return std::nullopt;
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [name](const std::string& p) { return matches_variable(p, name); });
}

std::string_view name_in(std::string_view variable) { return variable.substr(0, variable.find('=')); }

}  // namespace

std::optional<std::string> bind_text(const Text& text, const RankPlace& place) {
  if (const std::string* literal = std::get_if<std::string>(&text.base)) return *literal;
  std::optional<std::string> value = value_of(std::get<Binding>(text.base), place);
  if (value) *value += text.then;
  return value;
}

BoundRank bind_rank(const RankTemplate& rank, const RankPlace& place, const std::vector<std::string>& inherited,
                    const std::vector<EnvFile::Variable>& file) {
  BoundRank bound;
  for (const Text& argument : rank.argv)
    if (std::optional<std::string> text = bind_text(argument, place)) bound.argv.push_back(std::move(*text));

  std::map<std::string, std::string, std::less<>> env;
  for (const std::string& variable : inherited) {
    const std::string_view name = name_in(variable);
    // The first of two alike is the one that getenv finds. A string without '=' is no variable.
    const bool taken = !rank.inherit || matches_any(*rank.inherit, name);
    if (taken && name.size() < variable.size() && !matches_any(rank.scrub, name)) env.emplace(name, variable.substr(name.size() + 1));
  }
  for (const EnvFile::Variable& variable : file) env[variable.name] = variable.value;
  for (const auto& [name, text] : rank.env) {
    if (std::optional<std::string> value = bind_text(text, place)) env[name] = std::move(*value);
    else env.erase(name);
  }
  for (const auto& [name, value] : env) bound.env.push_back(name + '=' + value);

  bound.cwd = bind_text(rank.cwd, place).value_or("");
  return bound;
}

std::vector<EnvFile::Variable> variables_of_file(const RankTemplate& rank) {
  if (!rank.env_file) return {};
  std::ifstream in(*rank.env_file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) throw std::runtime_error("cannot read the file of variables " + *rank.env_file);
  EnvFile file = read_env_file(text);
  if (!file.mistakes.empty()) throw std::runtime_error("in the file of variables " + *rank.env_file + ": " + file.mistakes.front().what);
  return std::move(file.variables);
}

std::vector<std::string> device_names(const std::vector<std::int64_t>& device_ids, const std::vector<std::string>& inherited) {
  constexpr std::string_view variable = "CUDA_VISIBLE_DEVICES=";
  const auto set = std::find_if(inherited.begin(), inherited.end(), [&](const std::string& v) { return v.starts_with(variable); });
  std::vector<std::string> names;
  if (set == inherited.end()) {
    for (const std::int64_t id : device_ids) names.push_back(std::to_string(id));
    return names;
  }
  std::vector<std::string> shown;
  std::istringstream entries(set->substr(variable.size()));
  for (std::string entry; std::getline(entries, entry, ',');) {
    const std::size_t first = entry.find_first_not_of(" \t");
    shown.push_back(first == std::string::npos ? "" : entry.substr(first, entry.find_last_not_of(" \t") - first + 1));
  }
  for (const std::int64_t id : device_ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= shown.size())
      throw std::runtime_error("there is no GPU " + std::to_string(id) + " under " + *set);
    names.push_back(shown[static_cast<std::size_t>(id)]);
  }
  return names;
}

std::vector<std::string> scrubbed_names(const RankTemplate& rank, const std::vector<std::string>& inherited) {
  std::vector<std::string> names;
  for (const std::string& variable : inherited)
    if (const std::string_view name = name_in(variable); matches_any(rank.scrub, name)) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

bool uses(const RankTemplate& rank, Binding binding) {
  const auto is_it = [binding](const Text& text) { return !text.is_literal() && std::get<Binding>(text.base) == binding; };
  return std::any_of(rank.argv.begin(), rank.argv.end(), is_it) || is_it(rank.cwd) ||
         std::any_of(rank.env.begin(), rank.env.end(), [&](const auto& variable) { return is_it(variable.second); });
}

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** variable = environ; variable && *variable; ++variable) all.emplace_back(*variable);
  return all;
}

}  // namespace fabric
