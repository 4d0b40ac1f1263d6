#include "launch_backends/ssh.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <optional>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/code_snapshot.hpp"
#include "launch_backends/controller.hpp"
#include "launch_backends/controller_place.hpp"
#include "launch_backends/held_signals.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/protocol.hpp"
#include "launch_backends/run_record.hpp"
#include "launch_backends/ssh_code.hpp"
#include "launch_backends/ssh_fleet.hpp"
#include "launch_backends/ssh_logs.hpp"
#include "launch_backends/ssh_preflight.hpp"
#include "launch_backends/ssh_words.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr std::chrono::seconds order_patience{75};        // a little more than it may take to begin
constexpr std::chrono::seconds first_host_patience{180};  // it connects to all of the others meanwhile
// With hosts that are to answer once their ranks have ended; and where one of them was lost.
constexpr std::chrono::milliseconds patience_at_end{20'000}, least_patience_at_end{5'000};

// Tells what happens on, and the hosts that somebody is there.
class WakefulObserver : public RunObserver {
 public:
  WakefulObserver(RunObserver& observer, SshFleet& fleet, double every) : observer_(observer), fleet_(fleet), every_(every) {}
  void on_event(const Event& event) override { observer_.on_event(event); }
  void on_line(std::int64_t node, std::int64_t rank, std::string_view line) override { observer_.on_line(node, rank, line); }
  void on_unfinished(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws) override {
    observer_.on_unfinished(node, rank, text, redraws);
  }
  void on_tick() override {
    observer_.on_tick();
    const double now = now_seconds();
    if (now - told_ < every_) return;
    told_ = now;
    fleet_.keep_alive();
  }

 private:
  RunObserver& observer_;
  SshFleet& fleet_;
  const double every_;
  double told_ = 0;
};

std::string place_of_hosts(const Ssh& ssh) { return ssh.hostfile ? "ssh.hostfile" : "ssh.hosts"; }

std::chrono::milliseconds lease_of(const Plan& plan) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(1000 * plan.job.ssh->lease.seconds));
}

bool options_are_good(const Ssh& ssh, Diagnostics& diagnostics) {
  const std::vector<RefusedOption> refused = refused_ssh_options(ssh.options);
  for (const RefusedOption& option : refused)
    diagnostics.add(
        {.code = "FAB5302",
         .message = option.why,
         .at = Place(Path("ssh") / "options" / option.index),
         .label = "not for `options`",
         .help = "leave it out; how a host is reached is said by -p, -i, -J, -F, -l and most settings of -o, or by ~/.ssh/config"});
  return refused.empty();
}

std::vector<std::string> variables_to_send(const std::vector<std::string>& patterns) {
  std::vector<std::string> sent;
  for (std::string& variable : own_environment()) {
    const std::string_view name = std::string_view(variable).substr(0, variable.find('='));
    if (std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) { return matches_variable(pattern, name); }))
      sent.push_back(std::move(variable));
  }
  return sent;
}

// What was taken of it, by the record of that, in brackets; empty on a host that has the code alone.
std::string code_in_words(const std::string& run_directory) {
  std::ifstream in(run_directory + "/code.json");
  const std::optional<Value> written = read_json(std::string(std::istreambuf_iterator<char>(in), {}));
  if (!written) return "";
  const auto taken = from_value<CodeTaken>(*written);
  std::string text = " (" + std::to_string(taken.files) + (taken.files == 1 ? " file, " : " files, ") +
                     (taken.bytes < 1024 ? std::to_string(taken.bytes) + " bytes" : std::to_string((taken.bytes + 512) >> 10) + " KiB");
  if (taken.git_commit) text += ", commit " + taken.git_commit->substr(0, 12);
  if (const std::size_t changes = taken.git_commit ? taken.dirty.size() + taken.untracked.size() : 0; changes > 0)
    text += " with " + std::to_string(changes) + (changes == 1 ? " change" : " changes");
  return text + ')';
}

class SshBackend : public LaunchBackend {
 public:
  // installed: where others have it, on the first host of the job.
  SshBackend(std::string self, FabricThere there, std::optional<std::string> installed = std::nullopt)
      : self_(std::move(self)), there_(there), on_first_host_(installed.has_value()), installed_(std::move(installed)) {}

