// How the runs of an array (slurm_array.hpp) stand, each and together.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/run_summary.hpp"

namespace fabric {

// One of the runs of an array (slurm_array.hpp).
struct ArrayTask {
  std::int64_t index = 0;
  std::optional<RunSummary> run;  // absent: it has not begun
};

// Those of a run that is an array, in order, and how they stand together: `running` once one has begun, `finished` when all have, else the
// state of the first that ended otherwise, with its exit code.
struct ArraySummary {
  RunSummary whole;
  std::vector<ArrayTask> tasks;
};

// The jobs that the queue is to be asked for.
std::vector<SlurmJob> jobs_of_array(const RunDirectory& run, const SlurmJob& job);
// Of the run of an index the job by which its array starts it again, where it was carried out by another before. Absent: there is none.
std::optional<SlurmJob> job_by_array(const RunDirectory& run, const SlurmJob& job);
ArraySummary array_summary(const SlurmQueue& queue, const RunDirectory& run, const SlurmJob& job);

// Asks it. Absent if the run is no array.
std::optional<ArraySummary> array_summary_of(const RunDirectory& run);
bool is_array(const RunDirectory& run);

}  // namespace fabric
