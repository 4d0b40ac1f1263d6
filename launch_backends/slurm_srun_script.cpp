#include "launch_backends/slurm_srun_script.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "launch_backends/bash_word.hpp"
#include "launch_backends/slurm_container.hpp"
#include "launch_backends/slurm_needs.hpp"

namespace fabric {
namespace {

// What bash would not take as any variable's, or would give another value: those it keeps itself.
constexpr std::array<std::string_view, 31> variables_of_bash = {"BASHOPTS",
                                                                "BASHPID",
                                                                "BASH_ARGC",
                                                                "BASH_ARGV",
                                                                "BASH_COMMAND",
                                                                "BASH_LINENO",
                                                                "BASH_SOURCE",
                                                                "BASH_SUBSHELL",
                                                                "BASH_VERSINFO",
                                                                "COMP_WORDBREAKS",
                                                                "DIRSTACK",
                                                                "EPOCHREALTIME",
                                                                "EPOCHSECONDS",
                                                                "EUID",
                                                                "FUNCNAME",
                                                                "GROUPS",
                                                                "HISTCMD",
                                                                "LINENO",
                                                                "OLDPWD",
                                                                "PIPESTATUS",
                                                                "POSIXLY_CORRECT",
                                                                "PPID",
                                                                "PWD",
                                                                "RANDOM",
                                                                "SECONDS",
                                                                "SHELLOPTS",
                                                                "SHLVL",
                                                                "SRANDOM",
                                                                "UID",
                                                                "BASH_ARGV0",
                                                                "_"};

// Linux keeps its own ports above these and the system's are below.
constexpr int first_port = 15000, ports = 17000;

// A task of srun, as bash, that becomes a rank: no quote and no name in it is the batch script's.
constexpr std::size_t longest_word = 100 << 10;  // bytes, below what Linux takes as one argument

class RankScript {
 public:
  explicit RankScript(const Plan& plan) : plan_(plan), group_(plan.groups.front()), rank_(group_.rank) {}

  void write(BatchLines& out) {
    place(out);
    if (uses_device()) devices(out);
    if (is_used(Binding::error_file)) out.line("rm -f -- " + value(Binding::error_file));
    // Those of the batch script are of another host, and of another folder.
    out.line("read -r HOSTNAME </proc/sys/kernel/hostname");
    variables(out);
    // What this shell says of itself is not the rank's: bash counts one shell less where another program takes its place.
    out.line("read -r HOSTNAME </proc/sys/kernel/hostname");
    out.line("SHLVL=$((SHLVL > 2 ? SHLVL : 2))");
    if (rank_.cwd != Text("")) out.line("cd -- " + word(rank_.cwd) + " || fabric_die \"cannot enter the folder of the ranks\"");
    out.line("unset -v OLDPWD");
    std::string command = "exec --";
    for (const Text& text : container_words(plan_)) command += argument(text);
    for (const Text& text : rank_.argv) command += argument(text);
    out.line("exec <>/dev/null");
    out.line(command);
  }

 private:
  bool is_used(Binding binding) const {
    const auto is_it = [binding](const Text& text) { return !text.is_literal() && std::get<Binding>(text.base) == binding; };
    return std::any_of(rank_.argv.begin(), rank_.argv.end(), is_it) || is_it(rank_.cwd) ||
           std::any_of(rank_.env.begin(), rank_.env.end(), [&](const auto& variable) { return is_it(variable.second); });
  }
  bool uses_device() const {
    return group_.accelerator == Accelerator::cuda && (is_used(Binding::device_ids) || is_used(Binding::own_device));
  }

  // Empty where it has none in this shape: nobody holds a port or makes a file that says stop.
  std::string value(Binding binding) const {
    const bool cuda = group_.accelerator == Accelerator::cuda;
    switch (binding) {
      case Binding::main_address:
      case Binding::role_address: return "\"$fabric_main_address\"";
      case Binding::main_port: return "\"$fabric_main_port\"";
      case Binding::device_ids: return cuda ? "\"$fabric_device_ids\"" : "";
      case Binding::own_device: return cuda ? "\"${fabric_devices[SLURM_LOCALID]}\"" : "";
      case Binding::node_name: return "\"$fabric_node_name\"";
      case Binding::rank: return "\"$fabric_rank\"";
      case Binding::local_rank: return "\"$fabric_local_rank\"";
      case Binding::node_rank: return "\"$fabric_node_rank\"";
      case Binding::attempt: return "\"$fabric_attempt\"";
      case Binding::resume_path: return "\"$fabric_resume_path\"";
      case Binding::run_id: return "\"$fabric_run_id\"";
      case Binding::run_directory: return "\"$fabric_run\"";
      case Binding::events_file: return "\"$fabric_files.events.jsonl\"";
      case Binding::error_file: return "\"$fabric_files.error.json\"";
      case Binding::stop_file:
      case Binding::network_interface:
      case Binding::store_fd: return "";
    }
    return "";
  }

