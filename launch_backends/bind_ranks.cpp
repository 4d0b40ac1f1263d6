#include "launch_backends/bind_ranks.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "schema/joined.hpp"
#include "schema/number_list.hpp"

namespace fabric {
namespace {

std::optional<std::string> value_of(Binding binding, const RankPlace& place) {
  switch (binding) {
    case Binding::main_address: return place.main_address;
    case Binding::main_port: return std::to_string(place.main_port);
    case Binding::device_ids: {
      const std::string list = joined(place.devices, ",");
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
    case Binding::own_device:
      return place.local_rank < static_cast<std::int64_t>(place.devices.size())
                 ? std::optional(place.devices[static_cast<std::size_t>(place.local_rank)])
                 : std::nullopt;
    case Binding::network_interface: return place.network_interface;
    case Binding::store_fd: return place.store_fd ? std::optional(std::to_string(*place.store_fd)) : std::nullopt;
  }
  return std::nullopt;
}

bool matches_any(const std::vector<std::string>& patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(), [name](const std::string& p) { return matches_variable(p, name); });
}

std::string_view name_in(std::string_view variable) { return variable.substr(0, variable.find('=')); }

}  // namespace

std::vector<std::int64_t> cpus_of(const NodeGroup& group, std::int64_t local_rank, const std::vector<std::int64_t>& device_ids) {
  std::int64_t of = local_rank;
  if (group.cpus.empty()) return {};
  if (group.accelerator == Accelerator::cuda) {
    if (local_rank >= static_cast<std::int64_t>(device_ids.size()))
      throw std::runtime_error("no GPU is bound for local rank " + std::to_string(local_rank) + ", and so no CPUs are");
    of = device_ids[static_cast<std::size_t>(local_rank)];
  }
  for (const RankCpus& row : group.cpus)
    if (row.of == of) return parse_number_list(row.cpus).value_or(std::vector<std::int64_t>());
  throw std::runtime_error("the plan has no CPUs for " + std::string(group.accelerator == Accelerator::cuda ? "GPU " : "local rank ") +
                           std::to_string(of));
}

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
    if (name.size() < variable.size() && is_inherited(rank, name)) env.emplace(name, variable.substr(name.size() + 1));
  }
  bound.cwd = bind_text(rank.cwd, place).value_or("");
  // By these a shell says where it stands, and a rank stands elsewhere: a shell of the user's, or that of a batch script.
  env.erase("OLDPWD");
  env.erase("_");
  if (const auto folder = env.find("PWD"); folder != env.end() && !bound.cwd.empty()) folder->second = bound.cwd;
  for (const EnvFile::Variable& variable : file) env[variable.name] = variable.value;
  for (const auto& [name, text] : rank.env) {
    if (std::optional<std::string> value = bind_text(text, place)) env[name] = std::move(*value);
    else env.erase(name);
  }
  for (const auto& [name, text] : rank.defaults)
    if (std::optional<std::string> value = bind_text(text, place); value && !rank.env.contains(name)) env.emplace(name, std::move(*value));
  for (const auto& [name, value] : env) bound.env.push_back(name + '=' + value);
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

std::vector<std::string> with_variables(std::vector<std::string> environment, const std::vector<std::string>& variables) {
  std::erase_if(environment, [&](const std::string& own) {
    return std::any_of(variables.begin(), variables.end(), [&](const std::string& v) { return name_in(v) == name_in(own); });
  });
  environment.insert(environment.end(), variables.begin(), variables.end());
  return environment;
}

}  // namespace fabric
