#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/import/script_import.hpp"
#include "launch_backends/slurm_options.hpp"
#include "schema/joined.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

const Path slurm_section("slurm");

std::string memory_text(std::int64_t mebibytes) {
  if (mebibytes == 0) return "all";
  return mebibytes % 1024 == 0 ? std::to_string(mebibytes / 1024) + "GiB" : std::to_string(mebibytes) + "MiB";
}

// An image of apptainer is a file, unless it is from elsewhere; one of pyxis where it begins so.
bool is_relative_file(const std::string& image, bool of_apptainer) {
  if (image.find_first_of("$`~") != std::string::npos || image.find("://") != std::string::npos) return false;
  return of_apptainer ? !image.starts_with('/') : image.starts_with("./") || image.starts_with("../");
}

}  // namespace

void ScriptImport::slurm() {
  for (const char* name : {"partition", "account", "qos", "constraint", "reservation", "nodelist", "exclude", "array", "dependency"})
    if (const SbatchDirective* d = directive(name)) out_.set(slurm_section / name, *d->value, line(d->at.begin));
  if (!needs_.gpu_type.empty() && needs_.gpus_per_node)
    out_.set(slurm_section / "gpu_type", needs_.gpu_type, line_of({"gres", "gpus-per-node", "gpus", "gpus-per-task"}));
  if (const SbatchDirective* d = directive("gres"))
    if (const std::string others = joined(resources_that_are_no_gpus(*d->value), ","); !others.empty())
      out_.set(slurm_section / "directives" / "gres", others, line(d->at.begin));
  if (const BashField* of_step = srun_option("gres"); of_step && of_step->known()) resources_of_no_place(of_step->text(), at_launch());
  cpus();
  if (needs_.memory) out_.set(slurm_section / "mem", memory_text(*needs_.memory), line_of({"mem", "mem-per-cpu", "mem-per-gpu"}));
  if (const SbatchDirective* d = directive("exclusive")) {
    out_.set(slurm_section / "exclusive", true, line(d->at.begin));
    if (d->value)
      warn("FAB6104", "a job has its nodes for itself, or not", d->at, "for a " + *d->value, "look whether `exclusive` is meant");
  }
  if (const SbatchDirective* d = directive("requeue")) out_.set(slurm_section / "requeue", true, line(d->at.begin));
  output();
  environments();
  container();
  for (const SbatchDirective& d : directives_.list) rest(d);
  rest_of_srun();
}

void ScriptImport::resources_of_no_place(const std::string& gres, Span at) {
  for (const std::string& resource : resources_that_are_no_gpus(gres))
    warn("FAB6104", "of --gres, " + resource + " is not taken: `devices` asks for GPUs alone", at, "not taken: " + resource,
         "see `fabric explain slurm.directives` for what else a job may ask SLURM for");
}

void ScriptImport::cpus() {
  const std::int64_t tasks = needs_.tasks_on_a_node();
  if (!needs_.cpus_per_task && directive("exclusive")) return threads_of_unknown_cpus();
  const std::int64_t all = needs_.cpus_per_task.value_or(1) * tasks;
  const std::int64_t each = std::max<std::int64_t>(1, all / std::max<std::int64_t>(1, alone_ ? 1 : devices_));
  out_.set(slurm_section / "cpus_per_rank", each,
           needs_.cpus_per_task
               ? line_of({"cpus-per-task", "cpus-per-gpu"}) + (each == *needs_.cpus_per_task ? "" : ": " + std::to_string(all) + " a node")
               : "sbatch gives a task one");
}

// How many CPUs a rank has, a whole node decides.
void ScriptImport::threads_of_unknown_cpus() {
  if (out_.job.find("threads") || !body_.launch) return;
  const std::string& launcher = body_.launch->launcher;
  if (devices_ > 1 && (launcher == "torchrun" || launcher.starts_with("torch.") || launcher == "accelerate")) {
    out_.set("threads", 1, "as " + launcher + " has it, where nobody says more");
    return;
  }
  out_.set("threads", 1, "how many CPUs a rank has is not written");
  warn("FAB6113", "how many CPUs a task has is written nowhere", directive("exclusive")->at, "all of a node, whichever that is",
       "a rank computes with one thread: write `threads`, or slurm.cpus_per_rank and no `threads`");
}