  std::string word(const Text& text) const {
    if (text.is_literal()) return bash_word(text.str());
    return value(std::get<Binding>(text.base)) + (text.then.empty() ? "" : bash_word(text.then));
  }

  bool has_value(const Text& text) const { return text.is_literal() || !value(std::get<Binding>(text.base)).empty(); }
  static bool may_have_none(const Text& text) { return !text.is_literal() && std::get<Binding>(text.base) == Binding::resume_path; }

  // One that has no value is left out.
  std::string argument(const Text& text) const {
    if (!has_value(text)) return "";
    return may_have_none(text) ? " ${fabric_resume_path:+" + word(text) + '}' : ' ' + word(text);
  }

  void place(BatchLines& out) const {
    const std::string each = std::to_string(group_.ranks_per_node), world = std::to_string(plan_.world_size);
    out.line("fabric_die() { printf 'fabric: %s\\n' \"$1\" >&2; exit 125; }");
    std::string given;
    if (is_used(Binding::main_address) || is_used(Binding::role_address)) given += "fabric_main_address=$1 ";
    if (is_used(Binding::main_port)) given += "fabric_main_port=$2 ";
    out.line(given + "fabric_run=$3 fabric_attempt=$4 fabric_resume_path=$5");
    out.line("fabric_rank=$SLURM_PROCID fabric_local_rank=$SLURM_LOCALID fabric_node_rank=$SLURM_NODEID");
    out.line("if [ \"$SLURM_STEP_NUM_TASKS\" != " + world + " ] || [ \"$fabric_rank\" != \"$((fabric_node_rank * " + each +
             " + fabric_local_rank))\" ]; then");
    out.line(
        "  fabric_die \"srun started task $fabric_rank of $SLURM_STEP_NUM_TASKS, number $fabric_local_rank on node $fabric_node_rank, and the plan has " +
        world + ", " + each + " a node\"");
    out.line("fi");
    out.line("fabric_files=$fabric_run/nodes/$fabric_node_rank/rank-$fabric_rank");
    if (is_used(Binding::node_name)) out.line("read -r fabric_node_name </proc/sys/kernel/hostname");
    if (is_used(Binding::run_id)) out.line("fabric_run_id=${fabric_run%/*} fabric_run_id=${fabric_run_id##*/}/${fabric_run##*/}");
  }

  // Of those that SLURM has given to the job, the first: as the plan counts them.
  void devices(BatchLines& out) const {
    const std::int64_t count = plan_.job.devices.count;
    std::string all;
    for (std::int64_t i = 0; i < count; ++i) all += (i ? "," : "") + std::to_string(i);
    const std::string number = std::to_string(count);
    out.line("IFS=, read -r -a fabric_devices < <(printf '%s\\n' \"${CUDA_VISIBLE_DEVICES-" + all + "}\")");
    out.line("[ \"${#fabric_devices[@]}\" -ge " + number +
             " ] || fabric_die \"SLURM gave the GPUs ${CUDA_VISIBLE_DEVICES-}, and the plan has " + number + " a node\"");
    if (is_used(Binding::device_ids)) out.line("fabric_device_ids=$(IFS=,; printf '%s' \"${fabric_devices[*]:0:" + number + "}\")");
  }

