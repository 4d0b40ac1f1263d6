// The cluster's SLURM, through the programs that every version has: sbatch, squeue, scancel, scontrol. Their text forms are read, which are
// the same in all versions, and never --json. None of these functions waits longer than some seconds, but for the submission.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "schema/binding.hpp"

namespace fabric {

// RUN/job.json: which job carries the run out. SLURM may give a number out again, so it counts only with the folder it was submitted from.
struct SlurmJob {
  std::string id;                    // 1234, or 1234_7 of an array
  std::string cluster = "";          // of several that one SLURM knows; empty: the usual one
  double submitted = 0;              // seconds since the epoch
  std::optional<std::string> array;  // it is many, one of each of these indices, each with a run of its own (slurm_array.hpp)
  std::optional<std::int64_t> task;  // the index of an array that this is the run of
  static constexpr auto fields() {
    return listed(field("id", &SlurmJob::id), field("cluster", &SlurmJob::cluster), field("submitted", &SlurmJob::submitted),
                  field("array", &SlurmJob::array), field("task", &SlurmJob::task));
  }
};

constexpr const char* slurm_job_file = "job.json";  // below the run

// Absent if the run has none, or it cannot be read.
std::optional<SlurmJob> slurm_job_of(const std::string& run);
// Throws std::system_error.
void keep_slurm_job(const std::string& run, const SlurmJob& job);

// Submits the script, which stands in the folder of the run, from there, so that SLURM knows the folder, and completes the job by its
// number. output: where the script says that the job writes. indices: of an array those that are to start, in place of what the script
// names. Ctrl-C waits until it is known what became of it. Throws std::runtime_error with what sbatch said; then no job of the run is left.
void submit_to_slurm(const std::string& run, const std::string& script, const std::string& output, SlurmJob job,
                     const std::optional<std::string>& indices);

// Where a job stands.
struct SlurmStanding {
  enum class Phase {
    waiting,      // in the queue, or put back into it
    running,      // or ending
    gone,         // ended, or not known, or its number is another job's now
    unreachable,  // SLURM does not answer
  };
  Phase phase = Phase::gone;
  std::string state;   // SLURM's word: PENDING, RUNNING, NODE_FAIL, ...; empty if it knows no such job
  std::string reason;  // why it waits or has ended: Resources, Priority, BeginTime; or what squeue said
  std::string start;   // when it is expected to start or has started: 2026-11-29T10:00:00; empty: not known
};
SlurmStanding look_into_queue(const std::string& run, const SlurmJob& job);

// The queue, asked once for several jobs, and once more for each other cluster that has some of them. Where SLURM does not answer, they are
// unreachable.
class SlurmQueue {
 public:
  explicit SlurmQueue(const std::vector<SlurmJob>& jobs);
  // The standing of a job of which a run is; of an array that of the tasks together: running while one runs.
  SlurmStanding standing(const std::string& run, const SlurmJob& job) const;

 private:
  struct Answer {
    std::string lines;        // as squeue writes them
    std::string unreachable;  // why; empty: it has answered
  };
  std::map<std::string, Answer> answers_;  // by cluster
};

// What SLURM knows of a job that goes on or is being ended, for the job itself.
struct SlurmFacts {
  std::string state;          // RUNNING, COMPLETING, ...
  std::string reason;         // NodeDown, ...; empty: none
  std::int64_t restarts = 0;  // how often it was put back into the queue; one more than in the job's own variables: it is being so now
  bool preempted = false;     // it was told to leave its nodes to another, or will be
};
// Absent if SLURM does not answer or knows no such job.
std::optional<SlurmFacts> facts_of_slurm_job(const std::string& job_id);

// To the batch script alone, where fabric's controller stands: it stops the ranks in order. Throws std::runtime_error.
void signal_slurm_job(const SlurmJob& job, const std::string& signal);
// Takes it from the queue, or ends it at once; only_waiting: of an array those that have not begun. Throws std::runtime_error.
void cancel_slurm_job(const SlurmJob& job, bool only_waiting = false);
// Puts a job that runs back into the queue; it is ended at once. Throws std::runtime_error.
void requeue_slurm_job(const std::string& job_id);

// Seconds that are left of the time of a job; absent: no limit, or not known.
std::optional<double> slurm_time_left(const std::string& job_id);

// Of a list such as n[1-4,7] the first, on which a batch script runs. Throws std::runtime_error.
std::string first_slurm_host(const std::string& list);

}  // namespace fabric
