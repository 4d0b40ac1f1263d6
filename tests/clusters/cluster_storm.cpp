#include "tests/clusters/cluster_storm.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <stdexcept>
#include <thread>

#include "schema/json.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr double time_to_clear = 15;  // seconds
constexpr int ranks = 4;
const std::string program = FABRIC_BINARY_DIR "/bin/fabric";
const std::string rank_program = FABRIC_BINARY_DIR "/tests/rank_program";

bool is_a_cut(Deed deed) { return deed == Deed::unplug || deed == Deed::cut_towards || deed == Deed::cut_away; }

// From where to where nothing goes, of a cut that is no unplugging.
std::pair<std::string, std::string> way_of(const Fault& fault) {
  const Victim& victim = fault.victim;
  return fault.deed == Deed::cut_towards ? std::pair(victim.other_end, victim.node) : std::pair(victim.node, victim.other_end);
}

// A round that goes on.
class StormyRun {
 public:
  StormyRun(Round& round, const Scene& scene, const Cluster& cluster, std::ostream& complaints)
      : round_(round), scene_(scene), cluster_(cluster), complaints_(complaints), before_(inhabitants_of(cluster)), folder_(new_folder()) {
    write_text(folder_ / "job.yaml", scene.job);
  }

  double pass() {
    RunningCommand apply(cluster_, {program, "apply", "job.yaml"},
                         {.folder = folder_.string(), .variables = {"NO_COLOR=1"}, .input = "", .limit = seconds(0)});
    if (round_.moment != Moment::start) await_ready(apply);
    const Inhabitant bystander = start_bystander();
    bystander_ = bystander;
    if (round_.moment == Moment::end) apply.signal(SIGINT);
    usleep(static_cast<useconds_t>(round_.after) * 1000);
    const Clock::time_point begin = Clock::now();
    for (Fault& fault : round_.faults) commit(fault, apply);
    // What ends the run, and what mends the network, in whatever order.
    const bool by_itself = scene_.ends_by_itself(round_);
    Clock::time_point last = Clock::now();
    std::vector<std::pair<int, const Fault*>> events;  // milliseconds from begin; null: the user
    if (!by_itself) events.emplace_back(round_.later, nullptr);
    for (const Fault& fault : round_.faults)
      if (fault.done && fault.out > 0) events.emplace_back(fault.out, &fault);
    std::sort(events.begin(), events.end());
    for (const auto& [at, fault] : events) {
      std::this_thread::sleep_until(begin + milliseconds(at));
      if (fault) mend(*fault);
      else act(apply);
      last = Clock::now();
    }
    const double took = count_left(last);
    check_bystanders();
    if (took <= time_to_clear) judge(apply);
    scene_.settle(cluster_);
    return took;
  }

 private:
  fs::path new_folder() const {
    static int number = 0;
    fs::path folder = cluster_.home() / ("storm-" + std::to_string(++number));
    fs::create_directories(folder);
    return folder;
  }

  fs::path run() const {
    std::error_code error;
    return fs::canonical(folder_ / "runs/storm/latest", error);
  }

  std::vector<Inhabitant> new_ones() const {
    std::vector<Inhabitant> all = newcomers(inhabitants_of(cluster_), before_);
    if (bystander_) std::erase_if(all, [this](const Inhabitant& one) { return one.same_as(*bystander_); });
    for (const Fault& fault : round_.faults)
      if (fault.victim.daemon && fault.deed == Deed::kill)
        std::erase_if(all, [&fault](const Inhabitant& one) { return one.node == fault.victim.node && fault.victim.is(one); });
    return all;
  }

  void await_ready(RunningCommand& apply) const {
    const bool ready = eventually([this] {
      for (int rank = 0; rank < ranks; ++rank)
        if (!fs::exists(run() / ("ready-" + std::to_string(rank)))) return false;
      return true;
    });
    if (!ready) throw std::runtime_error("the ranks did not become ready: " + apply.output() + apply.errors());
  }

