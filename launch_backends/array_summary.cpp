#include "launch_backends/array_summary.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <limits>
#include <tuple>
#include <utility>

#include "launch_backends/slurm_array.hpp"

namespace fabric {
namespace {

std::optional<RunDirectory> task_of(const RunDirectory& run, std::int64_t index) {
  const std::string path = run_of_index(run.path(), index);
  std::error_code error;
  if (!std::filesystem::exists(path + "/plan.json", error)) return std::nullopt;
  try {
    return RunDirectory::open(path);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

// Where several did not finish: a failure explains more than a stop, that than what never began, and of the like the first.
std::tuple<bool, bool, double> order_of(const RunSummary& run) {
  const RunStatus& status = run.status;
  return {status.state == "stopped", status.started == 0, status.ended.value_or(std::numeric_limits<double>::infinity())};
}

std::string tasks_in_words(std::size_t count, std::size_t of) {
  return std::to_string(count) + " of " + std::to_string(of) + (of == 1 ? " task" : " tasks");
}

}  // namespace

std::vector<SlurmJob> jobs_of_array(const RunDirectory& run, const SlurmJob& job) {
  std::vector<SlurmJob> jobs = {job};
  for (const std::int64_t index : indices_of_array(*job.array))
    if (const std::optional<SlurmJob> task = slurm_job_of(run_of_index(run.path(), index)); task && !task->id.starts_with(job.id + '_'))
      jobs.push_back(*task);
  return jobs;
}

std::optional<SlurmJob> job_by_array(const RunDirectory& run, const SlurmJob& job) {
  if (!job.task) return std::nullopt;
  const std::string suffix = '_' + std::to_string(*job.task);
  if (!run.path().ends_with(suffix)) return std::nullopt;
  const std::optional<SlurmJob> array = slurm_job_of(run.path().substr(0, run.path().size() - suffix.size()));
  if (!array || !array->array || array->id + suffix == job.id) return std::nullopt;
  return SlurmJob{.id = array->id + suffix, .cluster = array->cluster, .task = job.task};
}

ArraySummary array_summary(const SlurmQueue& queue, const RunDirectory& run, const SlurmJob& job) {
  ArraySummary summary{summary_by_files(run), {}};
  RunStatus& status = summary.whole.status;
  RunStanding& standing = summary.whole.standing;
  const bool refused = status.ended.has_value();
  const bool was_stopped = status.state == "stopped";
  if (!refused) standing = standing_in(queue, run, job);
  const RunSummary* first_failed = nullptr;
  std::size_t waiting = 0, running = 0, finished = 0, failed = 0;
  for (const std::int64_t index : indices_of_array(*job.array)) {
    ArrayTask task{index, {}};
    if (const std::optional<RunDirectory> own = task_of(run, index)) {
      task.run = summary_by_files(*own);
      const std::optional<SlurmJob> own_job = slurm_job_of(own->path());
      if (is_open(*own, *task.run) && own_job) settle(*own, *task.run, standing_in(queue, *own, *own_job));
      // It has ended, and the array was submitted once more.
      const SlurmJob again{.id = job.id + '_' + std::to_string(index), .cluster = job.cluster, .task = index};
      if (task.run->status.ended && own_job && own_job->id != again.id)
        if (RunStanding next = standing_in(queue, *own, again); next.goes_on && next.answered) {
          task.run->standing = std::move(next);
          task.run->status.state = task.run->standing.in_queue ? "queued" : "starting";
          task.run->status.ended.reset();
        }
    }
    summary.tasks.push_back(std::move(task));
  }
  for (const ArrayTask& task : summary.tasks) {
    if (!task.run || task.run->standing.in_queue) ++waiting;
    else if (task.run->standing.goes_on) ++running;
    else if (task.run->status.state == "finished") ++finished;
    else if (++failed; !first_failed || order_of(*task.run) < order_of(*first_failed)) first_failed = &*task.run;
    if (task.run && task.run->standing.goes_on) standing.goes_on = true;
    if (task.run) status.attempt = std::max(status.attempt, task.run->status.attempt);
  }
  if (refused) return summary;
  // Where SLURM does not answer, what the runs have written counts.
  if (!standing.answered && waiting + running == 0) standing = {};

  const std::size_t all = summary.tasks.size();
  if (standing.goes_on) {
    standing.in_queue = running + finished + failed == 0;
    status.state = standing.in_queue ? "queued" : "running";
    std::string words = tasks_in_words(running, all) + " running";
    if (waiting > 0) words += ", " + std::to_string(waiting) + " waiting";
    if (finished > 0) words += ", " + std::to_string(finished) + " finished";
    if (failed > 0) words += ", " + std::to_string(failed) + " ended otherwise";
    standing.detail = standing.in_queue || !standing.answered ? standing.detail : words;
    return summary;
  }
  for (const ArrayTask& task : summary.tasks)
    if (task.run && task.run->status.ended) status.ended = std::max(status.ended.value_or(0), *task.run->status.ended);
  status.message.clear();
  std::string ended_as = std::exchange(standing.detail, "");
  const bool cancelled = standing.cancelled || was_stopped;
  if (was_stopped) ended_as = "taken from the queue";
  if (first_failed) {
    status.state = first_failed->status.state;
    status.exit_code = first_failed->status.exit_code.value_or(125);
    status.message = std::filesystem::path(first_failed->path).filename().string() + ": " + first_failed->status.message;
    if (failed > 1) status.message += "; " + tasks_in_words(failed, all) + " did not finish";
  } else if (waiting == 0) {
    status.state = "finished";
    status.exit_code = 0;
  }
  if (waiting > 0) {
    if (!first_failed) status.state = cancelled ? "stopped" : "lost", status.exit_code = cancelled ? 128 + SIGTERM : 125;
    status.message +=
        (status.message.empty() ? "" : "; ") + tasks_in_words(waiting, all) + " did not begin" + (first_failed ? "" : ": " + ended_as);
  }
  return summary;
}

bool is_array(const RunDirectory& run) {
  const std::optional<SlurmJob> job = slurm_job_of(run.path());
  return job && job->array;
}

std::optional<ArraySummary> array_summary_of(const RunDirectory& run) {
  const std::optional<SlurmJob> job = slurm_job_of(run.path());
  if (!job || !job->array) return std::nullopt;
  return array_summary(SlurmQueue(jobs_of_array(run, *job)), run, *job);
}

}  // namespace fabric
