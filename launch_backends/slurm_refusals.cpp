#include "launch_backends/slurm_refusals.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <string_view>
#include <system_error>

#include "launch_backends/bind_ranks.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/slurm_container.hpp"
#include "launch_backends/slurm_needs.hpp"
#include "launch_backends/slurm_options.hpp"
#include "launch_backends/slurm_srun_script.hpp"
#include "schema/joined.hpp"

namespace fabric {
namespace {

constexpr double longest_lead = 65535;            // seconds, that --signal takes
constexpr std::int64_t usual_array_limit = 1000;  // MaxArraySize is 1001 unless the site says otherwise
constexpr std::size_t longest_task = 1 << 20;     // bytes, of the two MiB that Linux gives all arguments and variables

std::string counted(std::int64_t n, const std::string& noun) { return std::to_string(n) + ' ' + noun + (n == 1 ? "" : "s"); }

class Refusals {
 public:
  Refusals(const Plan& plan, Diagnostics& diagnostics)
      : plan_(plan), job_(plan.job), slurm_(*plan.job.slurm), group_(plan.groups.front()), diagnostics_(diagnostics) {}

  void all() {
    devices();
    times();
    for (const auto& [name, value] : slurm_.directives) directive(name, value);
    output();
    array();
    dependency();
    nodes();
    memory();
    environments();
    commands(slurm_.setup, Path("slurm") / "setup");
    commands(slurm_.teardown, Path("slurm") / "teardown");
    if (slurm_.container) container();
    if (slurm_.shape == SlurmShape::srun) shape_srun();
  }

 private:
  void add(Severity severity, const char* code, std::string message, Path at, std::string label, std::string help, bool on_key = false) {
    Diagnostic d{.severity = severity, .code = code, .message = std::move(message), .label = std::move(label), .help = std::move(help)};
    d.at = Place(std::move(at), on_key);
    diagnostics_.add(std::move(d));
  }
  void refuse(const char* code, std::string message, Path at, std::string label, std::string help, bool on_key = false) {
    add(Severity::error, code, std::move(message), std::move(at), std::move(label), std::move(help), on_key);
  }
  void warn(const char* code, std::string message, Path at, std::string label, std::string help) {
    add(Severity::warning, code, std::move(message), std::move(at), std::move(label), std::move(help));
  }
  bool has_lines(const std::string& text, const Path& at) {
    if (text.find_first_of("\n\r") == std::string::npos) return false;
    refuse("FAB5203", "a value of sbatch cannot have several lines", at, "of several lines", "write it in one");
    return true;
  }

  void devices() {
    if (group_.accelerator != Accelerator::cuda) {
      if (slurm_.gpu_type)
        refuse("FAB5204", "`gpu_type` names a kind of GPU, and the job runs on CPUs", "slurm.gpu_type", "of no GPU",
               "leave it out, or write `accelerator: cuda`");
    } else if (!job_.devices.ids.empty()) {
      refuse("FAB5202", "SLURM chooses the GPUs of a job", "devices", "chosen by number",
             "write how many: `devices: " + std::to_string(job_.devices.ids.size()) + "`");
    }
    if (job_.binding != CpuBinding::none)
      refuse("FAB5207", "SLURM chooses which CPUs of a node a job gets", "binding", "chosen by number",
             "leave it out; `slurm: {directives: {hint: nomultithread}}` and the like say what is wanted of them");
    if (slurm_.cpus_per_rank && *slurm_.cpus_per_rank < job_.threads)
      warn("FAB5234", counted(job_.threads, "thread") + " of each rank share " + counted(*slurm_.cpus_per_rank, "CPU"),
           "slurm.cpus_per_rank", "fewer than threads", "write `threads: " + std::to_string(*slurm_.cpus_per_rank) + "`, or more CPUs");
  }

  void times() {
    const double lead = std::ceil(job_.stop.grace.seconds + slurm_warning);
    if (lead > longest_lead) {
      refuse("FAB5232",
             "SLURM gives notice of the end of the time 65535 seconds before at the most, and stop.grace wants " + Duration{lead}.str(),
             "stop.grace", "too long", "write at most " + Duration{longest_lead - slurm_warning}.str());
    } else if (job_.time_limit && job_.time_limit->seconds <= lead) {
      refuse("FAB5201",
             "within a time limit of " + job_.time_limit->str() +
                 " there is no time to stop in order: SLURM kills at its end, and the stop begins " + Duration{lead}.str() + " before",
             "time_limit", "too short",
             "write more than " + Duration{lead}.str() + ", or a shorter stop.grace than " + job_.stop.grace.str());
    }
  }

