#include "launch_backends/probe_slurm.hpp"

#include <algorithm>
#include <system_error>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/probes/untrusted_text.hpp"
#include "launch_backends/process.hpp"

namespace fabric {
namespace {

using SlurmClock = std::chrono::steady_clock;

constexpr std::size_t answer_limit = std::size_t{64} << 20;

const std::string other_ways =
    "try again; or let nobody be asked: write the fields that are auto, or record a node by `srun --partition=NAME fabric probe -o "
    "node.json` and plan with --hardware node.json";

// SLURM's own variables stay, for they say which cluster is meant; those that change what is shown do not.
std::vector<std::string> environment_of_scontrol() {
  std::vector<std::string> variables = own_environment();
  std::erase_if(variables, [](const std::string& v) {
    return v.starts_with("SCONTROL_") || v.starts_with("SLURM_TIME_FORMAT=") || v.starts_with("LC_ALL=");
  });
  variables.push_back("LC_ALL=C");
  return variables;
}

std::string seconds_in_words(std::chrono::milliseconds time) {
  std::string text = std::to_string(time.count() / 1000);
  if (const auto tenths = time.count() % 1000 / 100) text += '.' + std::to_string(tenths);
  return text + " s";
}

// The last lines of what a program said.
std::string last_words(const std::string& text) {
  constexpr std::size_t lines = 4, length = 800;
  std::size_t end = text.find_last_not_of(" \n");
  if (end == std::string::npos) return "";
  ++end;
  std::size_t begin = end;
  for (std::size_t n = 0; n < lines && begin > 0; ++n)
    begin = text.rfind('\n', begin - 1) == std::string::npos ? 0 : text.rfind('\n', begin - 1);
  if (begin > 0) ++begin;
  begin = std::max(begin, end > length ? end - length : 0);
  return valid_utf8(text.substr(begin, end - begin));
}

class Scontrol {
 public:
  Scontrol(std::string program, std::chrono::milliseconds time_limit)
      : program_(std::move(program)), time_limit_(time_limit), deadline_(SlurmClock::now() + time_limit) {}

  // What `scontrol ARGUMENTS` prints; nullopt, and the reason in failure, if it does not end well or in time.
  std::optional<std::string> run(const std::vector<std::string>& arguments, Diagnostic& failure) const {
    ProcessStart start;
    start.argv = {program_};
    std::string command = "scontrol";
    for (const std::string& argument : arguments) {
      start.argv.push_back(argument);
      command += ' ' + argument;
    }
    start.env = environment_of_scontrol();
    failure = Diagnostic{};
    failure.code = "FAB4040";
    failure.at = Place(Path("backend"));
    failure.label = "asks SLURM";
    failure.help = other_ways;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - SlurmClock::now());
    ProgramResult result;
    try {
      result = run_program(std::move(start), "", answer_limit, std::max(left, std::chrono::milliseconds{1}));
    } catch (const std::system_error& error) {
      failure.message = '`' + command + "` could not be started: " + error.what();
      return std::nullopt;
    }
    if (result.timed_out)
      failure.message = "SLURM did not answer within " + seconds_in_words(time_limit_) + ": `" + command + "` was ended";
    else if (result.too_much_output) failure.message = '`' + command + "` said more than 64 MiB";
    else if (!result.status.good()) failure.message = '`' + command + "` " + result.status.str();
    else return std::move(result.output);
    const std::string said = last_words(result.errors);
    failure.notes.push_back({said.empty() ? "it said nothing" : "it said: " + said, {}});
    return std::nullopt;
  }

 private:
  std::string program_;
  std::chrono::milliseconds time_limit_;
  SlurmClock::time_point deadline_;
};

}  // namespace

std::optional<SlurmCluster> ask_slurm(Diagnostics& diagnostics, std::chrono::milliseconds time_limit) {
  const std::string program = find_on_path("scontrol");
  if (program.empty()) {
    diagnostics.add({.code = "FAB4041",
                     .message = "no program `scontrol` is on PATH: SLURM cannot be asked what its nodes are",
                     .at = Place(Path("backend")),
                     .label = "no SLURM here",
                     .help = "start fabric on a login node of the cluster, perhaps after `module load slurm`; or plan for a node that was "
                             "recorded there, with --hardware FILE"});
    return std::nullopt;
  }
  const Scontrol scontrol(program, time_limit);
  SlurmCluster cluster;
  Diagnostic failure;
  const auto ask = [&](const char* what) -> std::optional<std::string> {
    std::optional<std::string> answer = scontrol.run({"--all", "--oneliner", "show", what}, failure);
    if (!answer) diagnostics.add(failure);
    return answer;
  };
  const auto not_understood = [&](const char* what) {
    diagnostics.add({.code = "FAB4042",
                     .message = std::string("what `scontrol --all --oneliner show ") + what + "` says cannot be read",
                     .at = Place(Path("backend")),
                     .label = "asks SLURM",
                     .help = other_ways});
    return std::nullopt;
  };
  const std::optional<std::string> partitions = ask("partition");
  if (!partitions) return std::nullopt;
  cluster.partitions = read_slurm_partitions(*partitions);
  if (cluster.partitions.empty()) return not_understood("partition");
  const std::optional<std::string> nodes = ask("node");
  if (!nodes) return std::nullopt;
  cluster.nodes = read_slurm_nodes(*nodes);
  if (cluster.nodes.empty()) return not_understood("node");
  // It also asks each controller, of which one may be down, whether it is up: last, and not missed.
  if (const std::optional<std::string> configuration = scontrol.run({"show", "config"}, failure))
    read_slurm_configuration(*configuration, cluster);
  return cluster;
}

}  // namespace fabric