// What only a step has, or what it has otherwise than the job.
void ScriptImport::rest_of_srun() {
  if (!body_.launch) return;
  std::string not_taken;
  for (const auto& [name, value] : body_.launch->srun_options) {
    constexpr std::string_view known[] = {"nodes",
                                          "ntasks",
                                          "ntasks-per-node",
                                          "cpus-per-task",
                                          "gres",
                                          "gpus",
                                          "gpus-per-node",
                                          "gpus-per-task",
                                          "chdir",
                                          "export",
                                          "container-image",
                                          "export-env",
                                          "label",
                                          "jobid",
                                          "unbuffered",
                                          "kill-on-bad-exit",
                                          "wait",
                                          "overlap",
                                          "exact",
                                          "exclusive",
                                          "whole",
                                          "mpi",
                                          "job-name",
                                          "container-mounts",
                                          "no-shell",
                                          "immediate",
                                          "container-workdir",
                                          "quit-on-interrupt",
                                          "pty",
                                          "disable-status",
                                          "job",
                                          "cpu-bind-verbose"};
    const bool cpus_by_verbose = (name == "cpu-bind" || name == "cpu_bind") && (value.text() == "v" || value.text() == "verbose");
    if (std::find(std::begin(known), std::end(known), name) != std::end(known) || cpus_by_verbose) continue;
    if ((name == "cpu-bind" || name == "cpu_bind") && (value.text() == "none" || value.text() == "no")) {
      out_.set("binding", "none", line(body_.launch_at));
      continue;
    }
    if (name == "output" || name == "error") {
      warn("FAB6108", "what ranks print stands in their logs below the run", at_launch(), "not taken: --" + name + '=' + value.text(),
           "`fabric logs RUN` shows it");
      continue;
    }
    const std::string text = value.text();
    not_taken += (not_taken.empty() ? "--" : ", --") + name + (text.empty() ? "" : '=' + text);
  }
  if (!not_taken.empty())
    warn("FAB6112", "of srun, " + not_taken + " is not taken", at_launch(), "has no place in a job",
         "`binding` says which CPUs a rank has; what a step of srun does beside that, fabric does itself");
}

void ScriptImport::output() {
  const SbatchDirective* d = directive("output");
  const SbatchDirective* error = directive("error");
  if (error && (!d || *error->value != *d->value))
    warn("FAB6108", "the batch script writes into one file, and ranks into their own", error->at, "not taken",
         "`fabric logs RUN` shows what ranks print");
  if (!d || d->value->ends_with("/dev/null")) return;
  const std::string& file = *d->value;
  if (file == "slurm-%j.out" || file == "slurm-%A_%a.out") return;
  const std::size_t folder = file.rfind('/');
  if (folder != std::string::npos && file.substr(0, folder).find('%') != std::string::npos)
    return warn("FAB6108", "a folder by pattern is made by nobody", d->at, "not taken",
                "write slurm.output, if the output of the batch script is to be elsewhere than in the run");
  const std::string start = folders().start.text;
  const bool of_chdir = start != place_.folder && !file.starts_with('/');
  out_.set(slurm_section / "output", of_chdir ? shortened_path(plain_path(start, file)) : from_job(file), line(d->at.begin));
}

