// From a rank template to one rank's arguments, variables and folder: the third time of knowing. docs/placeholders.md says who
// knows what, when.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/env_file.hpp"
#include "schema/plan.hpp"

namespace fabric {

// What is known once a rank is about to start; one field a placeholder.
struct RankPlace {
  std::string main_address;
  std::int64_t main_port = 0;
  std::vector<std::string> devices;  // entries of CUDA_VISIBLE_DEVICES; empty: no value
  std::string node_name;
  std::int64_t rank = 0;
  std::int64_t local_rank = 0;
  std::int64_t node_rank = 0;
  std::int64_t attempt = 0;
  std::optional<std::string> resume_path;
  std::string role_address;
  std::string run_id;
  std::string run_directory;
  std::string events_file;
  std::string error_file;
  std::string stop_file;
  std::optional<int> store_fd;
  std::optional<std::string> network_interface;
};

// The CPUs of a rank; empty if the group is tied to none. device_ids: of the node's ranks. Throws std::runtime_error if the group is and
// this rank is not among it.
std::vector<std::int64_t> cpus_of(const NodeGroup& group, std::int64_t local_rank, const std::vector<std::int64_t>& device_ids);

struct BoundRank {
  std::vector<std::string> argv;
  std::vector<std::string> env;  // NAME=value, sorted by name
  std::string cwd;
};

// The text with its placeholder filled in; nullopt if that has no value for this rank.
std::optional<std::string> bind_text(const Text& text, const RankPlace& place);

// inherited: NAME=value. Of these, those stay that the template inherits and its scrub list does not match, with PWD as the rank's own
// folder and without a shell's OLDPWD and _; then the variables of file are set, then the template's; its defaults where none of these has
// one of that name. One whose placeholder has no value is not set, and not inherited either; an argument without a value is left out.
BoundRank bind_rank(const RankTemplate& rank, const RankPlace& place, const std::vector<std::string>& inherited,
                    const std::vector<EnvFile::Variable>& file = {});

// What the template's file of variables says now. Throws std::runtime_error if it cannot be read, or no longer is one.
std::vector<EnvFile::Variable> variables_of_file(const RankTemplate& rank);

// What names the devices of these numbers to CUDA: the numbers themselves, or where an inherited CUDA_VISIBLE_DEVICES chooses among the
// GPUs of the machine, its entries at these positions, since the probe counted under it. Throws std::runtime_error for a number that it
// does not show.
std::vector<std::string> device_names(const std::vector<std::int64_t>& device_ids, const std::vector<std::string>& inherited);

// Names of the inherited variables that the scrub list removes, sorted.
std::vector<std::string> scrubbed_names(const RankTemplate& rank, const std::vector<std::string>& inherited);

// Whether any text of the template has this placeholder.
bool uses(const RankTemplate& rank, Binding binding);

// The environment of this process as NAME=value.
std::vector<std::string> own_environment();

// environment with these in the place of those of the same names.
std::vector<std::string> with_variables(std::vector<std::string> environment, const std::vector<std::string>& variables);

}  // namespace fabric
