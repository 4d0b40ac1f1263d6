#include "launch_backends/slurm_end.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "launch_backends/attempt.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/slurm_queue.hpp"

namespace fabric {
namespace {

// As slurmstepd writes them: *** JOB 12 ON n1 CANCELLED AT 2026-11-29T03:51:29 DUE TO PREEMPTION ***
constexpr std::pair<std::string_view, std::string_view> causes[] = {
    {"DUE TO PREEMPTION", "the job was preempted"},
    {"DUE TO NODE FAILURE", "a node of the job has failed"},
    {"DUE TO TIME LIMIT", "the time of the job was over"},
    {"DUE TO JOB REQUEUE", "somebody has put it back by `scontrol requeue`"},
};

template <class T>
std::optional<T> member_of(const Value& detail, const char* name) {
  const Value* value = detail.find(name);
  if (!value || value->is_null()) return std::nullopt;
  try {
    return from_value<T>(*value);
  } catch (const BindingError&) {
    return std::nullopt;
  }
}

}  // namespace

SlurmEnd::SlurmEnd(const RunDirectory& run, const Plan& plan, std::string job_id, std::int64_t restarts, std::string output)
    : run_(run), plan_(plan), job_id_(std::move(job_id)), restarts_(restarts), output_(std::move(output)) {
  std::error_code error;
  const auto size = std::filesystem::file_size(output_, error);
  if (!error) output_begin_ = static_cast<std::int64_t>(size);
}

// In words, by what slurmstepd has written; empty if it has written nothing.
std::string SlurmEnd::cause() const {
  std::ifstream in(output_, std::ios::binary);
  in.seekg(output_begin_);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("slurmstepd"))
      for (const auto& [words, meaning] : causes)
        if (line.find(words) != std::string::npos) return std::string(meaning);
  return "";
}

void SlurmEnd::look_back(Reached& before, Reached& now) const {
  run_.each_event([&](const std::string& kind, const Value& event) {
    const Value* detail = event.find("detail");
    if (!detail || !detail->is_object()) return;
    if (kind == "requeued")
      before = {{member_of<std::int64_t>(*detail, "step"), member_of<std::string>(*detail, "checkpoint").value_or(""),
                 member_of<double>(*detail, "written").value_or(0)},
                member_of<std::int64_t>(*detail, "fruitless").value_or(0)};
    else if (kind == "step" || kind == "first_step") now.step = std::max(now.step, member_of<std::int64_t>(*detail, "step"));
    else if (kind == "checkpoint") now.checkpoint = member_of<std::string>(*detail, "path").value_or(now.checkpoint);
  });
  if (!plan_.job.program) return;
  if (const std::optional<ProgramCheckpoint> found = run_.program_checkpoint(plan_))
    now.checkpoint = found->path, now.written = found->written;
}

// SLURM tells a job to end, and may say a moment later that it does.
std::optional<SlurmFacts> SlurmEnd::facts_on(const Outcome& outcome) const {
  for (const double begin = now_seconds();;) {
    std::optional<SlurmFacts> facts = facts_of_slurm_job(job_id_);
    const bool says_nothing = !facts || (facts->state == "RUNNING" && !facts->preempted && facts->restarts <= restarts_);
    if (!says_nothing || !outcome.asked_at_agents || now_seconds() - begin > 2) return facts;
    usleep(100'000);
  }
}

std::optional<Value> SlurmEnd::put_back(Outcome& outcome) {
  const bool lost = outcome.verdict == "lost", stopped = outcome.verdict == "stopped";
  // A rank that takes SLURM's TERM may be gone before anybody else has heard of it.
  const bool perhaps_ended = outcome.verdict == "failed" && (outcome.asked_at_agents || outcome.exit_code == 128 + SIGTERM);
  if (!lost && !stopped && !perhaps_ended) return std::nullopt;
  const std::optional<SlurmFacts> facts = facts_on(outcome);
  const bool requeue = plan_.job.slurm->requeue;
  if (!facts) {
    if (lost && requeue) outcome.message += "; SLURM does not answer, so the job was not put back into the queue";
    return std::nullopt;
  }
  const bool by_slurm = facts->restarts > restarts_;
  const std::string why = facts->preempted              ? "the job was preempted"
                          : facts->reason == "NodeDown" ? "a node of the job has failed"
                          : !cause().empty()            ? cause()
                          : lost                        ? outcome.message
                                                        : "SLURM has ended it";
  const std::string ended_by = cause().empty() ? "the job was cancelled" : cause();
  const bool runs = facts->state == "RUNNING";
  // A preemption shortens the time of a job, and SLURM warns of its end.
  if (outcome.exit_code == time_is_up && stopped && !by_slurm && !facts->preempted) return std::nullopt;
  if (!by_slurm && !(requeue && (facts->preempted || (lost && runs && !outcome.asked_for)))) {
    if (facts->preempted || facts->reason == "NodeDown") {
      outcome.message += ": " + why + "; with `slurm: {requeue: true}` it would go on by itself";
    } else if (!runs && lost) {
      // Its agents are ended with it, before they can tell how their ranks were.
      outcome.verdict = "stopped";
      outcome.exit_code = 128 + SIGTERM;
      outcome.message = ended_by + ", and what had not left when SLURM had waited long enough was killed";
    } else if (!runs) {
      outcome.verdict = "stopped";
      outcome.message += ": " + ended_by;
    }
    return std::nullopt;
  }

  Reached before, now;
  look_back(before, now);
  const bool further = now.is_further_than(before);
  now.step = std::max(now.step, before.step);
  now.fruitless = further ? 0 : before.fruitless + (lost && !by_slurm ? 1 : 0);
  // One that tells nothing is held to it too: nothing else ends it.
  if (!by_slurm && lost && now.fruitless >= plan_.job.restart.no_progress) {
    outcome.message += "; not put back into the queue: " + std::to_string(now.fruitless) + " starts in a row were lost without progress";
    return std::nullopt;
  }
  is_to_requeue_ = !by_slurm;
  is_preempted_ = facts->preempted;
  Value detail = Value::object();
  detail.set("why", why + "; the job is back in the queue");
  detail.set("by", by_slurm ? "SLURM" : "fabric");
  detail.set("step", now.step ? Value(*now.step) : Value());
  detail.set("checkpoint", now.checkpoint.empty() ? Value() : Value(now.checkpoint));
  detail.set("written", now.written);
  detail.set("fruitless", now.fruitless);
  return detail;
}

}  // namespace fabric
