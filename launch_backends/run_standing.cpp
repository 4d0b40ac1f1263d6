#include "launch_backends/run_standing.hpp"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "launch_backends/conductor.hpp"
#include "launch_backends/moved_run.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/slurm_array.hpp"
#include "launch_backends/slurm_queue.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr double seconds_to_reach_holder = 10;

// The process that holds the run's lock has written its number into it. It goes on, should it be stopped. False if it cannot be reached,
// as in the moment in which one takes the lock.
bool signal_holder(const RunDirectory& run, int signal) {
  const auto pid = static_cast<pid_t>(run.holder().pid);
  const std::optional<ProcessEntry> entry = pid > 0 ? process_entry(pid) : std::nullopt;
  return entry && !entry->ended && kill(pid, signal) == 0 && kill(pid, SIGCONT) == 0;
}

// Whose controller is a process of another machine that sees this folder. In an allocation of SLURM it looks into the folder.
bool stop_elsewhere(const RunDirectory& run, const RunDirectory::Holder& holder, bool hurry) {
  const std::optional<Conductor> conductor = conductor_of(run.path());
  if (!conductor || conductor->pid != holder.pid)
    throw std::runtime_error("the run is conducted by process " + std::to_string(holder.pid) + " of " + holder.host() +
                             ", and only `fabric cancel` on that machine reaches it");
  Conductor own = new_conductor("", conductor->job, hurry ? Conductor::Aim::kills : Conductor::Aim::ends);
  own.what = "asked to end, through the folder of the run, by `fabric cancel` on " + own.host;
  name_conductor(run.path(), own);
  return true;
}

// Whoever carries it out beside SLURM looks into the folder, and so does a later start of the same job.
void end_through_folder(const RunDirectory& run, const SlurmJob& job, const std::string& why, bool hurry) {
  name_conductor(run.path(), new_conductor("asked to end, through the folder of the run, since " + why, job.id,
                                           hurry ? Conductor::Aim::kills : Conductor::Aim::ends));
}

// Of the runs of an array those that go on, where SLURM cannot reach them.
bool end_tasks_through_folders(const RunDirectory& run, const SlurmJob& job, const std::string& why, bool hurry) {
  bool any = false;
  for (const std::int64_t index : indices_of_array(*job.array)) {
    const std::string path = run_of_index(run.path(), index);
    std::error_code error;
    if (!fs::exists(path + "/plan.json", error)) continue;
    const RunDirectory task = RunDirectory::open(path);
    if (!task.is_alive()) continue;
    end_through_folder(task, slurm_job_of(path).value_or(job), why, hurry);
    any = true;
  }
  return any;
}

bool stop_slurm_job(const RunDirectory& run, const SlurmJob& job, int signal, bool hurry) {
  using Phase = SlurmStanding::Phase;
  const SlurmStanding found = look_into_queue(run.path(), job);
  if (found.phase == Phase::unreachable || found.phase == Phase::gone) {
    if (run.is_alive()) {
      end_through_folder(run, job, in_words(job, found), hurry);
      return true;
    }
    if (job.array && end_tasks_through_folders(run, job, in_words(job, found), hurry)) return true;
    if (found.phase == Phase::unreachable) throw std::runtime_error(found.reason);
    return false;
  }
  // One that is put back goes back, unless it is cancelled; one that ends for good takes no harm.
  if (found.state == "COMPLETING" && !job.array) {
    cancel_slurm_job(job);
    return true;
  }
  if (found.phase == Phase::running) {
    if (job.array) cancel_slurm_job(job, true);
    signal_slurm_job(job, signal_name(signal));
    if (hurry) {
      poll(nullptr, 0, 500);
      signal_slurm_job(job, signal_name(signal));
    }
    // One that is stopped takes no other signal. The others may have ended by the first.
    try {
      signal_slurm_job(job, "CONT");
    } catch (const std::runtime_error&) {}
    return true;
  }
  cancel_slurm_job(job);
  return true;
}

// Of the runs of an array those that waited in the queue: one that was lost while it ran stays so.
void close_tasks(const RunDirectory& run, const SlurmJob& job, int signal) {
  for (const std::int64_t index : indices_of_array(*job.array)) {
    const std::string path = run_of_index(run.path(), index);
    std::error_code error;
    if (!fs::exists(path + "/plan.json", error)) continue;
    RunDirectory task = RunDirectory::open(path);
    if (summary_by_files(task).status.state == "queued") close_stopped_run(task, signal);
  }
}

RunStanding standing_of_moved(const RunDirectory& run, const ControllerPlace& place) {
  const MovedStanding found = ask_about_moved(run, place);
  return {.goes_on = found.goes_on,
          .answered = found.problem.empty(),
          .detail = found.problem.empty() ? found.note : found.problem,
          .host = place.host};
}

