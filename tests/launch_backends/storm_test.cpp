// Faults at random: any process of a run killed or stopped (SIGSTOP), alone and two at a time, at any moment of it, while its ranks leave
// daemons, are deaf to TERM, and fork twice as they are ended. 10 s after the last event nothing of the run is left, counted by walking
// /proc, and a process that looks like one of the run without being of it is as it was.
//
// What ends a round:
//
//     the faults                                          what ends the run
//     the controller is killed                            agent and keeper, by themselves, a stopped one too
//     the agent or the keeper is killed                   the controller, by itself; it lets the other go on should that be stopped
//     a rank is killed                                    the agent, by itself; but if that is stopped, the user as below
//     the controller is stopped, whatever else happens    the user: lets it go on and presses Ctrl-C, or kills it
//     ranks, agent or keeper are stopped, and no more     the user: Ctrl-C, twice Ctrl-C, TERM, or the death of the controller. Until
//                                                         then the run goes on, as is right
//     any of these while Ctrl-C is ending the run         that Ctrl-C
#include <boost/test/unit_test.hpp>

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <sstream>

#include "launch_backends/process.hpp"
#include "launch_backends/run_standing.hpp"
#include "launch_backends/stall.hpp"
#include "tests/launch_backends/run_under_test.hpp"
#include "tests/launch_backends/storm.hpp"

namespace fabric::test {
namespace {

constexpr double time_to_clear = 10;  // seconds

enum class Who { controller, keeper, agent, rank };

struct Fault {
  Who who;
  int rank;  // of Who::rank
  int signal;
  bool hits(Who other) const { return who == other; }
};

enum class Moment { start, middle, end };
enum class User { nothing, interrupts, interrupts_twice, terminates, kills, lets_go_on };

struct Round {
  Moment moment;
  useconds_t after;  // it, in microseconds
  std::vector<Fault> faults;
  User user = User::nothing;
  useconds_t later = 0;  // than the faults, in microseconds
};

bool any(const std::vector<Fault>& faults, Who who, int signal) {
  return std::any_of(faults.begin(), faults.end(), [&](const Fault& f) { return f.who == who && f.signal == signal; });
}

// The table above.
bool ends_by_itself(const Round& round) {
  if (any(round.faults, Who::controller, SIGSTOP)) return false;
  if (round.moment == Moment::end || any(round.faults, Who::controller, SIGKILL)) return true;
  if (any(round.faults, Who::agent, SIGKILL) || any(round.faults, Who::keeper, SIGKILL)) return true;
  return any(round.faults, Who::rank, SIGKILL) && !any(round.faults, Who::agent, SIGSTOP);
}

Round round_of(unsigned seed) {
  std::mt19937 random(seed);
  const auto pick = [&random](unsigned n) { return static_cast<int>(random() % n); };
  Round round;
  round.moment = static_cast<Moment>(pick(3));
  const int most[] = {8'000, 50'000, 1'200'000};
  round.after = static_cast<useconds_t>(pick(static_cast<unsigned>(most[static_cast<int>(round.moment)])));
  std::set<std::pair<Who, int>> taken;
  for (const std::size_t count = static_cast<std::size_t>(1 + pick(2)); round.faults.size() < count;) {
    const Who who = static_cast<Who>(pick(4));
    const int rank = who == Who::rank ? pick(static_cast<unsigned>(misbehaviour().size())) : 0;
    if (taken.emplace(who, rank).second) round.faults.push_back({who, rank, pick(2) == 0 ? SIGKILL : SIGSTOP});
  }
  // What was killed first may be gone before the stop of its warden arrives, which then has nothing more to do.
  std::stable_partition(round.faults.begin(), round.faults.end(), [](const Fault& fault) { return fault.signal == SIGSTOP; });
  if (ends_by_itself(round)) return round;
  round.later = static_cast<useconds_t>(50'000 + pick(200'000));
  if (any(round.faults, Who::controller, SIGSTOP)) {
    round.user = pick(2) == 0 ? User::kills : User::lets_go_on;
  } else {
    const User users[] = {User::interrupts, User::interrupts_twice, User::terminates, User::kills};
    round.user = users[pick(4)];
  }
  return round;
}

std::ostream& operator<<(std::ostream& out, const Round& round) {
  const char* moments[] = {"in the middle of the start", "while the ranks work", "after Ctrl-C"};
  out << moments[static_cast<int>(round.moment)] << ", " << round.after / 1000 << " ms later:";
  for (const Fault& fault : round.faults) {
    const char* names[] = {"the controller", "the keeper", "the agent", "rank "};
    out << ' ' << names[static_cast<int>(fault.who)];
    if (fault.hits(Who::rank)) out << fault.rank;
    out << (fault.signal == SIGKILL ? " killed," : " stopped,");
  }
  const char* users[] = {"and no more",
                         "then Ctrl-C",
                         "then twice Ctrl-C",
                         "then TERM",
                         "then KILL for the controller",
                         "then CONT for the controller, and Ctrl-C"};
  return out << ' ' << users[static_cast<int>(round.user)];
}

// As like a process of the run as may be: the same program of the same user, in the folder of the run, with names of variables and values
// that are nearly those of the run.
pid_t start_bystander(const RunUnderTest& run) {
  const std::string id = RunDirectory::open(run.directory()).id();
  ProcessStart start;
  start.argv = {run.plan.groups.front().rank.argv.front().str(), "sleep"};
  start.env = {"FABRIC_RUN_ID=" + id + "0", "MY_FABRIC_RUN_ID=" + id, "FABRIC_RUN_DIR=" + run.directory(), "RANK=0"};
  start.cwd = run.directory();
  return start_process(start);
}

pid_t pid_of(const RunUnderTest& run, const Fault& fault) {
  switch (fault.who) {
    case Who::controller: return run.controller();
    case Who::keeper: return run.keeper();
    case Who::agent: return run.agent();
    case Who::rank: break;
  }
  return run.rank(fault.rank);
}

// Of the run: those with its mark, and those that have cleared their variables and left their numbers in files.
std::vector<std::string> left_of(const RunUnderTest& run) {
  std::vector<std::string> left;
  const auto name = [&left](const ProcessEntry& process) {
    left.push_back(process.name + ' ' + std::to_string(process.pid) + ' ' + sample_process(process.pid).state);
  };
  for (const ProcessEntry& process : run.left()) name(process);
  for (const auto& file : std::filesystem::directory_iterator(run.directory())) {
    if (!file.path().filename().string().starts_with("naked-")) continue;
    const std::optional<ProcessEntry> process = process_entry(static_cast<pid_t>(std::atoi(read_file(file.path().string()).c_str())));
    if (process && !process->ended && process->name == "sleep") name(*process);
  }
  return left;
}

bool ended(pid_t child) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child;
}

