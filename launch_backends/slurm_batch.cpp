#include "launch_backends/slurm_batch.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "launch_backends/conductor.hpp"
#include "launch_backends/controller.hpp"
#include "launch_backends/run_directory.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/slurm_agents.hpp"
#include "launch_backends/slurm_array.hpp"
#include "launch_backends/slurm_end.hpp"
#include "launch_backends/slurm_queue.hpp"

namespace fabric {
namespace {

constexpr int fabric_refused = 125;
constexpr double handover_patience = 30;  // seconds beyond the lease, for the one that carries the run out to let go

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void say(const std::string& text) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char time[32];
  std::strftime(time, sizeof time, "%FT%TZ", &utc);
  std::printf("%s fabric: %s\n", time, text.c_str());
  std::fflush(stdout);
}

// What goes into the output file of the job: what happens to the run. What its ranks print is in their own files.
class BatchLog : public RunObserver {
 public:
  void on_event(const Event& event) override {
    const Value* message = event.detail.find("message");
    const Value* why = event.detail.find("why");
    const std::string text = message && message->is_string() ? message->as_string() : why && why->is_string() ? why->as_string() : "";
    if (event.kind == "step" || event.kind == "first_step" || event.kind == "first_output" || event.kind == "heartbeat") return;
    if (event.kind == "run_finished") return;  // said at the end
    if (!text.empty()) say(event.kind + ": " + text);
  }
  void on_line(std::int64_t, std::int64_t, std::string_view) override {}  // they are not passed on
  void on_unfinished(std::int64_t, std::int64_t, std::string_view, bool) override {}
  void on_tick() override {}
};

std::optional<RunStatus> status_before(const RunDirectory& run) try { return run.status(); } catch (const std::exception&) {
  return std::nullopt;
}

// Of a run that was carried out before: it is resumed, or its job was put back into the queue.
void go_on(const RunDirectory& run, const Plan& plan, RunOptions& options) {
  if (options.attempt == 0) return;
  std::vector<SkippedCheckpoint> damaged;
  options.resume_path = run.newest_checkpoint(damaged);
  for (const SkippedCheckpoint& skipped : damaged) say("passed over " + skipped.path + ": " + skipped.why);
  if (options.resume_path) return;
  if (const std::optional<ProgramCheckpoint> found = run.program_checkpoint(plan)) options.resume_path = found->path;
}

// What the file is called that standard output goes to; empty if it is none.
std::string own_output() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/fd/1", error);
  return !error && std::filesystem::is_regular_file(path, error) ? path.string() : "";
}