  void directive(const std::string& name, const Value& value) {
    const Path at = Path("slurm") / "directives" / name;
    const SlurmOption* option = find_slurm_option(name);
    if (!option) {
      const SlurmOption* meant = name.size() == 1 ? find_slurm_option(name.front()) : nullptr;
      const bool letter = meant != nullptr;
      if (!meant) meant = abbreviated_slurm_option(name);
      if (!meant) return;  // a plug-in of the site may know it
      const std::string whole(meant->name);
      refuse("FAB5220",
             letter ? "`" + name + "` is the short form of `" + whole + '`' : "sbatch would take `" + name + "` for `" + whole + '`', at,
             letter ? "a letter" : "not the whole name",
             !meant->own            ? "write `" + whole + '`'
             : meant->field.empty() ? "leave it out"
                                    : "write " + std::string(meant->field),
             true);
      return;
    }
    const bool resources = name == "gres" && value.is_string() && !value.as_string().empty();
    if (resources && has_lines(value.as_string(), at)) return;
    if (resources && !asks_for_gpus(value.as_string())) return;
    if (option->own) {
      const std::string field(option->field);
      refuse("FAB5205", field.empty() ? "the script could not do with `" + name + '`' : "`" + name + "` is written by fabric", at,
             "not for directives", field.empty() ? "leave it out" : "write " + field + " instead; see `fabric explain " + field + '`',
             true);
      return;
    }
    if (value.is_string() && has_lines(value.as_string(), at)) return;
    if (value == Value(true) && option->value == OptionValue::needed)
      refuse("FAB5221", "--" + name + " needs a value", at, "has none",
             "write what sbatch is to be told; `man sbatch` tells what it takes");
    if (!value.is_bool() && option->value == OptionValue::none)
      refuse("FAB5221", "--" + name + " takes no value", at, "has one", "write `" + name + ": true`");
  }

  void output() {
    const std::string output = slurm_output(plan_);
    const Path at = "slurm.output";
    if (has_lines(output, at)) return;
    const std::size_t folder = output.rfind('/');
    bool by_job = false, by_index = false;
    for (std::size_t i = 0; i < output.size(); ++i) {
      if (output[i] != '%') continue;
      const std::size_t begin = i++;
      while (i < output.size() && output[i] >= '0' && output[i] <= '9') ++i;
      const char sign = i < output.size() ? output[i] : 0;
      if (sign == 0 || std::string_view("%AaJjNnstux").find(sign) == std::string_view::npos)
        return refuse("FAB5222",
                      "sbatch knows no pattern `" + output.substr(begin, i + 1 - begin) + "`, and would write a file of that name", at,
                      "stays as it is", "write %j (the job), %x (its name), %A and %a (array and index), %u, %N, or %% for a percent sign");
      if (sign != '%' && folder != std::string::npos && begin < folder)
        return refuse("FAB5224",
                      "a folder whose name is a pattern is made by nobody, and a job whose output has no folder dies without a word", at,
                      "in a folder", "write the folder by its name, and patterns behind the last /");
      by_job = by_job || sign == 'j' || sign == 'J';
      by_index = by_index || sign == 'a';
    }
    if (slurm_.array && !by_job && !by_index)
      refuse("FAB5223", "all indices of the array write into one file", at, "the same for all", "put %A_%a into its name");
    if (!slurm_.array && by_index)
      refuse("FAB5223", "%a is the index of an array, and the job is none: SLURM writes 4294967294", at, "no array",
             "write %j, the number of the job");
  }

