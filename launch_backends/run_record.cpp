#include "launch_backends/run_record.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "launch_backends/process.hpp"
#include "launch_backends/rank_output.hpp"

namespace fabric {
namespace {

constexpr double step_interval = 1;  // seconds between step events of a rank in the file

Event make_event(std::string kind, Value detail) {
  Event event;
  event.kind = std::move(kind);
  event.time = now_seconds();
  event.detail = std::move(detail);
  return event;
}

}  // namespace

void RunRecord::open(Event started) {
  started.time = now_seconds();
  status.state = "starting";
  status.controller_pid = getpid();
  if (status.started == 0) status.started = started.time;  // of the first attempt, where several follow each other
  run_.write_status(status);
  run_.append_event(started);
  observer_.on_event(started);
}

void RunRecord::event(const Event& event) {
  bool write = true;
  if (event.kind == "step" && event.rank) {
    double& last = last_step_[*event.rank];
    write = event.time - last >= step_interval || event.time < last;
    if (write) last = event.time, held_steps_.erase(*event.rank);
    else held_steps_.insert_or_assign(*event.rank, event);
  }
  if (event.kind == "rank_exited" && event.rank) write_held_step(*event.rank);
  if (write) {
    try {
      run_.append_event(event);
    } catch (const std::system_error& error) {
      cannot_write(error.what());
    }
  }
  observer_.on_event(event);
}

// The last one of a rank is the one that counts, however soon it came.
void RunRecord::write_held_step(std::int64_t rank) {
  const auto held = held_steps_.find(rank);
  if (held == held_steps_.end()) return;
  try {
    run_.append_event(held->second);
  } catch (const std::system_error& error) {
    cannot_write(error.what());
  }
  held_steps_.erase(held);
}

void RunRecord::event(std::string kind, Value detail) { event(make_event(std::move(kind), std::move(detail))); }

void RunRecord::state(const std::string& state) {
  status.state = state;
  try {
    run_.write_status(status);
  } catch (const std::system_error& error) {
    cannot_write(error.what());
  }
}

void RunRecord::close(const Outcome& outcome) {
  Value detail = Value::object();
  detail.set("exit_code", outcome.exit_code);
  detail.set("verdict", outcome.verdict);
  if (!outcome.message.empty()) detail.set("message", outcome.message);
  event("run_finished", std::move(detail));
  status.ended = now_seconds();
  status.exit_code = outcome.exit_code;
  status.message = outcome.message;
  status.culprit = outcome.culprit;
  if (!outcome.log.empty()) {
    status.log = std::filesystem::path(outcome.log).lexically_relative(run_.path()).string();
    status.log_begin = outcome.log_begin;
  }
  state(outcome.verdict);
}

void RunRecord::line(std::int64_t node, std::int64_t rank, std::string_view line) {
  if (copied_nodes_.contains(node)) {
    FileDescriptor& copy = copies_[rank];
    if (!copy) {
      const std::string path = run_.rank_file(node, rank, ".log");
      std::error_code error;
      std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
      copy.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    }
    const std::string whole = std::string(line) + '\n';
    if (!copy || write(copy.get(), whole.data(), whole.size()) != static_cast<ssize_t>(whole.size()))
      cannot_write("cannot write " + run_.rank_file(node, rank, ".log"));
  }
  observer_.on_line(node, rank, line);
}

std::int64_t RunRecord::log_begin(std::int64_t node, std::int64_t rank, std::int64_t told) const {
  if (!copied_nodes_.contains(node)) return told;
  std::error_code error;
  const auto size = std::filesystem::file_size(run_.rank_file(node, rank, ".log"), error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

void RunRecord::put_back(Value detail) {
  const std::string why = detail.find("why")->as_string();
  ++status.attempt;
  detail.set("attempt", status.attempt);
  event("requeued", std::move(detail));
  status.message = why;
  status.started = now_seconds();
  state("queued");
}

void RunRecord::cannot_write(const std::string& why) {
  if (std::exchange(complained_, true)) return;
  Value detail = Value::object();
  detail.set("message", why + "; the run goes on without it");
  observer_.on_event(make_event("note", std::move(detail)));
}

static Outcome end_unbegun(const RunDirectory& run, std::int64_t attempt, const char* state, int exit_code, std::string why) {
  RunStatus status;
  status.state = state;
  status.attempt = attempt;
  status.message = std::move(why);
  status.exit_code = exit_code;
  status.started = now_seconds();
  status.ended = status.started;
  run.write_status(status);
  return outcome_of(run, status);
}

Outcome refuse_attempt(const RunDirectory& run, std::int64_t attempt, const std::string& why) {
  return end_unbegun(run, attempt, "refused", 125, why);
}

Outcome stop_attempt(const RunDirectory& run, std::int64_t attempt, int signal) {
  return end_unbegun(run, attempt, "stopped", 128 + signal, "stopped by SIG" + signal_name(signal) + " before its ranks had begun");
}

Outcome outcome_of(const RunDirectory& run, const RunStatus& status) {
  Outcome outcome;
  outcome.exit_code = static_cast<int>(status.exit_code.value_or(125));
  outcome.verdict = status.state;
  outcome.message = status.message;
  outcome.culprit = status.culprit;
  if (status.log) {
    outcome.log = run.path() + '/' + *status.log;
    outcome.log_begin = status.log_begin.value_or(0);
    outcome.last_lines = last_lines(outcome.log, Outcome::most_lines, outcome.log_begin);
  }
  return outcome;
}

}  // namespace fabric
