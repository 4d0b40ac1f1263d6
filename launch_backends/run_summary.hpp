// How a run stands, by its files and by what a queue that was asked already says of its job.
#pragma once

#include <string>
#include <vector>

#include "launch_backends/run_directory.hpp"
#include "launch_backends/slurm_queue.hpp"

namespace fabric {

struct RunStanding {
  bool goes_on = false;    // something of it is still to come
  bool in_queue = false;   // none of its ranks has started yet, or since it was put back
  bool cancelled = false;  // by its scheduler, at somebody's wish
  bool answered = true;    // else its scheduler, or the machine of its controller, did not, and what is said of it may be past
  std::string detail;      // why it waits and until when, or how its job has ended; empty: nothing to say
  std::string host = "";   // where its controller is, if that is another machine
};

// A run below a folder of runs, as a list shows it.
struct RunSummary {
  std::string path;      // absolute
  std::string id;        // NAME/<id>
  RunStatus status;      // `lost` where nobody conducts it and no end was written
  RunStanding standing;  // asked for only where no end was written
};

// By its files alone.
RunSummary summary_by_files(const RunDirectory& run);
// Whether they leave it open.
bool is_open(const RunDirectory& run, const RunSummary& summary);

// What the queue says of its job.
RunStanding standing_in(const SlurmQueue& queue, const RunDirectory& run, const SlurmJob& job);
std::string in_words(const SlurmJob& job, const SlurmStanding& found);
// What follows from that for a summary that was open.
void settle(const RunDirectory& run, RunSummary& summary, RunStanding standing);

constexpr const char* taken_from_queue = "taken from the queue before it had begun";

}  // namespace fabric