  void array() {
    if (!slurm_.array) return;
    const Path at = "slurm.array";
    const std::string list = slurm_.array->substr(0, slurm_.array->find('%'));
    std::int64_t highest = 0;
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t end = std::min(list.find(',', begin), list.size());
      const std::string part = list.substr(begin, end - begin);
      begin = end + 1;
      std::int64_t numbers[3] = {0, 0, 1};
      const char *next = part.data(), *last = part.data() + part.size();
      bool readable = true;
      for (std::int64_t& number : numbers) {
        const auto [stop, error] = std::from_chars(next, last, number);
        readable = readable && error == std::errc();
        next = stop;
        if (next == last) break;
        ++next;
      }
      const bool is_range = part.find('-') != std::string::npos;
      if (!readable || (is_range && numbers[1] < numbers[0]) || numbers[2] == 0)
        return refuse("FAB5226", "`" + part + "` is no range of indices", at, "does not go up",
                      "write the smaller index first, as in 0-9 or 0-8:2");
      highest = std::max({highest, numbers[0], is_range ? numbers[1] : 0});
    }
    if (highest > usual_array_limit)
      warn("FAB5227",
           "a cluster takes indices up to " + std::to_string(usual_array_limit) + " unless it was set up for more, and refuses the job", at,
           "goes up to " + std::to_string(highest),
           "`scontrol show config | grep MaxArraySize` shows the limit there; or share the work out over smaller arrays");
    if (job_.main_port)
      refuse("FAB5243", "all indices of the array would meet at port " + std::to_string(*job_.main_port), "main_port", "the same for all",
             "leave it out: each start gets a port of its own");
    if (!is_inherited(group_.rank, "SLURM_ARRAY_TASK_ID"))
      refuse("FAB5208", "the runs of an array differ by SLURM_ARRAY_TASK_ID, and ranks would not see it", "program.inherit", "without it",
             "write `inherit: [SLURM_ARRAY_TASK_ID]`, with what else they need");
    if (job_.checkpoint.path)
      refuse("FAB5209", "each run of an array would find the checkpoints of all of them", "checkpoint.path", "the same for all",
             "leave it out, and let the program say what it has saved, by FABRIC_EVENTS: {\"kind\": \"checkpoint\", \"path\": ...}");
  }

