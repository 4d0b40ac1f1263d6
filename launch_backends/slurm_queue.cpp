#include "launch_backends/slurm_queue.hpp"

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/kept_record.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/replace_file.hpp"
#include "schema/json.hpp"
#include "schema/slurm_time.hpp"

namespace fabric {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t most_output = 1 << 20;
constexpr std::size_t longest_queue = std::size_t{1} << 30;  // millions of tasks of an array, and the folder in each line

constexpr std::string_view of_other_commands[] = {"SBATCH_", "SQUEUE_", "SCANCEL_", "SCONTROL_", "SRUN_"};

// SBATCH_* would change what the script says, and SLURM_* tell of a job in which this process runs, if it does; but for those that say
// which SLURM is meant.
std::vector<std::string> environment_for_slurm() {
  std::vector<std::string> kept;
  for (std::string& variable : own_environment()) {
    const bool says_which = variable.starts_with("SLURM_CONF=") || variable.starts_with("SLURM_CONF_SERVER=") ||
                            variable.starts_with("SLURM_CLUSTERS=") || variable.starts_with("SLURM_JWT=");
    const bool of_a_job = variable.starts_with("SLURM_") && !says_which;
    const bool of_a_command = std::any_of(std::begin(of_other_commands), std::end(of_other_commands),
                                          [&variable](std::string_view prefix) { return variable.starts_with(prefix); });
    if (!of_a_job && !of_a_command) kept.push_back(std::move(variable));
  }
  return kept;
}

// The words of a question about a job, to the cluster that has it.
std::vector<std::string> about(const SlurmJob& job, std::vector<std::string> words) {
  if (!job.cluster.empty()) words.insert(words.begin() + 1, "--clusters=" + job.cluster);
  return words;
}

// Keeps Ctrl-C and the like away while it lives.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~SignalsHeld() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;

 private:
  sigset_t before_{};
};

