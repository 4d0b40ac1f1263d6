#include "launch_backends/probes/visible_devices.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace fabric {
namespace {

// Leading white space and sign, then as many digits as there are, as strtol reads: 2gpu is 2. Nothing readable is -1.
long number_at_start(std::string_view entry) {
  entry.remove_prefix(std::min(entry.find_first_not_of(" \t"), entry.size()));
  if (entry.starts_with('+')) entry.remove_prefix(1);
  long number = -1;
  const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), number);
  return error == std::errc() ? number : -1;
}

std::string quoted(std::string_view entry) { return std::string("`").append(entry).append("`"); }

struct NamedGpus {
  std::optional<std::size_t> position;
  std::string why_not;  // empty: ends the list on purpose
};

NamedGpus by_index(std::string_view entry, const std::vector<std::string>& uuids) {
  const long number = number_at_start(entry);
  if (number >= 0 && static_cast<std::size_t>(number) < uuids.size()) return {static_cast<std::size_t>(number), {}};
  if (entry == "-1") return {};
  return {std::nullopt, quoted(entry) + " is not the index of a GPU; this machine has " + std::to_string(uuids.size())};
}

NamedGpus by_uuid(std::string_view entry, const std::vector<std::string>& uuids) {
  NamedGpus named;
  for (std::size_t i = 0; i < uuids.size(); ++i) {
    if (uuids[i].empty() || !uuids[i].starts_with(entry)) continue;
    if (named.position) return {std::nullopt, quoted(entry) + " is the beginning of more than one GPU's UUID"};
    named.position = i;
  }
  if (!named.position) named.why_not = "no GPU of this machine has the UUID " + quoted(entry);
  return named;
}

}  // namespace

VisibleGpus visible_devices(const std::optional<std::string>& variable, const std::vector<std::string>& uuids) {
  VisibleGpus visible;
  if (!variable) {
    for (std::size_t i = 0; i < uuids.size(); ++i) visible.order.push_back(i);
    return visible;
  }
  std::string_view rest = *variable;
  const bool uuid = rest.starts_with("GPU-");
  while (!rest.empty()) {
    const std::string_view entry = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    const NamedGpus named = uuid ? by_uuid(entry, uuids) : by_index(entry, uuids);
    if (!named.position) {
      visible.problem = named.why_not;
      return visible;
    }
    if (std::find(visible.order.begin(), visible.order.end(), *named.position) != visible.order.end())
      return {{}, quoted(entry) + " repeats a GPU, and CUDA then shows none"};
    visible.order.push_back(*named.position);
  }
  return visible;
}

}  // namespace fabric