  BackendRules rules(const JobSpec&) const override { return {.starts_elsewhere = true}; }

  Hardware probe(const JobSpec& job, Diagnostics& diagnostics) override {
    std::vector<std::string> hosts;
    for (const SshHost& host : *job.ssh->hosts) hosts.push_back(host.host);
    if (!is_auto(job.num_nodes)) hosts.resize(std::min(hosts.size(), static_cast<std::size_t>(std::get<std::int64_t>(job.num_nodes))));
    if (!options_are_good(*job.ssh, diagnostics)) return {};
    connect_to(std::move(hosts), *job.ssh);
    return hardware_of(*fleet_, place_of_hosts(*job.ssh), told_, diagnostics);
  }

  std::vector<std::string> answer(const std::vector<Question>& questions) override {
    return fleet_ ? answers_of(*fleet_, questions) : std::vector<std::string>(questions.size());
  }

  Submission render(const Plan& plan, std::optional<std::int64_t> node_rank, Diagnostics& diagnostics) const override {
    if (node_rank)
      diagnostics.add({.code = "FAB5306",
                       .message = "the nodes of this job are reached over ssh, all of them from here",
                       .at = Place("backend"),
                       .label = "not by hand",
                       .help = "leave --node-rank out"});
    if (!options_are_good(*plan.job.ssh, diagnostics) || node_rank) return {};
    Submission submission;
    for (const NodeGroup& group : plan.groups)
      for (const std::string& host : group.hosts)
        submission.commands.push_back(
            ssh_words(*plan.job.ssh, SshRole::guest, "none", host, on_host(plan.job.ssh->fabric.value_or(self_), "agent")));
    return submission;
  }

  void inspect(const Plan& plan, const RunIntent& intent, Diagnostics& diagnostics) override {
    reach(plan, diagnostics);
    moved_ = !on_first_host_ && is_conducted_on_first_host(plan, intent.detach);
    start_ = look_before_start(*fleet_, plan, intent.runs, place_of_hosts(*plan.job.ssh), moved_, diagnostics);
    if (moved_ && !diagnostics.has_errors()) ask_first_host(plan, intent.runs, diagnostics);
  }

  std::vector<std::string> remarks() const override {
    std::string names;
    std::size_t count = 0;
    for (std::size_t i = 0; fleet_ && i < fleet_->size(); ++i)
      if (fleet_->was_copied_to(i)) names += (count++ == 0 ? "" : ", ") + fleet_->host(i);
    if (count == 0) return {};
    return {"fabric (" + std::to_string((fleet_->bytes_of_fabric() + (1 << 19)) >> 20) + " MiB) was copied into " + folder_of_copies +
            " of " + names};
  }

  std::optional<Outcome> submit(const Plan& plan, const Submission&, const RunOptions& options, RunObserver& observer) override {
    // It may be a copy of the process that looked.
    fleet_->connect();
    if (std::optional<Outcome> unreached = all_are_reached(options)) return unreached;
    RunOptions all = options;
    all.nodes = start_.nodes;
    if (!on_first_host_) all.variables = variables_to_send(plan.job.ssh->send);
    if (moved_) return hand_over(plan, all, observer);
    if (!on_first_host_) forget_controller_place(options.run_directory);
    all.lease = plan.job.ssh->lease.seconds;
    if (!start_.main_address.empty()) all.main_address = start_.main_address;
    if (plan.job.code.take == CodeTake::sync) {
      if (std::optional<Outcome> refused = bring_code_of(all, observer)) return refused;
    }
    // Other attempts, and the logs of hosts with disks of their own, need the connections afterwards.
    const bool own_disks = std::any_of(start_.nodes.begin(), start_.nodes.end(), [](const NodeOptions& node) { return node.own_disk; });
    if (plan.job.restart.max == 0 && !own_disks) fleet_->stand_by(options.attempt);
    std::vector<Carrier> agents;
    for (std::size_t i = 0; i < fleet_->size(); ++i) agents.push_back(fleet_->agent_on(i));
    WakefulObserver wakeful(observer, *fleet_, plan.job.ssh->lease.seconds / 4);
    const Outcome outcome = conduct(plan, all, agents, wakeful);
    const bool all_were_there = outcome.verdict == "finished" || outcome.verdict == "failed";
    fleet_->drop_silent(all_were_there ? patience_at_end : std::min(least_patience_at_end, lease_of(plan)));
    if (!own_disks) return outcome;
    if (all_were_there) fleet_->connect_again();
    for (const std::string& why : fetch_logs(*fleet_, plan, all.run_directory, start_.nodes)) {
      Event event{.kind = "note", .time = now_seconds(), .detail = Value::object()};
      event.detail.set("message", "the logs are those that were heard while the run went on: " + why);
      observer.on_event(event);
    }
    return outcome;
  }

