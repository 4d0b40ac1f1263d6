// Where a run stands, by whoever looks at its folder: whether a controller on this machine carries it out, or one on another that ssh
// reaches, or a job of SLURM, in the queue or on its nodes; and how it is told to stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "launch_backends/array_summary.hpp"

namespace fabric {

// Of a job of SLURM it asks squeue, some milliseconds where SLURM is well and up to five seconds where it is not; of a controller elsewhere
// that machine, and brings the folder of the run up to date.
RunStanding standing_of(const RunDirectory& run);

// Tells whoever carries it out what Ctrl-C (SIGINT) or SIGTERM tells it. hurry: that it is to be at once. A job in the queue is taken from
// it. False if nobody carries the run out any more. Throws std::runtime_error if SLURM, or the other machine, refuses or does not answer.
bool stop_run(const RunDirectory& run, int signal, bool hurry);

// The same where its controller is a process of this machine, which is told that signal.
bool stop_run_here(const RunDirectory& run, int signal, bool hurry);

// Brings the folder of a run whose controller is elsewhere up to date; of any other there is nothing to do. Of long logs it takes a part at
// a time, unless the whole is asked for. Why something of it is of some time ago or missing; empty: nothing is.
std::string bring_up_to_date(const RunDirectory& run, bool whole);

// To be called some seconds after that: where the run does not stop yet, because SLURM's signal was lost with the daemon of a node, it is
// told through its folder.
void insist_on_stop(const RunDirectory& run, bool hurry);
constexpr std::chrono::seconds time_to_insist{5};

// To be called once a run that was told to stop has ended: where its job had not come so far that somebody would write its end, this does.
// Of an array those ends are written that nobody has written.
void close_stopped_run(RunDirectory& run, int signal);

// Takes an index of an array that has not begun from the queue, and makes its run, which says so. False if it has begun meanwhile. Throws
// std::runtime_error if SLURM refuses or does not answer.
bool cancel_waiting_task(const RunDirectory& array, std::int64_t index);

// Of an array that of all its runs together.
RunSummary summary_of(const RunDirectory& run);

// The summary for a program: the status, with where the run is.
Value document_of(const RunSummary& summary);

// All runs below the folder runs, the newest last.
std::vector<RunSummary> list_runs(const std::string& runs);

}  // namespace fabric