  void variables(BatchLines& out) const {
    if (rank_.inherit) {
      std::string patterns;
      for (const std::string& pattern : *rank_.inherit) patterns += (patterns.empty() ? "" : " | ") + pattern;
      out.line("for fabric_name in $(compgen -A function); do export -f -n \"${fabric_name?}\"; done");
      if (patterns.empty()) out.line("for fabric_name in $(compgen -e); do unset -v \"$fabric_name\"; done");
      else
        out.line("for fabric_name in $(compgen -e); do case $fabric_name in " + patterns +
                 ") ;; *) unset -v \"$fabric_name\" ;; esac; done");
      out.line("[ -n \"${PATH+set}\" ] || PATH=/usr/local/bin:/usr/bin:/bin");
    }
    std::string scrubbed = "unset -v";
    for (const std::string& pattern : rank_.scrub)
      scrubbed += pattern.ends_with('*') ? " \"${!" + pattern.substr(0, pattern.size() - 1) + "@}\"" : ' ' + pattern;
    if (!rank_.scrub.empty()) out.line(scrubbed);
    for (const auto& [name, text] : rank_.env) {
      if (!has_value(text)) out.line("unset -v " + name);
      else if (may_have_none(text))
        out.line("if [ -n \"$fabric_resume_path\" ]; then export " + name + '=' + word(text) + "; else unset -v " + name + "; fi");
      else out.line("export " + name + '=' + word(text), field_of(name));
    }
  }

  std::string field_of(const std::string& name) const {
    if (plan_.job.program && plan_.job.program->env.contains(name)) return (Path("program") / "env" / name).str();
    return plan_.job.env.contains(name) ? (Path("env") / name).str() : "";
  }