// One whose files are on another machine: they are brought here first.
RunSummary summary_of_moved(const RunDirectory& run, const ControllerPlace& place) {
  RunStanding standing = standing_of_moved(run, place);
  RunSummary summary = summary_by_files(run);
  if (standing.goes_on && !summary.status.ended && summary.status.state == "lost") summary.status.state = "starting";
  if (standing.goes_on && standing.answered) summary.standing = std::move(standing);
  else settle(run, summary, std::move(standing));
  return summary;
}

}  // namespace

RunStanding standing_of(const RunDirectory& run) {
  const std::optional<ControllerPlace> elsewhere = controller_elsewhere(run.path());
  if (run.is_alive()) return {.goes_on = true, .host = elsewhere ? elsewhere->host : ""};
  if (elsewhere) return standing_of_moved(run, *elsewhere);
  const std::optional<SlurmJob> job = slurm_job_of(run.path());
  if (job && job->array) return array_summary_of(run)->whole.standing;
  if (!job) return {};
  RunStanding standing = standing_in(SlurmQueue({*job}), run, *job);
  // It has ended, and waits once more in the array.
  if (const std::optional<SlurmJob> again = job_by_array(run, *job); again && !standing.goes_on)
    if (RunStanding next = standing_in(SlurmQueue({*again}), run, *again); next.goes_on && next.answered) return next;
  // Where SLURM does not answer, what the run has written counts.
  if (!standing.answered) standing.goes_on = !summary_by_files(run).status.ended;
  return standing;
}

bool stop_run(const RunDirectory& run, int signal, bool hurry) {
  if (const std::optional<ControllerPlace> elsewhere = controller_elsewhere(run.path())) return stop_moved(run, *elsewhere, signal, hurry);
  if (const std::optional<SlurmJob> job = slurm_job_of(run.path())) {
    bool any = stop_slurm_job(run, *job, signal, hurry);
    if (const std::optional<SlurmJob> again = any ? std::nullopt : job_by_array(run, *job))
      return stop_slurm_job(run, *again, signal, hurry);
    if (!job->array) return any;
    // Those that were submitted again one by one, and those that have their folder alone to hear from.
    const std::optional<ArraySummary> array = array_summary_of(run);
    for (const ArrayTask& task : array->tasks) {
      if (!task.run || !task.run->standing.goes_on) continue;
      const RunDirectory own = RunDirectory::open(task.run->path);
      const std::optional<SlurmJob> own_job = slurm_job_of(own.path());
      if (own_job && !own_job->id.starts_with(job->id + '_')) any = stop_slurm_job(own, *own_job, signal, hurry) || any;
    }
    return any;
  }
  return stop_run_here(run, SIGTERM, hurry);
}

bool stop_run_here(const RunDirectory& run, int signal, bool hurry) {
  if (const RunDirectory::Holder holder = run.holder(); holder.is_elsewhere() && run.is_alive()) return stop_elsewhere(run, holder, hurry);
  const double deadline = now_seconds() + seconds_to_reach_holder;
  while (!signal_holder(run, signal)) {
    if (!run.is_alive()) return false;
    if (now_seconds() > deadline) throw std::runtime_error("the process that holds " + run.path() + "/lock cannot be told to stop");
    poll(nullptr, 0, 20);
  }
  if (hurry) {
    poll(nullptr, 0, 200);
    signal_holder(run, signal);
  }
  return true;
}

void insist_on_stop(const RunDirectory& run, bool hurry) {
  const std::optional<SlurmJob> job = slurm_job_of(run.path());
  if (!job || !run.is_alive()) return;
  const RunStatus status = summary_by_files(run).status;
  if (status.ended || status.state == "stopping") return;
  try {
    name_conductor(run.path(), new_conductor("asked to end, through the folder of the run, since SLURM's signal had not reached it",
                                             job->id, hurry ? Conductor::Aim::kills : Conductor::Aim::ends));
  } catch (const std::system_error&) {}  // in a folder of somebody else SLURM alone can tell it
}

std::string bring_up_to_date(const RunDirectory& run, bool whole) {
  for (;;) {
    const std::optional<ControllerPlace> elsewhere = controller_elsewhere(run.path());
    if (!elsewhere || elsewhere->shared) return "";
    const MovedStanding found = ask_about_moved(run, *elsewhere);
    if (!found.problem.empty() || !found.more || !whole) return found.problem.empty() ? found.note : found.problem;
  }
}