void ScriptImport::environments() {
  if (!body_.modules.empty()) {
    Value names = Value::array();
    for (const ScriptPart& module : body_.modules) names.as_array().push_back(module.text);
    out_.set(slurm_section / "modules", std::move(names), line(body_.modules.front().at));
  }
  if (body_.conda) out_.set(slurm_section / "conda", body_.conda->text, line(body_.conda->at));
  else if (body_.launch && !body_.launch->conda.empty()) out_.set(slurm_section / "conda", body_.launch->conda, line(body_.launch_at));
  if (body_.venv) out_.set(slurm_section / "venv", shortened_path(body_.venv->text), line(body_.venv->at));
  const SbatchDirective* chdir = directive("chdir");
  const std::string begins = chdir ? line(chdir->at.begin) + ": where the script starts" : "where the script was submitted";
  const auto list = [&](const char* field, const std::vector<ScriptPart>& parts) {
    if (parts.empty()) return;
    Value commands = Value::array();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      commands.as_array().push_back(parts[i].text);
      const std::string& text = parts[i].text;
      const bool ours = &parts == &body_.setup && i < 3 && parts[i].at == directives_.body;
      const bool entered = std::any_of(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(i),
                                       [](const ScriptPart& part) { return part.text.starts_with("cd "); });
      out_.origins[slurm_section / field / i] = ours && text.starts_with("cd ") && !entered ? begins
                                                : ours && text == "set +e"                  ? "as a script does by itself"
                                                : ours && text.starts_with("set --")        ? "from --args"
                                                                                            : line(parts[i].at);
    }
    out_.set(slurm_section / field, std::move(commands));
  };
  list("setup", body_.setup);
  list("teardown", body_.teardown);
}

void ScriptImport::container() {
  if (!body_.launch) return;
  const LaunchLine& launch = *body_.launch;
  const BashField* image = srun_option("container-image");
  if (!image && launch.image.empty()) return;
  const std::string origin = line(body_.launch_at);
  const Path path = slurm_section / "container";
  std::string name = image ? image->text() : launch.image;
  if (is_relative_file(name, !image)) name = from_launch(name);
  out_.set(path / "image", name, origin);
  if (name.find('$') != std::string::npos || name.find('`') != std::string::npos || name.starts_with('~'))
    warn("FAB6112", "where the image is, only the shell knows", at_launch(), "`" + name + '`', "write its path into slurm.container.image");
  out_.set(path / "runtime", image ? "pyxis" : "apptainer");
  std::vector<std::string> mounts = launch.mounts;
  if (const BashField* list = srun_option("container-mounts")) {
    const std::string all = list->text();
    for (std::size_t begin = 0; begin < all.size();) {
      const std::size_t end = std::min(all.find(',', begin), all.size());
      mounts.push_back(all.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  Value list = Value::array();
  std::string open;
  for (const std::string& mount : mounts) {
    if (mount.starts_with('/') && mount.find('$') == std::string::npos && mount.find('`') == std::string::npos)
      list.as_array().push_back(mount);
    else open += (open.empty() ? "`" : ", `") + mount + '`';
  }
  if (!open.empty())
    warn("FAB6112", "what is mounted, only the shell knows", at_launch(), "not taken: " + open,
         "write /FOLDER or /FOLDER:/INSIDE into slurm.container.mounts; the folders of the run and of the program are there anyway");
  if (!list.as_array().empty()) out_.set(path / "mounts", std::move(list));
}

void ScriptImport::rest(const SbatchDirective& d) {
  const SlurmOption* option = find_slurm_option(d.name);
  if (!option || !option->own) {
    const std::string value = d.value.value_or("");
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
    const bool whole = !value.empty() && error == std::errc() && end == value.data() + value.size() && std::to_string(n) == value;
    out_.set(slurm_section / "directives" / d.name, d.value ? (whole ? Value(n) : Value(value)) : Value(true), line(d.at.begin));
    return;
  }
  for (const std::string_view silent : {"input", "gpu-bind", "tres-bind", "ntasks-per-core", "ntasks-per-socket", "gpus-per-socket",
                                        "export-file", "nodefile", "wait", "test-only"})
    if (d.name == silent)
      warn("FAB6104", "--" + d.name + " has no place in a job", d.at, "not taken",
           option->field.empty() ? "leave it" : "see `fabric explain " + std::string(option->field) + '`');
  if (d.name == "open-mode" && d.value->starts_with('t'))
    warn("FAB6104", "what an earlier start of a job wrote stays in its file", d.at, "not taken",
         "fabric writes --open-mode=append, so that a job that goes back into the queue keeps what it said: leave it");
}

}  // namespace fabric