void kill_left(const std::vector<std::string>& left) {
  for (const std::string& process : left) {
    std::istringstream words(process);
    std::string name;
    pid_t pid = 0;
    if (words >> name >> pid && pid > 0) kill(pid, SIGKILL);
  }
}

// Codes that an end may have, by what has happened to the run.
std::set<int> codes_of(const Round& round) {
  std::set<int> codes;
  for (const Fault& fault : round.faults)
    if (fault.signal == SIGKILL) codes.insert(fault.hits(Who::rank) ? 137 : 125);
  if (round.moment == Moment::end || round.user == User::interrupts || round.user == User::interrupts_twice ||
      round.user == User::lets_go_on)
    codes.insert(130);
  if (round.user == User::terminates) codes.insert(143);
  return codes;
}

// Says in complaints what did not hold. Returns the seconds from the last event until nothing was left.
double weather(const Round& round, std::ostream& complaints) {
  RunUnderTest run(misbehaviour());
  run.plan.job.stop.grace.seconds = 1;
  run.start();
  const pid_t bystander = start_bystander(run), controller = run.controller();
  if (round.moment == Moment::start) run.agent();
  else run.await_ready();
  if (round.moment == Moment::end) kill(controller, SIGINT);
  std::vector<ProcessEntry> victims;
  for (const Fault& fault : round.faults) victims.push_back(process_entry(pid_of(run, fault)).value_or(ProcessEntry{}));
  usleep(round.after);

  for (std::size_t i = 0; i < victims.size(); ++i) signal_process(victims[i], round.faults[i].signal);
  auto last = Clock::now();
  if (round.user != User::nothing) {
    usleep(round.later);
    if (ended(controller) && round.moment != Moment::end) complaints << "the run has ended before anybody had ended it; ";
    if (round.user == User::lets_go_on) kill(controller, SIGCONT);
    if (round.user == User::kills) kill(controller, SIGKILL);
    else kill(controller, round.user == User::terminates ? SIGTERM : SIGINT);
    if (round.user == User::interrupts_twice) {
      usleep(50'000);
      kill(controller, SIGINT);
    }
    last = Clock::now();
  }

  std::vector<std::string> left;
  const auto clear = [&] { return (left = left_of(run)).empty() && ended(controller); };
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - last).count(); };
  const bool cleared = wait_until(clear, time_to_clear);
  const double took = seconds();
  if (!cleared) {
    complaints << "left after " << time_to_clear << " s:";
    for (const std::string& process : left) complaints << ' ' << process << ',';
    complaints << ' ';
    kill_left(left);
  }
  // Its parent is this process: if it were gone, it would be a zombie now.
  if (ended(bystander) || sample_process(bystander).state == 'T') complaints << "the bystander was not left alone; ";
  kill(bystander, SIGKILL);
  waitpid(bystander, nullptr, 0);
  if (!cleared) return took;

  const FinishedRun finished = run.finish();
  const bool controller_killed = any(round.faults, Who::controller, SIGKILL) || round.user == User::kills;
  if (!finished.outcome) {
    const RunStatus status = summary_of(RunDirectory::open(run.directory())).status;
    // Ctrl-C ends a process whose run has ended as it ends any other.
    const bool told_late = status.ended && (round.moment == Moment::end || round.user != User::nothing);
    if (!controller_killed) complaints << (told_late ? "" : "the controller has died; ");
    else if (status.state != "lost" && !(round.moment == Moment::end && status.ended))
      complaints << "the run counts as " << status.state << "; ";
  } else if (const std::set<int> codes = codes_of(round); !codes.contains(finished.outcome->exit_code)) {
    complaints << "it ended with " << finished.outcome->exit_code << ": " << finished.outcome->message << "; ";
  } else if (finished.outcome->message.empty()) {
    complaints << "it does not say why it ended; ";
  }
  return took;
}

BOOST_AUTO_TEST_CASE(storm) {
  rage({.describe =
            [](unsigned seed) {
              std::ostringstream text;
              text << round_of(seed);
              return text.str();
            },
        .begin = [] { return [](unsigned seed, std::ostream& complaints) { return weather(round_of(seed), complaints); }; }});
}

}  // namespace
}  // namespace fabric::test
