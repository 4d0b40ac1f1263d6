// RUN/conductor.json: who conducts the run, or wants to. The lock of a run says that somebody does, and not that somebody else should: a
// batch script whose daemon has died goes on beside the one that its scheduler has started instead, and hears nothing from it. So whoever
// begins to conduct writes its name here, and whoever finds another's ends its ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "launch_backends/launch_backend.hpp"
#include "schema/binding.hpp"

namespace fabric {

struct Conductor {
  enum class Aim { conducts, ends, kills };  // the last two only take the run to end it: as Ctrl-C does, and as a second one
  std::string name;                          // of this one and no other
  std::string host;                          // where it is
  std::int64_t pid = 0;                      // and which process
  std::string what;                          // in words: start 2 of job 1234 of SLURM
  std::string job;                           // the scheduler's number of its job; empty: none
  Aim aim = Aim::conducts;
  static constexpr auto fields() {
    return listed(field("name", &Conductor::name), field("host", &Conductor::host), field("pid", &Conductor::pid),
                  field("what", &Conductor::what), field("job", &Conductor::job), field("aim", &Conductor::aim));
  }
};

template <>
struct Names<Conductor::Aim> {
  static constexpr std::array<std::pair<std::string_view, Conductor::Aim>, 3> table{
      {{"conducts", Conductor::Aim::conducts}, {"ends", Conductor::Aim::ends}, {"kills", Conductor::Aim::kills}}};
};

// This process, with a new name.
Conductor new_conductor(std::string what, std::string job = "", Conductor::Aim aim = Conductor::Aim::conducts);

// Absent if nobody has said so, or it cannot be read.
std::optional<Conductor> conductor_of(const std::string& run);
// Throws std::system_error.
void name_conductor(const std::string& run, const Conductor& conductor);

// Whether somebody else has taken the run from this one.
std::optional<Overruling> overruling_of(const std::string& run, const Conductor& own);

}  // namespace fabric