 private:
  void connect_to(std::vector<std::string> hosts, Ssh how) {
    if (installed_) how.fabric = installed_;
    fleet_.emplace(std::move(hosts), std::move(how), self_, there_, on_first_host_);
    fleet_->connect();
  }

  // How the run ended, if one is not.
  std::optional<Outcome> all_are_reached(const RunOptions& options) const {
    for (std::size_t i = 0; i < fleet_->size(); ++i) {
      if (fleet_->problem(i).empty()) continue;
      const RunDirectory run = RunDirectory::open(options.run_directory);
      if (const int signal = waiting_signal()) return stop_attempt(run, options.attempt, signal);
      return refuse_attempt(run, options.attempt, fleet_->host(i) + ": " + fleet_->problem(i));
    }
    return std::nullopt;
  }

  // To those that do not see it. How the run ended, if that did not succeed.
  std::optional<Outcome> bring_code_of(const RunOptions& options, RunObserver& observer) {
    std::string names;
    for (const NodeOptions& node : options.nodes)
      if (node.own_disk) names += (names.empty() ? "" : ", ") + node.host;
    if (names.empty()) return std::nullopt;
    std::string problems;
    const SshFleet::Calls brought = bring_code(*fleet_, options.run_directory, options.nodes);
    if (brought.signal != 0) return stop_attempt(RunDirectory::open(options.run_directory), options.attempt, brought.signal);
    for (const std::string& problem : brought.problems) problems += (problems.empty() ? "" : "; ") + problem;
    if (!problems.empty())
      return refuse_attempt(RunDirectory::open(options.run_directory), options.attempt,
                            "the code could not be brought to all hosts: " + problems);
    Event event{.kind = "note", .time = now_seconds(), .detail = Value::object()};
    event.detail.set("message", "the code" + code_in_words(options.run_directory) + " was brought to " + names);
    observer.on_event(event);
    return std::nullopt;
  }

  // Whether it can do what it is to do: reach the others with keys of its own, above all.
  void ask_first_host(const Plan& plan, const std::string& runs, Diagnostics& diagnostics) {
    messages::Inquiry inquiry;
    inquiry.conduct = {.plan = plan, .runs = runs, .fabric = fleet_->fabric(), .order = {}};
    const SshFleet::Answer answer = fleet_->ask_first(inquiry, first_host_patience).front();
    Diagnostic d{.code = "FAB5309", .message = fleet_->host(0) + " cannot conduct the run"};
    if (!answer.report) d.notes.push_back({fleet_->problem(0), {}});
    else
      for (const std::string& hindrance : answer.report->conduct->hindrances) d.notes.push_back({"from there: " + hindrance, {}});
    if (d.notes.empty()) {
      machine_of_first_ = answer.report->conduct->machine;
      return;
    }
    d.at =
        plan.job.ssh->controller ? Place(Path("ssh") / "controller") : Place(Path::parse(place_of_hosts(*plan.job.ssh)).value_or(Path()));
    d.label = plan.job.ssh->controller ? "asked just now" : "`--detach` moves the controller to the first";
    d.help = "`ssh " + fleet_->host(0) +
             "` and then `ssh` to each of the others must work with a key that lies there, since an agent of this "
             "machine is gone with it; `ssh: {controller: here}` keeps the controller on this machine, which then has to stay on";
    diagnostics.add(std::move(d));
  }