  // The same program of the same user, in the same folder, with names and values of variables that are nearly those of the run.
  Inhabitant start_bystander() const {
    const std::string folder = run().empty() ? "/" : run().string();
    const std::string id = run().empty() ? "storm" : "storm/" + run().filename().string();
    cluster_.output("FABRIC_RUN_ID=" + id + "0 MY_FABRIC_RUN_ID=" + id + " FABRIC_RUN_DIR=" + folder + " RANK=0 setsid -f " + rank_program +
                        " sleep </dev/null >/dev/null 2>&1",
                    {.node = scene_.bystanders_node, .folder = folder, .variables = {}, .input = ""});
    std::optional<Inhabitant> found;
    eventually([&] {
      for (const Inhabitant& one : new_ones())
        if (one.node == scene_.bystanders_node && one.line == rank_program + " sleep") found = one;
      return found.has_value();
    });
    return found.value();
  }

  std::optional<Inhabitant> look_for(const Victim& victim) const {
    for (const Inhabitant& one : new_ones())
      if (one.node == victim.node && victim.is(one)) return one;
    return std::nullopt;
  }

  // In the middle of a start it may not be there yet.
  void commit(Fault& fault, RunningCommand& apply) {
    const Victim& victim = fault.victim;
    if (fault.deed == Deed::unplug) cluster_.unplug(victim.node);
    if (fault.deed == Deed::cut_towards || fault.deed == Deed::cut_away) cluster_.cut_one_way(way_of(fault).first, way_of(fault).second);
    fault.done = is_a_cut(fault.deed);
    if (fault.done) return;
    if (victim.daemon) {
      for (const Inhabitant& one : before_)
        if (one.node == victim.node && victim.is(one)) fault.hit = one;
      fault.done = true;
      return cluster_.kill_daemon(victim.node, fault.deed == Deed::kill ? "KILL" : "STOP");
    }
    eventually([&] { return (fault.hit = look_for(victim)).has_value() || !apply.wait(seconds(0)).timed_out; },
               milliseconds(round_.moment == Moment::start ? 1500 : 100));
    fault.done = fault.hit && signal_process(fault.hit->process, fault.deed == Deed::kill ? SIGKILL : SIGSTOP);
  }

  void mend(const Fault& fault) const {
    if (fault.deed == Deed::unplug) cluster_.plug(fault.victim.node);
    else if (is_a_cut(fault.deed)) mend_cut(fault);
    else if (fault.deed == Deed::kill) cluster_.start_daemon(fault.victim.node);
    else signal_process(fault.hit->process, SIGCONT);
  }

  // Unless another fault has cut the same way for longer.
  void mend_cut(const Fault& fault) const {
    const auto [from, to] = way_of(fault);
    for (const Fault& other : round_.faults)
      if (&other != &fault && other.done && other.deed != Deed::unplug && is_a_cut(other.deed) && way_of(other) == way_of(fault) &&
          (other.out > fault.out || (other.out == fault.out && &other > &fault)))
        return;
    cluster_.mend(from, to);
  }