  void dependency() {
    if (!slurm_.dependency) return;
    const Path at = "slurm.dependency";
    const std::string& text = *slurm_.dependency;
    const bool all = text.find(',') != std::string::npos, any = text.find('?') != std::string::npos;
    if (all && any)
      return refuse("FAB5225", "SLURM takes `,` (all of them) and `?` (any of them) for the same when both are written: any", at, "both",
                    "write one of the two throughout");
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find_first_of(",?", begin), text.size());
      const std::string part = text.substr(begin, end - begin);
      begin = end + 1;
      const std::size_t colon = part.find(':');
      const std::string kind = part.substr(0, colon);
      const bool takes_jobs = kind == "after" || kind == "afterany" || kind == "afterok" || kind == "afternotok" || kind == "aftercorr" ||
                              kind == "afterburstbuffer";
      if (!takes_jobs && kind != "singleton")
        return refuse(
            "FAB5225", "SLURM knows no dependency `" + kind + '`', at, "not known",
            "write after, afterany, afterok, afternotok, aftercorr or afterburstbuffer with jobs (afterok:1234:1235), or singleton");
      if (takes_jobs == (colon == std::string::npos))
        return refuse(
            "FAB5225",
            takes_jobs ? "`" + kind + "` needs the number of a job" : "`singleton` takes no job: it is about jobs of the same name", at,
            takes_jobs ? "after which job" : "has one", takes_jobs ? "write for example " + kind + ":1234" : "write `singleton` alone");
      if (kind == "aftercorr" && !slurm_.array)
        return refuse("FAB5225", "`aftercorr` is about the same index of two arrays, and this job is none", at, "no array",
                      "write afterok");
    }
  }

  // n[01-04],m7: five. Nothing for what is written in another way.
  static std::optional<std::int64_t> nodes_in(const std::string& list) {
    std::int64_t count = 0;
    for (std::size_t at = 0; at < list.size();) {
      std::size_t end = list.find_first_of(",[", at);
      if (end == std::string::npos || list[end] == ',') {
        ++count;
        at = end == std::string::npos ? list.size() : end + 1;
        continue;
      }
      const std::size_t close = list.find(']', end);
      if (close == std::string::npos || (close + 1 < list.size() && list[close + 1] != ',')) return std::nullopt;
      for (std::size_t begin = end + 1; begin < close;) {
        const std::size_t stop = std::min(list.find(',', begin), close);
        std::int64_t first = 0, last = 0;
        const auto read = [&](std::size_t from, std::size_t to, std::int64_t& number) {
          const auto [next, error] = std::from_chars(list.data() + from, list.data() + to, number);
          return error == std::errc() && next == list.data() + to;
        };
        const std::size_t dash = std::min(list.find('-', begin), stop);
        if (!read(begin, dash, first) || (dash < stop ? !read(dash + 1, stop, last) : (last = first, false)) || last < first)
          return std::nullopt;
        count += last - first + 1;
        begin = stop + 1;
      }
      at = close + 2;
    }
    return count;
  }

  void nodes() {
    if (!slurm_.nodelist) return;
    const std::optional<std::int64_t> named = nodes_in(*slurm_.nodelist);
    if (named && *named > job_.num_nodes)
      refuse("FAB5231", "the job has " + counted(job_.num_nodes, "node") + ", and " + std::to_string(*named) + " must be among them",
             "slurm.nodelist", "names " + std::to_string(*named), "name fewer, or write `num_nodes: " + std::to_string(*named) + '`');
  }

  void memory() {
    if (slurm_.exclusive && !slurm_.mem)
      warn("FAB5233", "with `exclusive` a job gets all CPUs and GPUs of its nodes, and of their memory the cluster's default",
           "slurm.exclusive", "not of memory", "write `mem: all` beside it");
    if (!slurm_.mem || slurm_.mem->find('K') == std::string::npos) return;
    std::int64_t kibibytes = 0;
    std::from_chars(slurm_.mem->data(), slurm_.mem->data() + slurm_.mem->size(), kibibytes);
    const std::int64_t mebibytes = (kibibytes + 1023) / 1024;
    if (kibibytes % 1024)
      warn("FAB5235", "SLURM counts memory in MiB: " + *slurm_.mem + " becomes " + std::to_string(mebibytes) + "MiB", "slurm.mem",
           "rounded up", "write `mem: " + std::to_string(mebibytes) + "MiB`");
  }

  void environments() {
    if (slurm_.conda && slurm_.venv)
      refuse("FAB5228", "of two environments of Python the later one would win", "slurm.venv", "beside conda", "leave one of them out");
  }

  void command(const std::string& text, const Path& at) {
    for (const std::string_view mark : {"#SBATCH", "#PBS", "#BSUB"})
      if (text.starts_with(mark))
        return refuse("FAB5230", "sbatch reads no option behind the first command", at, "is not read",
                      "write it under slurm.directives, or as the field that it is");
  }

  // The whole script would be none: bash reads a command to its end before it runs it.
  void commands(const std::vector<std::string>& list, const Path& at) {
    if (list.empty()) return;
    for (std::size_t i = 0; i < list.size(); ++i) command(list[i], at / i);
    std::string why = complaint_of_bash(joined(list, "\n"));
    if (why.empty()) return;
    // The last one from which on there is something wrong, while all before it is whole.
    std::size_t culprit = list.size();
    while (culprit-- > 0) {
      const auto here = list.begin() + static_cast<std::ptrdiff_t>(culprit);
      const std::string rest = complaint_of_bash(joined({here, list.end()}, "\n"));
      if (rest.empty() || !complaint_of_bash(joined({list.begin(), here}, "\n")).empty()) continue;
      why = rest;
      break;
    }
    culprit = std::min(culprit, list.size() - 1);
    refuse("FAB5246", "bash cannot read `" + list[culprit].substr(0, list[culprit].find('\n')) + "`: " + why, at / culprit,
           "is no whole command", "the items of the list are lines of the batch script, and end with the list");
  }

  // Why it is no whole command; empty: it is one, or there is no bash here.
  static std::string complaint_of_bash(const std::string& text) {
    const std::size_t slashes = text.size() - std::min(text.find_last_not_of('\\') + 1, text.size());
    if (slashes % 2 == 1) return "a \\ at the end goes on with the next line";
    ProcessStart bash;
    bash.argv = {"bash", "-n"};
    if (text.find("extglob") != std::string::npos) bash.argv = {"bash", "-O", "extglob", "-n"};
    bash.env = own_environment();
    try {
      const ProgramResult result = run_program(std::move(bash), text + '\n', std::size_t{1} << 16, std::chrono::seconds(10));
      // Of a here-document without its end it only warns.
      if ((result.status.good() && result.errors.find("here-document") == std::string::npos) || result.timed_out) return "";
      const std::string said = result.errors.substr(0, result.errors.find('\n'));
      return said.substr(said.starts_with("bash: ") ? std::string_view("bash: ").size() : 0);
    } catch (const std::system_error&) {
      return "";
    }
  }

  void container() {
    const Container& container = *slurm_.container;
    for (std::size_t i = 0; i < container.mounts.size(); ++i) {
      const std::string& mount = container.mounts[i];
      const std::size_t colon = mount.find(':');
      const bool whole = mount.starts_with('/') && (colon == std::string::npos || (colon + 1 < mount.size() && mount[colon + 1] == '/'));
      if (!whole || mount.find(',') != std::string::npos)
        refuse("FAB5241", "`" + mount + "` cannot be mounted", Path("slurm") / "container" / "mounts" / i,
               whole ? "holds a comma" : "no whole path", "write /FOLDER, or /FOLDER:/INSIDE");
    }
    const std::vector<std::string> mounts = container_mounts(plan_);
    for (std::size_t i = container.mounts.size(); i < mounts.size(); ++i)
      if (mounts[i].find(',') != std::string::npos || std::count(mounts[i].begin(), mounts[i].end(), ':') > 1)
        return refuse("FAB5241", "the folder of the program cannot be mounted: " + mounts[i].substr(0, mounts[i].size() / 2),
                      job_.program && job_.program->cwd ? "program.cwd" : "slurm.container", "a name with a comma or a colon",
                      "give the folder another name");
  }

  void shape_srun() {
    if (slurm_.fabric)
      refuse("FAB5247", "in the shape `srun` nothing of fabric runs on the nodes", "slurm.fabric", "is not used",
             "leave it out, or write `shape: agent`");
    const auto by_agent = [&](const char* code, std::string message, const char* field, std::string help) {
      refuse(code, std::move(message), field, "needs an agent", std::move(help));
    };
    if (job_.restart.max > 0)
      by_agent("FAB5236", "in the shape `srun` nobody is there to start the ranks again", "restart",
               "leave it out, or write `shape: agent`; `requeue: true` puts the job back into the queue after a node has failed");
    if (job_.stall)
      by_agent("FAB5237", "in the shape `srun` nobody notices that all ranks are silent", "stall", "leave it out, or write `shape: agent`");
    if (group_.rank.env_file)
      by_agent("FAB5238", "in the shape `srun` nobody reads a file of variables", "program.env_file",
               "write `shape: agent`, or read it in the batch script: setup: [\"set -a\", \"source FILE\", \"set +a\"]");
    for (const auto& [name, text] : group_.rank.env) {
      if (!is_kept_by_bash(name)) continue;
      const bool of_program = job_.program && job_.program->env.contains(name);
      refuse("FAB5239", "in the shape `srun` bash starts the ranks, and keeps `" + name + "` for itself",
             of_program ? Path("program") / "env" / name : Path("env") / name, "not for a rank",
             "give it another name, or write `shape: agent`");
    }
    if (const std::size_t size = size_of_srun_task(plan_); size > longest_task)
      refuse("FAB5240",
             "in the shape `srun` arguments and variables of a rank travel as arguments of srun, which cannot be of " +
                 std::to_string(size >> 10) + " KiB",
             job_.program ? "program" : "env", "too long", "write `shape: agent`, or put them into a file that the program reads");
    if (job_.time_limit && std::fmod(job_.time_limit->seconds, 60) != 0)
      warn("FAB5242",
           "SLURM counts minutes: " + job_.time_limit->str() + " becomes " + Duration{60 * std::ceil(job_.time_limit->seconds / 60)}.str(),
           "time_limit", "rounded up", "write whole minutes, or `shape: agent`, which keeps the time itself");
  }

  const Plan& plan_;
  const ResolvedJob& job_;
  const Slurm& slurm_;
  const NodeGroup& group_;
  Diagnostics& diagnostics_;
};

}  // namespace

void refuse_for_slurm(const Plan& plan, Diagnostics& diagnostics) { Refusals(plan, diagnostics).all(); }

std::vector<Question> questions_for_slurm(const Plan& plan) {
  std::vector<Question> questions;
  if (const std::string folder = slurm_output_folder(plan); !folder.empty())
    questions.push_back({QuestionKind::is_directory, folder, "slurm.output"});
  if (const std::optional<Container>& container = plan.job.slurm->container; container && container_image_is_file(*container))
    questions.push_back({QuestionKind::is_file, container_image(plan), "slurm.container.image"});
  return questions;
}

}  // namespace fabric
