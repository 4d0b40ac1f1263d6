#include "launch_backends/slurm_script.hpp"

#include <cctype>
#include <cmath>
#include <cstdio>

#include "launch_backends/bash_word.hpp"
#include "launch_backends/batch_lines.hpp"
#include "launch_backends/slurm_needs.hpp"
#include "launch_backends/slurm_srun_script.hpp"

namespace fabric {
namespace {

// D-HH:MM:SS. SLURM counts minutes, and takes the next whole one.
std::string slurm_time(double seconds) {
  const auto minutes = static_cast<std::int64_t>(std::ceil(seconds / 60));
  char text[64];
  std::snprintf(text, sizeof text, "%lld-%02lld:%02lld:00", static_cast<long long>(minutes / 1440),
                static_cast<long long>(minutes / 60 % 24), static_cast<long long>(minutes % 60));
  return text;
}

// A number and a unit of 1024, as SLURM counts. 0: all of the node.
std::string slurm_memory(const std::string& written) {
  if (written == "all") return "0";
  std::size_t at = 0;
  while (at < written.size() && std::isdigit(static_cast<unsigned char>(written[at]))) ++at;
  const std::string number = written.substr(0, at);
  if (at < written.size() && written[at] == ' ') ++at;
  return number + written[at];
}

class Script {
 public:
  Script(const Plan& plan, const std::string& fabric)
      : plan_(plan),
        job_(plan.job),
        slurm_(*plan.job.slurm),
        agents_(slurm_.shape == SlurmShape::agent),
        fabric_(fabric),
        out_(slurm_script_name) {}

  Submission::File write() {
    out_.line("#!/bin/bash");
    out_.line("# " + plan_.name + ", by fabric " + plan_.fabric_version + ", plan " + plan_id(plan_).substr(0, 12) + '.');
    out_.line(std::string("# It is submitted from its own folder, which holds plan.json: sbatch ") + slurm_script_name);
    what_it_is();
    what_it_needs();
    when();
    others();
    out_.line("");
    prepare();
    // In the shell's place: a shell that waits may lose one of two signals.
    if (agents_) {
      if (!slurm_.setup.empty()) out_.line("cd \"$SLURM_SUBMIT_DIR\"");
      out_.line("exec " + bash_word(fabric_) + " batch");
    } else {
      srun_script(plan_, out_);
    }
    return out_.take();
  }

 private:
  void directive(const std::string& name, const std::optional<std::string>& value, const std::string& field) {
    out_.directive(name, value, field);
  }
  void directive_if(const std::string& name, const std::optional<std::string>& value, const std::string& field) {
    if (value) directive(name, value, field);
  }

  void what_it_is() {
    directive("job-name", plan_.name, "name");
    directive_if("partition", slurm_.partition, "slurm.partition");
    directive_if("account", slurm_.account, "slurm.account");
    directive_if("qos", slurm_.qos, "slurm.qos");
    directive_if("reservation", slurm_.reservation, "slurm.reservation");
    directive_if("constraint", slurm_.constraint, "slurm.constraint");
    directive_if("nodelist", slurm_.nodelist, "slurm.nodelist");
    directive_if("exclude", slurm_.exclude, "slurm.exclude");
    directive_if("array", slurm_.array, "slurm.array");
    directive_if("dependency", slurm_.dependency, "slurm.dependency");
    // Without it such a job waits for ever.
    if (slurm_.dependency) directive("kill-on-invalid-dep", "yes", "slurm.dependency");
  }

  void what_it_needs() {
    const NodeGroup& group = plan_.groups.front();
    const std::int64_t cpus = slurm_cpus_per_rank(plan_);
    directive("nodes", std::to_string(job_.num_nodes), "num_nodes");
    directive("ntasks-per-node", std::to_string(agents_ ? 1 : group.ranks_per_node), agents_ ? "slurm.shape" : "devices");
    directive("cpus-per-task", std::to_string(agents_ ? cpus * group.ranks_per_node : cpus),
              slurm_.cpus_per_rank ? "slurm.cpus_per_rank" : "threads");
    if (const std::string gres = slurm_gres(plan_); !gres.empty())
      directive("gres", gres, group.accelerator == Accelerator::cuda ? "devices" : "slurm.directives.gres");
    if (slurm_.mem) directive("mem", slurm_memory(*slurm_.mem), "slurm.mem");
    if (slurm_.exclusive) directive("exclusive", std::nullopt, "slurm.exclusive");
  }

  void when() {
    if (job_.time_limit) directive("time", slurm_time(job_.time_limit->seconds), "time_limit");
    const auto lead = std::to_string(static_cast<std::int64_t>(std::ceil(job_.stop.grace.seconds + slurm_warning)));
    // To fabric, which asks SLURM itself where the job has no time limit of its own; or else to the ranks.
    if (agents_ && job_.time_limit) directive("signal", "B:USR1@" + lead, "stop.grace");
    if (!agents_) directive("signal", job_.stop.signal + '@' + lead, "stop.signal");
    directive(slurm_.requeue ? "requeue" : "no-requeue", std::nullopt, "slurm.requeue");
  }

  void others() {
    directive("output", slurm_output(plan_), "slurm.output");
    // What an earlier start wrote stays.
    directive("open-mode", "append", "slurm.requeue");
    const std::optional<std::vector<std::string>> inherit = plan_.groups.front().rank.inherit;
    directive("export", inherit && inherit->empty() ? "NIL" : "ALL", job_.program ? "program.inherit" : "backend");
    for (const auto& [name, value] : slurm_.directives) {
      if (name == "gres") continue;
      const std::string field = (Path("slurm") / "directives" / name).str();
      if (value == Value(true)) directive(name, std::nullopt, field);
      else if (value != Value(false)) directive(name, value.is_integer() ? std::to_string(value.as_integer()) : value.as_string(), field);
    }
  }

  void prepare() {
    out_.line("set -e");
    out_.line("cd \"$SLURM_SUBMIT_DIR\"");
    // With it, each step would start with no PATH.
    out_.line("unset SLURM_EXPORT_ENV");
    for (const EnvironmentLine& line : environment_lines(slurm_)) out_.line(line.command, line.field);
  }

  const Plan& plan_;
  const ResolvedJob& job_;
  const Slurm& slurm_;
  const bool agents_;
  const std::string& fabric_;
  BatchLines out_;
};

}  // namespace

std::vector<EnvironmentLine> environment_lines(const Slurm& slurm) {
  std::vector<EnvironmentLine> lines;
  for (std::size_t i = 0; i < slurm.modules.size(); ++i)
    lines.push_back({"module load " + bash_word(slurm.modules[i]), (Path("slurm") / "modules" / i).str()});
  if (slurm.conda) {
    lines.push_back({"eval \"$(conda shell.bash hook)\"", ""});
    lines.push_back({"conda activate " + bash_word(*slurm.conda), "slurm.conda"});
  }
  if (slurm.venv) lines.push_back({"source " + bash_word(*slurm.venv + "/bin/activate"), "slurm.venv"});
  for (const std::string& command : slurm.setup) lines.push_back({command, ""});
  return lines;
}

Submission::File slurm_script(const Plan& plan, const std::string& fabric) { return Script(plan, fabric).write(); }

}  // namespace fabric
