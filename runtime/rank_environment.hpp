// What a rank is told by whoever started it: who it is, where the others are, and where the run stands on disk. The variables are
// torchrun's plus FABRIC_*; fabric's agent sets them all.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "schema/plan.hpp"

namespace fabric {

struct RankEnvironment {
  std::int64_t rank = 0;
  std::int64_t local_rank = 0;
  std::int64_t world_size = 1;
  std::string main_address;  // numeric or a name; used with more than one rank
  std::int64_t main_port = 0;
  std::optional<int> store_fd;  // rank 0: a listening socket at main_address:main_port
  std::string plan_path;
  std::string run_directory;
  std::string events_path;  // empty: nobody wants events
  std::string stop_file;    // empty: stops come by signal only
  std::int64_t attempt = 0;
  std::optional<std::string> resume_from;  // a checkpoint
};

using ReadVariable = std::function<std::optional<std::string>(const char* name)>;

// Throws Failure(usage) naming the variable that is missing or malformed.
RankEnvironment read_rank_environment(const ReadVariable& variable);

// Reads the saved form of a plan and checks that its content has the id that it states. Throws Failure(plan).
Plan load_plan(const std::string& path);

}  // namespace fabric