  // Nothing is returned where the first host has taken it; then SIGINT and SIGTERM are blocked.
  std::optional<Outcome> hand_over(const Plan& plan, RunOptions& options, RunObserver& observer) {
    const RunDirectory run = RunDirectory::open(options.run_directory);
    for (std::size_t i = 1; i < options.nodes.size(); ++i) options.nodes[i].own_disk = false;  // it brings the code to these itself
    if (plan.job.code.take == CodeTake::sync)
      if (std::optional<Outcome> refused = bring_code_of(options, observer)) return refused;
    ControllerPlace place;
    place.host = fleet_->host(0);
    place.options = plan.job.ssh->options;
    place.fabric = fleet_->fabric_on(0);
    place.machine = machine_of_first_;
    place.shared = !options.nodes.front().own_disk;
    write_controller_place(run.path(), place);
    messages::RunOrder order;
    order.run = run.path();
    order.plan = run.plan_text();
    order.attempt = options.attempt;
    order.resume_path = options.resume_path;
    order.asked = options.asked;
    for (const std::string& variable : options.variables) order.variables.push_back(text_of_bytes(variable));
    messages::Inquiry inquiry;
    inquiry.conduct = {.plan = {}, .runs = "", .fabric = "", .order = std::move(order)};
    // One that comes now would leave a run behind of which nobody has heard: it waits for whoever follows the run.
    sigset_t held, before;
    sigemptyset(&held);
    for (const int signal : {SIGINT, SIGTERM}) sigaddset(&held, signal);
    pthread_sigmask(SIG_BLOCK, &held, &before);
    const SshFleet::Answer answer = fleet_->ask_first(inquiry, order_patience).front();
    const std::string problem = answer.report ? answer.report->conduct->problem : "";
    if (!problem.empty()) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      forget_controller_place(run.path());
      return refuse_attempt(run, options.attempt, fleet_->host(0) + " cannot conduct the run: " + problem);
    }
    // Where it does not answer it may have begun all the same.
    place.begun = answer.report.has_value();
    if (place.begun) write_controller_place(run.path(), place);
    fleet_.reset();
    return std::nullopt;
  }

  void reach(const Plan& plan, Diagnostics& diagnostics) {
    if (!fleet_) {
      std::vector<std::string> hosts;
      for (const NodeGroup& group : plan.groups) hosts.insert(hosts.end(), group.hosts.begin(), group.hosts.end());
      connect_to(std::move(hosts), *plan.job.ssh);
    }
    fleet_->connect();
    tell_who_cannot_be_asked(*fleet_, place_of_hosts(*plan.job.ssh), told_, diagnostics);
  }

  const std::string self_;
  const FabricThere there_;
  const bool on_first_host_;  // of the job, which this is then
  const std::optional<std::string> installed_;
  bool moved_ = false;  // to it; known once looked
  std::string machine_of_first_;
  std::optional<SshFleet> fleet_;
  std::vector<bool> told_;  // of which of its hosts it was said that they cannot be asked
  SshStart start_;
};

}  // namespace

std::unique_ptr<LaunchBackend> make_ssh_backend(const std::string& self, bool stage) {
  return std::make_unique<SshBackend>(self, stage ? FabricThere::copied : FabricThere::same);
}

std::unique_ptr<LaunchBackend> make_ssh_backend_of_first_host(const std::string& self, const std::string& installed) {
  return std::make_unique<SshBackend>(self, FabricThere::same, installed);
}

void take_signals_kept() {
  sigset_t kept;
  sigemptyset(&kept);
  for (const int signal : {SIGINT, SIGTERM}) sigaddset(&kept, signal);
  pthread_sigmask(SIG_UNBLOCK, &kept, nullptr);
}

bool is_conducted_on_first_host(const Plan& plan, bool detach) {
  if (!plan.job.ssh) return false;
  const std::optional<SshController>& written = plan.job.ssh->controller;
  return written ? *written == SshController::first_host : detach;
}

}  // namespace fabric