void close_stopped_run(RunDirectory& run, int signal) {
  const std::optional<SlurmJob> job = slurm_job_of(run.path());
  if (!job) return;
  if (job->array) close_tasks(run, *job, signal);
  // Whoever holds the lock writes its end.
  if (run.is_alive() || !run.lock()) return;
  RunStatus status;
  try {
    status = run.status();
  } catch (const std::exception&) {}
  if (!status.ended) {
    status.state = "stopped";
    status.message = "stopped by SIG" + signal_name(signal) + " before its ranks had begun" + (status.attempt > 0 ? " again" : "");
    status.exit_code = 128 + signal;
    // The end of an array is that of its tasks.
    if (!job->array) status.ended = now_seconds();
    run.write_status(status);
  }
  run.unlock();
}

bool cancel_waiting_task(const RunDirectory& array, std::int64_t index) {
  using Phase = SlurmStanding::Phase;
  const std::optional<SlurmJob> whole = slurm_job_of(array.path());
  if (!whole) return false;
  const std::string path = run_of_index(array.path(), index);
  const SlurmJob job{
      .id = whole->id + '_' + std::to_string(index), .cluster = whole->cluster, .submitted = whole->submitted, .task = index};
  SlurmStanding found = look_into_queue(path, job);
  if (found.phase == Phase::waiting) {
    // Told to take it only if it waits, scancel of SLURM 22.05 takes all of its array that wait.
    cancel_slurm_job(job);
    found = look_into_queue(path, job);
  }
  if (found.phase == Phase::unreachable) throw std::runtime_error(found.reason);
  std::error_code error;
  if (found.phase != Phase::gone || fs::exists(path + "/plan.json", error)) return false;
  keep_slurm_job(take_run_of_index(array.path(), index), job);
  RunDirectory run = RunDirectory::open(path);
  close_stopped_run(run, SIGTERM);
  return true;
}

RunSummary summary_of(const RunDirectory& run) {
  if (std::optional<ArraySummary> array = array_summary_of(run)) return std::move(array->whole);
  const std::optional<ControllerPlace> elsewhere = controller_elsewhere(run.path());
  if (elsewhere && !elsewhere->shared) return summary_of_moved(run, *elsewhere);
  RunSummary summary = summary_by_files(run);
  if (elsewhere) summary.standing.host = elsewhere->host;
  if (is_open(run, summary)) settle(run, summary, standing_of(run));
  return summary;
}

Value document_of(const RunSummary& summary) {
  Value document = to_value(summary.status);
  if (summary.status.log) document.set("log", summary.path + '/' + *summary.status.log);
  document.set("id", summary.id);
  document.set("path", summary.path);
  if (!summary.standing.detail.empty()) document.set("detail", summary.standing.detail);
  if (!summary.standing.host.empty()) document.set("controller_host", summary.standing.host);
  return document;
}

std::vector<RunSummary> list_runs(const std::string& runs) {
  std::vector<RunSummary> all;
  std::vector<RunDirectory> folders;
  std::error_code error;
  for (fs::directory_iterator name(runs, error), end; !error && name != end; name.increment(error)) {
    std::error_code inner;
    for (fs::directory_iterator entry(name->path(), inner), last; !inner && entry != last; entry.increment(inner)) {
      std::error_code none;
      const fs::path path = entry->path();
      if (entry->is_symlink(none) || !fs::exists(path / "plan.json", none) || !fs::exists(path / "lock", none)) continue;
      folders.push_back(RunDirectory::open(entry->path().string()));
      const std::optional<ControllerPlace> elsewhere = controller_elsewhere(folders.back().path());
      all.push_back(elsewhere && !elsewhere->shared ? summary_of_moved(folders.back(), *elsewhere) : summary_by_files(folders.back()));
    }
  }
  // One question for all of them: a scheduler that does not answer is waited for once.
  std::vector<SlurmJob> asked;
  std::vector<std::optional<SlurmJob>> jobs(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!is_open(folders[i], all[i]) || !(jobs[i] = slurm_job_of(all[i].path))) continue;
    if (!jobs[i]->array) asked.push_back(*jobs[i]);
    else
      for (SlurmJob& job : jobs_of_array(folders[i], *jobs[i])) asked.push_back(std::move(job));
  }
  const SlurmQueue queue(asked);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!is_open(folders[i], all[i])) continue;
    if (!jobs[i]) settle(folders[i], all[i], standing_of(folders[i]));
    else if (jobs[i]->array) all[i] = array_summary(queue, folders[i], *jobs[i]).whole;
    else settle(folders[i], all[i], standing_in(queue, folders[i], *jobs[i]));
  }
  std::sort(all.begin(), all.end(),
            [](const RunSummary& a, const RunSummary& b) { return std::pair(a.status.started, a.id) < std::pair(b.status.started, b.id); });
  return all;
}

}  // namespace fabric