// An earlier start of the same job may still carry the run out, on a node whose daemon has died or that is cut off: it is told to let go,
// unless somebody has told it to end, through the folder. He has then told this start too: false.
bool take_run(RunDirectory& run, const Conductor& own, double lease) {
  const std::optional<Conductor> other = conductor_of(run.path());
  const bool asked_to_end = other && other->job == own.job && other->aim != Conductor::Aim::conducts;
  if (!run.lock()) {
    const std::string who = other ? "process " + std::to_string(other->pid) + " on " + other->host : "another process";
    if (!other || other->job != own.job) throw std::runtime_error("the run in " + run.path() + " is carried out by " + who + " already");
    say("an earlier start of this job, " + who + ", still carries the run out, and is told to let go");
    if (!asked_to_end) name_conductor(run.path(), own);
    for (double waited = 0; !run.lock(); waited += 0.2) {
      if (waited > lease + handover_patience)
        throw std::runtime_error("the run in " + run.path() + " is carried out by " + who + ", which does not let go");
      usleep(200'000);
    }
  }
  if (!asked_to_end) name_conductor(run.path(), own);
  return !asked_to_end;
}

// Who has asked for its end since the ranks have ended, in words; empty: nobody. A job that is preempted is sent TERM by SLURM itself.
std::string asked_to_end_since(const std::string& run_path, const Conductor& own, bool is_preempted) {
  const std::optional<Conductor> now = conductor_of(run_path);
  if (now && now->name != own.name && now->aim != Conductor::Aim::conducts) return now->what;
  sigset_t pending;
  sigpending(&pending);
  for (const int signal : {SIGTERM, SIGINT})
    if (!is_preempted && sigismember(&pending, signal) == 1) return "stopped by SIG" + signal_name(signal);
  return "";
}

// The job is ended by this, and this process with it; if not, the run is.
void put_job_back(const std::string& run_path, const Conductor& own, bool is_preempted, Outcome& outcome, RunObserver& observer) {
  const auto close = [&](std::string verdict, const std::string& why) {
    outcome.verdict = std::move(verdict);
    outcome.message += (outcome.message.empty() ? "" : "; ") + why;
    RunRecord record(RunDirectory::open(run_path), observer);
    record.status = record.directory().status();
    --record.status.attempt;
    record.close(outcome);
    say(outcome.message);
  };
  if (const std::string who = asked_to_end_since(run_path, own, is_preempted); !who.empty()) {
    outcome.exit_code = 128 + SIGTERM;
    close("stopped", who + ", so that the job was not put back into the queue");
    return;
  }
  try {
    requeue_slurm_job(own.job);
    // An end of its own could be taken for that of the next start.
    poll(nullptr, 0, 10'000);
  } catch (const std::runtime_error& error) {
    close("lost", std::string("the job could not be put back into the queue: ") + error.what());
  }
}

// TERM, INT and USR1 wait until somebody takes them, and end nobody: while a run is begun, and while its teardown goes on.
void hold_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// What the environment of the batch script says of its job.
struct OwnJob {
  std::string id, index, array_job, cluster;
  std::int64_t restarts = 0;
};

OwnJob own_job() {
  OwnJob job{.id = variable("SLURM_JOB_ID"), .index = variable("SLURM_ARRAY_TASK_ID"), .array_job = variable("SLURM_ARRAY_JOB_ID")};
  if (job.id.empty())
    throw std::runtime_error("`fabric batch` is the last line of a batch script, and this is no job of SLURM: sbatch job.sbatch");
  // The number of its own that a task of an array has besides means nothing to whoever looks for it.
  if (!job.index.empty()) job.id = job.array_job + '_' + job.index;
  job.restarts = std::atoll(variable("SLURM_RESTART_COUNT").c_str());
  return job;
}

Outcome carry_out_job(const std::string& self, RunDirectory& run, const Plan& plan, const OwnJob& own, const Conductor& conductor,
                      std::int64_t attempt, const std::function<std::optional<Value>(Outcome&)>& put_back, RunObserver& log) {
  SlurmJob job = slurm_job_of(run.path()).value_or(SlurmJob{});
  // Submitted by hand, or sooner here than sbatch has returned; or the first start of an index.
  if (job.id != own.id) {
    job.id = own.id;
    job.submitted = now_seconds();
    if (!own.index.empty()) job.task = std::atoll(own.index.c_str()), job.cluster = own.cluster;
    keep_slurm_job(run.path(), job);
  }
  RunOptions options;
  options.run_directory = run.path();
  options.attempt = attempt;
  options.asked = job.submitted;
  options.overruled = [&] { return overruling_of(run.path(), conductor); };
  options.put_back = put_back;
  options.passes_lines = false;
  options.time_signal = SIGUSR1;
  options.time_left = time_for_ranks(plan, own.id);
  take_options_of_job(plan, variable("SLURM_JOB_NODELIST"), options);
  go_on(run, plan, options);
  clear_variables_of_srun();
  return conduct(plan, options, {agents_by_srun(self, plan, run.path())}, log);
}

// Where the slurmstepd that started the script is gone, nobody tells SLURM of its end, and the nodes would stay taken for a while.
void end_job_without_slurmstepd(const OwnJob& own) {
  try {
    cancel_slurm_job({.id = own.id});
  } catch (const std::runtime_error& error) {
    say(std::string("slurmstepd is gone, and the job could not be ended: ") + error.what());
  }
}

// SLURM has started the job again although its run has ended in order or somebody has ended it: nothing is written but the end that is
// missing.
int leave_as_it_is(const RunDirectory& run, std::optional<RunStatus> before, std::int64_t attempt) {
  RunStatus status = before.value_or(RunStatus{});
  if (!status.ended) {
    const std::optional<Conductor> who = conductor_of(run.path());
    status.state = "stopped";
    status.attempt = attempt;
    status.message = who ? who->what : "";
    status.exit_code = 128 + SIGTERM;
    status.ended = now_seconds();
    run.write_status(status);
  }
  say("the run is " + status.state + ": there is nothing to go on with");
  return static_cast<int>(status.exit_code.value_or(fabric_refused));
}

}  // namespace

int slurm_batch_main(const std::string& self) try {
  hold_signals();
  const pid_t slurmstepd = getppid();
  OwnJob own = own_job();
  std::string folder = std::filesystem::current_path().string();
  if (!own.index.empty()) {
    own.cluster = slurm_job_of(folder).value_or(SlurmJob{}).cluster;
    folder = take_run_of_index(folder, std::atoll(own.index.c_str()));
  }
  RunDirectory run = RunDirectory::open(folder);
  const std::optional<Plan> saved = run.plan();
  if (!saved) throw std::runtime_error(run.path() + "/plan.json is no plan of this version");
  const Plan& plan = *saved;
  if (!plan.job.slurm) throw std::runtime_error("the plan in " + run.path() + " is not one for SLURM");
  if (std::error_code error; plan.job.code.take == CodeTake::snapshot && !std::filesystem::exists(run.path() + "/code", error))
    throw std::runtime_error("there is no copy of the code in " + run.path() + "/code: `fabric plan --render slurm -o DIR` makes one");
  const Conductor conductor = new_conductor("start " + std::to_string(own.restarts + 1) + " of job " + own.id + " of SLURM", own.id);
  const bool taken = take_run(run, conductor, plan.job.slurm->lease.seconds);
  const std::optional<RunStatus> before = status_before(run);
  const std::int64_t attempt = !before ? 0 : before->state == "queued" ? before->attempt : before->attempt + 1;
  if (!taken || (before && before->state == "finished")) return leave_as_it_is(run, before, attempt);
  SlurmEnd end(run, plan, own.id, own.restarts, own_output());
  BatchLog log;
  bool torn_down = false;
  const auto tear_down = [&] {
    if (std::exchange(torn_down, true)) return;
    if (const std::string failed = run_teardown(plan, run.path(), STDOUT_FILENO); !failed.empty()) say(failed);
  };
  // Once the run is said to wait in the queue, nothing is left to do but to put its job there.
  const auto put_back = [&](Outcome& result) {
    std::optional<Value> detail = end.put_back(result);
    if (detail) tear_down();
    return detail;
  };
  Outcome outcome;
  try {
    outcome = carry_out_job(self, run, plan, own, conductor, attempt, put_back, log);
  } catch (const std::exception& error) {
    outcome = refuse_attempt(run, attempt, error.what());
  }
  tear_down();
  say(outcome.verdict + (outcome.message.empty() ? "" : ": " + outcome.message));
  if (end.is_to_requeue()) put_job_back(run.path(), conductor, end.is_preempted(), outcome, log);
  else if (getppid() != slurmstepd) end_job_without_slurmstepd(own);
  return outcome.exit_code;
} catch (const std::exception& error) {
  say(std::string("error: ") + error.what());
  return fabric_refused;
}

}  // namespace fabric
