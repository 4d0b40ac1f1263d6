#include "launch_backends/run_record.hpp"

#include <unistd.h>

#include <system_error>

#include "launch_backends/process.hpp"

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
    if (write) last = event.time;
  }
  if (write) {
    try {
      run_.append_event(event);
    } catch (const std::system_error& error) {
      cannot_write(error.what());
    }
  }
  observer_.on_event(event);
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
  state(outcome.verdict);
}

void RunRecord::cannot_write(const std::string& why) {
  if (std::exchange(complained_, true)) return;
  Value detail = Value::object();
  detail.set("message", why + "; the run goes on without it");
  observer_.on_event(make_event("note", std::move(detail)));
}

}  // namespace fabric
