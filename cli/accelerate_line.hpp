// The job that a line of `accelerate launch` stands for, with the file of `accelerate config` behind it. What Accelerate tells its
// processes by variables, such as FSDP_*, becomes variables of the program, as Accelerate 1.15 sets them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/value.hpp"

namespace fabric {

struct AccelerateLine {
  Value job = Value::object();            // what the line says, in the long form; without a name
  std::vector<std::string> remarks;       // what it says that means something else here, or nothing
  std::optional<std::int64_t> node_rank;  // of several machines, the one that this command is for
};

// words: what follows `accelerate launch`. Names may be written with dashes. Without --config_file the default file of `accelerate
// config` is read where there is one, as Accelerate does. Throws UsageError with the option, or the file and line, that cannot be carried.
AccelerateLine read_accelerate_line(const std::vector<std::string>& words);

}  // namespace fabric