  const Plan& plan_;
  const NodeGroup& group_;
  const RankTemplate& rank_;
};

std::string whole_seconds(const Duration& duration) { return std::to_string(static_cast<std::int64_t>(std::ceil(duration.seconds))); }

// The folder of the run, which of an array each index has for itself.
void run_folder(const Plan& plan, BatchLines& out) {
  out.line("cd -P \"$SLURM_SUBMIT_DIR\" || exit 125");
  if (plan.job.slurm->array) {
    // Unless it is one alone, which was submitted from the folder that it has already.
    out.line("fabric_own=${PWD}_$SLURM_ARRAY_TASK_ID");
    out.line("if ! grep -qs \"\\\"task\\\": $SLURM_ARRAY_TASK_ID\\$\" job.json; then");
    out.line("  mkdir -p \"$fabric_own\" && cp -f plan.json \"$fabric_own\" && cd \"$fabric_own\" && touch lock || exit 125");
    if (plan.job.code.take == CodeTake::snapshot) out.line("  ln -sfn \"../${OLDPWD##*/}/code\" code # copied once, for all of them");
    out.line("fi");
    out.line("fabric_cluster=$(sed -n 's/^[{ ]*\"cluster\": \"\\(.*\\)\".*/\\1/p' \"$SLURM_SUBMIT_DIR/job.json\" 2>/dev/null)");
    out.line("printf '{\"cluster\": \"%s\",\\n\"id\": \"%s\",\\n\"submitted\": %s,\\n\"task\": %s\\n}\\n' \\");
    out.line(
        "  \"$fabric_cluster\" \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\" \"$(printf '%(%s)T' -1)\" \"$SLURM_ARRAY_TASK_ID\" >.job.json && mv -f .job.json job.json");
  }
  out.line("fabric_run=$PWD");
  if (plan.job.code.take == CodeTake::snapshot)
    out.line(
        "[ -d code ] || { echo \"fabric: there is no copy of the code in $PWD/code: 'fabric plan --render slurm -o DIR' makes one\" >&2; exit 125; }",
        "code.take");
  out.line("for ((fabric_node = 0; fabric_node < " + std::to_string(plan.job.num_nodes) +
           "; ++fabric_node)); do mkdir -p \"nodes/$fabric_node\" || exit 125; done");
  out.line("fabric_attempt=$(grep -c '\"kind\":\"run_started\"' events.jsonl 2>/dev/null) # earlier starts");
  out.line("fabric_attempt=${fabric_attempt:-0}");
}

void meeting_place(const Plan& plan, BatchLines& out) {
  out.line("# Where rank 0 listens.");
  if (plan.job.main_address) out.line("fabric_main_address=" + bash_word(*plan.job.main_address), "main_address");
  else
    out.line(
        "read -r fabric_main_address < <(scontrol show hostnames \"$SLURM_JOB_NODELIST\")\n"
        "[ -n \"$fabric_main_address\" ] || { echo \"fabric: no host in $SLURM_JOB_NODELIST\" >&2; exit 125; }");
  if (plan.job.main_port) out.line("fabric_main_port=" + std::to_string(*plan.job.main_port), "main_port");
  else
    // Another one for each start: ranks of an earlier one that live on find nobody.
    out.line("fabric_main_port=$((" + std::to_string(first_port) + " + (SLURM_JOB_ID + 1009 * fabric_attempt) % " + std::to_string(ports) +
             "))");
}

void checkpoint_to_resume(const Plan& plan, BatchLines& out) {
  out.line("fabric_resume_path=''");
  if (plan.job.train || plan.job.checkpoint.path) out.line("# The newest checkpoint, where this is not the first start.");
  if (plan.job.train) {
    out.line("if [ \"$fabric_attempt\" -gt 0 ]; then");
    out.line("  for fabric_file in \"$fabric_run\"/checkpoints/step-*.safetensors; do");
    // In the order of their numbers, which have eight digits or more.
    out.line("    [ -e \"$fabric_file\" ] && [ \"${#fabric_file}\" -ge \"${#fabric_resume_path}\" ] && fabric_resume_path=$fabric_file");
    out.line("  done\nfi");
  } else if (plan.job.checkpoint.path) {
    out.line("if [ \"$fabric_attempt\" -gt 0 ]; then");
    out.line("  while IFS= read -r fabric_file; do");
    out.line(
        "    [ \"$fabric_file\" -ot plan.json ] || [ \"$fabric_file\" -ot \"$fabric_resume_path\" ] || fabric_resume_path=$fabric_file");
    out.line("  done < <(compgen -G " + bash_word(*plan.job.checkpoint.path) + ")", "checkpoint.path");
    out.line("fi");
  }
}

void say_how_it_stands(const Plan& plan, BatchLines& out) {
  out.line("# What `fabric status` and `fabric list` read.");
  out.line("fabric_started=$(printf '%(%s)T' -1)");
  out.line("fabric_status() { # STATE MESSAGE [ENDED EXIT_CODE]");
  out.line(
      "  printf '{\"attempt\":%d,\"controller_pid\":0,%s\"message\":\"%s\",\"started\":%d,\"state\":\"%s\"}\\n' \"$fabric_attempt\" \\");
  out.line(
      "    \"${3:+\"\\\"ended\\\":$3,\\\"exit_code\\\":$4,\"}\" \"$2\" \"$fabric_started\" \"$1\" >.status.json && mv -f .status.json status.json");
  out.line("}");
  out.line(
      "fabric_event() { printf '{\"detail\":{%s},\"kind\":\"%s\",\"time\":%d}\\n' \"$2\" \"$1\" \"$(printf '%(%s)T' -1)\" >>events.jsonl; }");
  out.line("fabric_status running \"\"");
  out.line("fabric_event run_started \"\\\"attempt\\\":$fabric_attempt,\\\"plan_id\\\":\\\"" + plan_id(plan) + "\\\"\"");
  out.line(
      "fabric_event bound \"\\\"attempt\\\":$fabric_attempt,\\\"main_address\\\":\\\"$fabric_main_address\\\",\\\"main_port\\\":$fabric_main_port\"");
}

void orderly_stop(const Plan& plan, BatchLines& out) {
  out.line("# A stop in order. srun ends the ranks when it is told to end itself: a second time at once, or after the grace.");
  out.line("fabric_stopped='' fabric_killer=''");
  out.line("# shellcheck disable=SC2317 # the trap calls it");
  out.line("fabric_stop() {");
  out.line("  if [ -n \"$fabric_stopped\" ]; then kill \"$fabric_srun\"; return; fi");
  out.line("  fabric_stopped=yes");
  // The last index of an array has the number of the whole array as its own.
  out.line("  scancel --signal=" + plan.job.stop.signal +
               (plan.job.slurm->array ? " \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\"" : " \"$SLURM_JOB_ID\""),
           "stop.signal");
  // Nothing ever comes there: a sleep that is no process of its own.
  out.line("  { read -r -t " + whole_seconds(plan.job.stop.grace) + " <> <(:); kill \"$fabric_srun\"; } &", "stop.grace");
  out.line("  fabric_killer=$!");
  out.line("}");
  out.line("trap fabric_stop TERM");
}

std::string quoted_mounts(const Plan& plan) {
  std::string mounts;
  for (const std::string& mount : container_mounts(plan)) mounts += mount + ',';
  return (mounts.empty() ? "" : bash_word(mounts)) + "\"$fabric_run:$fabric_run\"";
}

// in_parts: what a task is told is longer than one word can be.
void start_ranks(const Plan& plan, bool in_parts, BatchLines& out) {
  const NodeGroup& group = plan.groups.front();
  std::string line = "srun --nodes=" + std::to_string(plan.job.num_nodes) + " --ntasks=" + std::to_string(plan.world_size) +
                     " --ntasks-per-node=" + std::to_string(group.ranks_per_node) +
                     " --cpus-per-task=" + std::to_string(slurm_cpus_per_rank(plan));
  if (const std::string gres = slurm_gres(plan); !gres.empty()) line += " --gres=" + bash_word(gres);
  line += " \\\n  --distribution=block --export=ALL --input=none --output=nodes/%n/rank-%t.log --open-mode=append \\\n";
  line += "  --kill-on-bad-exit=1 --wait=0 \\\n";
  if (container_by_srun(plan))
    line += "  --container-image=" + bash_word(container_image(plan)) + " --container-mounts=" + quoted_mounts(plan) + " \\\n";
  const std::string told =
      "fabric \"$fabric_main_address\" \"$fabric_main_port\" \"$fabric_run\" \"$fabric_attempt\" \"$fabric_resume_path\"";
  if (!in_parts) line += "  bash -c \"$fabric_task\" " + told + " &";
  else
    line +=
        "  bash -c 'fabric_task=; for fabric_part in \"${@:6}\"; do fabric_task+=$fabric_part; done; set -- \"${@:1:5}\"; eval \"$fabric_task\"' \\\n  " +
        told + " \"${fabric_parts[@]}\" &";
  out.line(line);
  out.line("fabric_srun=$!");
  // A signal ends the wait, and not what is waited for.
  out.line("while wait \"$fabric_srun\"; fabric_code=$?; [ \"$fabric_code\" -gt 128 ] && kill -0 \"$fabric_srun\" 2>/dev/null; do :; done");
  out.line("trap - TERM");
  out.line("[ -z \"$fabric_killer\" ] || kill \"$fabric_killer\" 2>/dev/null");
}

void say_the_end(const Plan& plan, BatchLines& out) {
  out.line("fabric_state=finished fabric_message=''");
  out.line("if [ -n \"$fabric_stopped\" ]; then");
  out.line("  fabric_state=stopped fabric_message=\"stopped by SIGTERM\" fabric_code=143");
  out.line("elif [ \"$fabric_code\" != 0 ]; then");
  out.line(
      "  fabric_state=failed fabric_message=\"srun ended with code $fabric_code; which rank failed first is not known: see nodes/*/rank-*.log\"");
  out.line("fi");
  if (!plan.job.slurm->teardown.empty()) {
    out.line("(");
    for (const std::string& command : plan.job.slurm->teardown) out.line(command);
    out.line(")");
    out.line("cd \"$fabric_run\" || exit 125");
  }
  out.line("fabric_status \"$fabric_state\" \"$fabric_message\" \"$(printf '%(%s)T' -1)\" \"$fabric_code\"");
  out.line("fabric_event run_finished \"\\\"exit_code\\\":$fabric_code,\\\"verdict\\\":\\\"$fabric_state\\\"\"");
  out.line("exit \"$fabric_code\"");
}

}  // namespace

bool is_kept_by_bash(std::string_view name) {
  return std::find(variables_of_bash.begin(), variables_of_bash.end(), name) != variables_of_bash.end();
}

std::size_t size_of_srun_task(const Plan& plan) {
  BatchLines lines("");
  RankScript(plan).write(lines);
  return lines.take().content.size();
}

void srun_script(const Plan& plan, BatchLines& out) {
  out.line("");
  out.line("# One task of srun is one rank. `fabric plan` says what this shape cannot promise.");
  out.line("set +e");
  run_folder(plan, out);
  meeting_place(plan, out);
  checkpoint_to_resume(plan, out);
  say_how_it_stands(plan, out);
  orderly_stop(plan, out);
  out.line("# What a task of srun does to become its rank.");
  out.line("fabric_task=$(cat <<'END_OF_TASK'");
  RankScript(plan).write(out);
  out.line("END_OF_TASK\n)");
  const bool in_parts = size_of_srun_task(plan) > longest_word;
  if (in_parts)
    out.line(
        "# Linux takes no word above 128 KiB.\nfabric_parts=()\n"
        "for ((fabric_i = 0; fabric_i < ${#fabric_task}; fabric_i += 30000)); do fabric_parts+=(\"${fabric_task:fabric_i:30000}\"); done");
  start_ranks(plan, in_parts, out);
  say_the_end(plan, out);
}

}  // namespace fabric