ProgramResult ask(std::vector<std::string> words, const std::string& folder = "", std::chrono::milliseconds limit = 5s,
                  std::size_t most = most_output) {
  ProcessStart start;
  start.argv = std::move(words);
  start.env = environment_for_slurm();
  start.cwd = folder;
  return run_program(std::move(start), "", most, limit);
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// What a program said that did not do its work.
std::string complaint(const std::string& program, const ProgramResult& result) {
  if (result.timed_out) return program + " did not answer";
  std::string said = result.errors.empty() ? result.output : result.errors;
  while (!said.empty() && said.back() == '\n') said.pop_back();
  return said.empty() ? program + ' ' + result.status.str() : said;
}

std::vector<std::string> cut(const std::string& line, char at) {
  std::vector<std::string> parts;
  std::istringstream in(line);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

// sbatch puts the folder in front of the output's name, and what then has a meaning to it may stand in the folder: % begins a pattern, and
// where there is a backslash patterns are none. Absent: nothing of the kind is there.
std::optional<std::string> output_in(const std::string& folder, const std::string& output) {
  if (output.starts_with('/') || folder.find_first_of("%\\") == std::string::npos) return std::nullopt;
  const bool has_patterns = folder.find('\\') == std::string::npos;
  std::string path;
  for (const char c : folder) path += c == '\\' || (c == '%' && has_patterns) ? std::string(2, c) : std::string(1, c);
  return path + '/' + output;
}

}  // namespace

std::optional<SlurmJob> slurm_job_of(const std::string& run) { return kept_record<SlurmJob>(run + '/' + slurm_job_file); }

void keep_slurm_job(const std::string& run, const SlurmJob& job) {
  replace_file(run + '/' + slurm_job_file, pretty_json(to_value(job)) + '\n');
}

void submit_to_slurm(const std::string& run, const std::string& script, const std::string& output, SlurmJob job,
                     const std::optional<std::string>& indices) {
  const SignalsHeld held;
  job.submitted = now_seconds();
  std::vector<std::string> words = {"sbatch", "--parsable"};
  if (const std::optional<std::string> path = output_in(run, output)) words.push_back("--output=" + *path);
  if (indices) words.push_back("--array=" + *indices);
  words.push_back(script);
  const ProgramResult result = ask(std::move(words), run, 60s);
  // 1234, or 1234;cluster
  const std::vector<std::string> answer = cut(first_line(result.output), ';');
  if (!answer.empty()) job.id = answer[0];
  if (answer.size() > 1) job.cluster = answer[1];
  if (!result.status.good() || job.id.empty() || job.id.find_first_not_of("0123456789") != std::string::npos) {
    // It may have taken the job and not have said so any more.
    if (result.timed_out)
      for (const std::string& line : cut(ask({"squeue", "--noheader", "--me", "--format=%i|%Z"}).output, '\n'))
        if (line.ends_with('|' + run)) cancel_slurm_job({.id = line.substr(0, line.find('|'))});
    throw std::runtime_error(complaint("sbatch", result));
  }
  if (job.task) job.id += '_' + std::to_string(*job.task);
  try {
    keep_slurm_job(run, job);
  } catch (const std::system_error&) {
    cancel_slurm_job(job);  // nobody would find it again
    throw;
  }
}

SlurmQueue::SlurmQueue(const std::vector<SlurmJob>& jobs) {
  std::map<std::string, std::string> lists;
  for (const SlurmJob& job : jobs) {
    std::string& list = lists[job.cluster];
    list += (list.empty() ? "" : ",") + job.id;
  }
  for (const auto& [cluster, list] : lists) {
    const ProgramResult result = ask(about({.id = "", .cluster = cluster}, {"squeue", "--noheader", "--array", "--states=all",
                                                                            "--jobs=" + list, "--format=%i|%T|%r|%S|%Z"}),
                                     "", 5s, longest_queue);
    Answer& answer = answers_[cluster];
    answer.lines = result.output;
    // Said of one; of several those that it does not know are left out.
    if (!result.status.good() && result.errors.find("Invalid job id") == std::string::npos)
      answer.unreachable = complaint("squeue", result);
  }
}

SlurmStanding SlurmQueue::standing(const std::string& run, const SlurmJob& job) const {
  using Phase = SlurmStanding::Phase;
  SlurmStanding standing;
  const auto found = answers_.find(job.cluster);
  if (found == answers_.end()) return standing;
  const auto& [text, unreachable] = found->second;
  if (!unreachable.empty()) {
    standing.phase = Phase::unreachable;
    standing.reason = unreachable;
    return standing;
  }
  const auto is_one_of = [](const std::string& state, std::initializer_list<std::string_view> states) {
    return std::find(states.begin(), states.end(), state) != states.end();
  };
  // Of an array a task has a folder beside the one that was submitted, unless it was submitted from there itself.
  const std::string suffix = job.task ? '_' + std::to_string(*job.task) : "";
  const bool beside = job.task && run.ends_with(suffix) && text.find('|' + run + '\n') == std::string::npos;
  // The folder is the last of a line, and may hold a newline itself.
  const std::string folder = '|' + (beside ? run.substr(0, run.size() - suffix.size()) : run) + '\n';
  for (std::size_t at = 0, end; (end = text.find(folder, at)) != std::string::npos; at = end + folder.size()) {
    const std::size_t newline = text.rfind('\n', end);
    const std::vector<std::string> parts = cut(text.substr(newline == std::string::npos ? 0 : newline + 1, end - newline - 1), '|');
    if (parts.size() < 4 || (parts[0] != job.id && !parts[0].starts_with(job.id + '_'))) continue;
    const std::string& state = parts[1];
    const bool runs =
        is_one_of(state, {"RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"});
    const bool waits = is_one_of(state, {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"});
    const Phase phase = runs ? Phase::running : waits ? Phase::waiting : Phase::gone;
    // Of an array any that goes on counts.
    if (phase == Phase::gone && standing.phase == Phase::waiting) continue;
    standing = {.phase = phase, .state = state, .reason = parts[2] == "None" ? "" : parts[2], .start = parts[3] == "N/A" ? "" : parts[3]};
    if (runs) return standing;
  }
  return standing;
}

SlurmStanding look_into_queue(const std::string& run, const SlurmJob& job) { return SlurmQueue({job}).standing(run, job); }

std::optional<SlurmFacts> facts_of_slurm_job(const std::string& job_id) {
  const ProgramResult result = ask({"scontrol", "--oneliner", "show", "job", job_id});
  if (!result.status.good()) return std::nullopt;
  SlurmFacts facts;
  std::istringstream words(first_line(result.output));
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos) continue;
    const std::string name = word.substr(0, equals), value = word.substr(equals + 1);
    if (name == "JobState") facts.state = value;
    if (name == "Reason" && value != "None") facts.reason = value;
    if (name == "Restarts") facts.restarts = std::atoll(value.c_str());
    if (name == "PreemptTime") facts.preempted = value != "None" && value != "N/A" && value != "Unknown";
    // What follows may hold words of the user's.
    if (name == "Command") break;
  }
  return facts;
}

// A job that is in between two states is tried again after some seconds, and may have ended by then.
static void scancel(const SlurmJob& job, std::vector<std::string> words) {
  // A task of an array that heeds the signal at once is taken for one that is in between, though the signal has reached it.
  const bool of_array = job.id.find('_') != std::string::npos;
  words.insert(words.begin(), "scancel");
  words.push_back(job.id);
  const ProgramResult result = ask(about(job, std::move(words)), "", of_array ? 2s : 20s);
  if (of_array && result.timed_out) return;
  const std::string said = result.status.good() && !result.timed_out ? "" : complaint("scancel", result);
  if (!said.empty() && said.find("already completing or completed") == std::string::npos) throw std::runtime_error(said);
}

void signal_slurm_job(const SlurmJob& job, const std::string& signal) { scancel(job, {"--batch", "--signal=" + signal}); }

void cancel_slurm_job(const SlurmJob& job, bool only_waiting) {
  scancel(job, only_waiting ? std::vector<std::string>{"--state=PENDING"} : std::vector<std::string>{});
}

void requeue_slurm_job(const std::string& job_id) {
  const ProgramResult result = ask({"scontrol", "requeue", job_id});
  if (!result.status.good()) throw std::runtime_error(complaint("scontrol", result));
}

std::optional<double> slurm_time_left(const std::string& job_id) {
  const ProgramResult result = ask({"squeue", "--noheader", "--jobs=" + job_id, "--format=%L"});
  if (!result.status.good()) return std::nullopt;
  const std::optional<std::int64_t> seconds = slurm_seconds(first_line(result.output));
  return seconds ? std::optional(static_cast<double>(*seconds)) : std::nullopt;
}

std::string first_slurm_host(const std::string& list) {
  std::string host;
  for (std::size_t at = 0; at < list.size() && list[at] != ','; ++at) {
    if (list[at] != '[') {
      host += list[at];
      continue;
    }
    const std::size_t end = list.find_first_of("-,]", at);
    const std::size_t close = list.find(']', at);
    if (close == std::string::npos) throw std::runtime_error("no list of nodes: `" + list + '`');
    host += list.substr(at + 1, end - at - 1);
    at = close;
  }
  if (host.empty()) throw std::runtime_error("the list of nodes is empty");
  return host;
}

}  // namespace fabric