  void act(RunningCommand& apply) {
    const std::optional<Inhabitant> command = look_for(scene_.cast.front().second.front());
    acted_ = command || scene_.end_otherwise;
    if (!acted_) return;
    if (!command || (round_.user == User::ends_otherwise && scene_.end_otherwise)) {
      if (command) wake_process(command->process);
      apply.go_on();
      return scene_.end_otherwise(cluster_);
    }
    if (round_.user == User::ends_otherwise) {
      signal_process(command->process, SIGKILL);
      apply.go_on();
      return;
    }
    wake_process(command->process);
    apply.go_on();
    signal_process(command->process, round_.user == User::terminates ? SIGTERM : SIGINT);
    if (round_.user != User::interrupts_twice) return;
    usleep(50'000);
    signal_process(command->process, SIGINT);
  }

  double count_left(Clock::time_point last) {
    std::vector<Inhabitant> left;
    const auto took = [last] { return std::chrono::duration<double>(Clock::now() - last).count(); };
    while (!(left = new_ones()).empty() && took() < time_to_clear) usleep(50'000);
    if (left.empty()) return took();
    complaints_ << "left after " << time_to_clear << " s:";
    for (const Inhabitant& one : left) {
      const bool stopped = one.process.stopped;
      complaints_ << ' ' << one.process.name << " on " << one.node << (stopped ? " (stopped)" : "") << " `" << one.line.substr(0, 120)
                  << "`,";
      signal_process(one.process, SIGKILL);
    }
    complaints_ << ' ';
    eventually([this] { return new_ones().empty(); });
    return time_to_clear + 1;
  }

  void check_bystanders() {
    std::vector<Inhabitant> now = inhabitants_of(cluster_);
    const auto is_well = [&now](const Inhabitant& one) {
      return std::any_of(now.begin(), now.end(), [&](const Inhabitant& other) { return one.same_as(other) && !other.process.stopped; });
    };
    if (!is_well(*bystander_)) complaints_ << "the bystander was not left alone; ";
    signal_process(bystander_->process, SIGKILL);
    for (const Inhabitant& one : before_) {
      const bool counts = std::find(scene_.daemons.begin(), scene_.daemons.end(), one.process.name) != scene_.daemons.end();
      const bool hit =
          std::any_of(round_.faults.begin(), round_.faults.end(), [&one](const Fault& f) { return f.hit && one.same_as(*f.hit); });
      if (counts && !hit && !is_well(one)) complaints_ << one.process.name << " on " << one.node << " was not left alone; ";
    }
  }

  // What the command and the folder of the run say.
  void judge(RunningCommand& apply) {
    const ProgramResult shown = cluster_.exec({program, "status", "storm", "--format", "json"},
                                              {.folder = folder_.string(), .variables = {}, .input = "", .limit = seconds(20)});
    if (const std::optional<Value> status = read_json(shown.output)) {
      const Value* state = status->find("state");
      const std::set<std::string> of_an_end = {"finished", "failed", "stopped", "lost", "refused"};
      if (!state || !of_an_end.contains(state->as_string())) complaints_ << "it counts as " << shown.output << "; ";
    }
    const ProgramResult result = apply.wait(seconds(1));
    if (result.timed_out) complaints_ << "the command has not ended; ";
    const bool killed =
        round_.any(scene_.cast.front().first, Deed::kill) || (acted_ && round_.user == User::ends_otherwise && !scene_.end_otherwise);
    if (killed || result.timed_out) return;
    std::set<int> codes = scene_.codes(round_);
    if (acted_ || round_.moment == Moment::end) codes.insert({130, 143});
    const std::string said = result.output + result.errors;
    if (!codes.contains(result.status.shell_code()))
      complaints_ << "it ended with " << result.status.shell_code() << ": "
                  << said.substr(said.size() - std::min<std::size_t>(said.size(), 600));
    else if (said.empty() && !result.status.by_signal) complaints_ << "it does not say why it ended; ";
  }

  Round& round_;
  const Scene& scene_;
  const Cluster& cluster_;
  std::ostream& complaints_;
  std::vector<Inhabitant> before_;
  fs::path folder_;
  std::optional<Inhabitant> bystander_;
  bool acted_ = false;
};

Round round_by(std::mt19937& random, const Scene& scene) {
  const auto pick = [&random](std::size_t n) { return static_cast<int>(random() % n); };
  Round round;
  round.moment = static_cast<Moment>(pick(3));
  const int most[] = {scene.most_after_start, 50, 1200};
  round.after = pick(static_cast<std::size_t>(most[static_cast<int>(round.moment)]));
  for (const std::size_t count = static_cast<std::size_t>(1 + pick(2)); round.faults.size() < count;) {
    const auto& [kind, victims] = scene.cast[static_cast<std::size_t>(pick(scene.cast.size()))];
    Fault fault{.victim = victims[static_cast<std::size_t>(pick(victims.size()))], .kind = kind, .deed = Deed::kill};
    fault.deed = static_cast<Deed>(fault.victim.cable ? 2 + pick(3) : pick(2));
    // For a moment, or until everybody has given up.
    const int out = pick(2) == 0 ? 100 + pick(800) : scene.longest_out - pick(1500);
    if (is_a_cut(fault.deed) || fault.victim.daemon || (fault.deed == Deed::stop && !fault.victim.is_ours)) fault.out = out;
    const bool taken =
        std::any_of(round.faults.begin(), round.faults.end(), [&](const Fault& f) { return f.victim.name == fault.victim.name; });
    if (!taken) round.faults.push_back(std::move(fault));
  }
  // What was killed first may be gone before the stop of its warden arrives, which then has nothing more to do.
  std::stable_partition(round.faults.begin(), round.faults.end(), [](const Fault& fault) { return fault.deed != Deed::kill; });
  // A daemon that starts looks for what it had started, and waits for it.
  const auto latest = [](const Fault& a, const Fault& b) { return a.out < b.out; };
  for (Fault& fault : round.faults)
    if (fault.victim.daemon) fault.out = std::max_element(round.faults.begin(), round.faults.end(), latest)->out;
  round.user = static_cast<User>(pick(4));
  round.later = 50 + pick(3000);
  return round;
}

}  // namespace

bool Round::any(const std::string& kind, Deed deed) const {
  return std::any_of(faults.begin(), faults.end(), [&](const Fault& f) { return f.done && f.kind == kind && f.deed == deed; });
}

std::ostream& operator<<(std::ostream& out, const Round& round) {
  const char* moments[] = {"in the middle of the start", "while the ranks work", "after Ctrl-C"};
  out << moments[static_cast<int>(round.moment)] << ", " << round.after << " ms later:";
  for (const Fault& fault : round.faults) {
    const char* deeds[] = {"killed", "stopped", "unplugged", "deaf to ", "unheard by "};
    out << ' ' << fault.victim.name << ' ' << deeds[static_cast<int>(fault.deed)];
    if (fault.deed == Deed::cut_towards || fault.deed == Deed::cut_away) out << fault.victim.other_end;
    if (fault.out > 0) out << " for " << fault.out << " ms";
    out << ',';
  }
  const char* users[] = {"Ctrl-C", "twice Ctrl-C", "TERM", "another end"};
  return out << " then, if it has not ended, " << users[static_cast<int>(round.user)] << " after " << round.later << " ms";
}

Round round_of(unsigned seed, const Scene& scene) {
  std::mt19937 random(seed);
  for (;;)
    if (Round round = round_by(random, scene); !scene.escapes(round)) return round;
}

double weather(Round round, const Scene& scene, const Cluster& cluster, std::ostream& complaints) {
  return StormyRun(round, scene, cluster, complaints).pass();
}

bool kills_keeper_and_agent(const Round& round) {
  const auto kills = [&round](const std::string& kind, const std::string& node) {
    return std::any_of(round.faults.begin(), round.faults.end(),
                       [&](const Fault& f) { return f.kind == kind && f.deed == Deed::kill && f.victim.node == node; });
  };
  return std::any_of(round.faults.begin(), round.faults.end(),
                     [&](const Fault& f) { return kills("keeper", f.victim.node) && kills("agent", f.victim.node); });
}

Victim rank_victim(int rank, const std::string& node) {
  const std::string number = std::to_string(rank);
  return {.name = "rank " + number, .node = node, .is = [number](const Inhabitant& one) {
            return one.process.name == "rank_program" && variable_of(one, "RANK") == number && variable_of(one, "FABRIC_EVENTS") != "";
          }};
}

}  // namespace fabric::testing
