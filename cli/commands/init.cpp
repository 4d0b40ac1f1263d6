#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cli/command_line_job.hpp"
#include "cli/commands/commands.hpp"
#include "cli/first_job.hpp"
#include "cli/outside.hpp"
#include "cli/planning.hpp"
#include "cli/render_diagnostics.hpp"
#include "cli/show_hardware.hpp"
#include "cli/show_plan.hpp"
#include "launch_backends/make_launch_backend.hpp"
#include "launch_backends/process.hpp"
#include "schema/catalog.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

constexpr Option init_options[] = {
    {"-o,--output", "FILE", "The job file to write; job.yaml by default."},
    {"--data", "DIR", "Without SCRIPT: a folder in MNIST's format, for fabric's own runtime to train on."},
    {"--force", "", "Replace FILE if it is there."},
    {"--hardware", "FILE", "Write it for the machine that FILE describes (see fabric probe) and not for this one."},
    format_option,
};

constexpr Example init_examples[] = {
    {"fabric init train.py", "a job.yaml for that script on this machine"},
    {"fabric init train.py -o jobs/big.yaml --hardware gpu-box.json", "elsewhere, for a machine recorded with `fabric probe`"},
    {"fabric init --data /usr/share/datasets/fashion-mnist", "a job for fabric's own runtime"},
};

struct Places {
  fs::path here = fs::current_path();
  fs::path file;    // absolute
  fs::path folder;  // of the job file

  // As the job file is to name it.
  std::string from_file(const fs::path& path) const {
    const fs::path whole = (here / path).lexically_normal();
    std::string relative = whole.lexically_relative(folder).string();
    while (relative.size() > 1 && relative.ends_with('/')) relative.pop_back();
    return relative.empty() ? whole.string() : relative;
  }
};

std::optional<Host> host_of(const Invocation& invocation, Compilation& c) {
  std::optional<Hardware> hardware;
  if (const auto file = invocation.arguments.value("hardware")) hardware = read_hardware(*file, c.sources, c.origins, c.diagnostics);
  else hardware = make_launch_backend(BackendName::local, invocation.self)->probe({}, c.diagnostics);
  if (hardware && invocation.arguments.has("hardware")) is_one_machine(*hardware, *invocation.arguments.value("hardware"), c.diagnostics);
  report(invocation, c);
  if (!hardware || c.diagnostics.has_errors()) return std::nullopt;
  return hardware->groups.front().host;
}

bool is_environment(const fs::path& folder) { return is_executable_file((folder / "bin" / "python").string()); }

void take_script(const std::string& script, const Places& places, FirstJob& job) {
  const fs::path path = (places.here / script).lexically_normal();
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    throw UsageError("there is no script `" + script + "`", "give a Python script or a program by its path, as in `fabric init train.py`");
  job.name = job_name_after(script);
  if (places.here != places.folder) job.cwd = places.from_file(".");
  if (path.extension() == ".yaml" || path.extension() == ".yml" || path.extension() == ".jsonnet" || path.extension() == ".json")
    throw UsageError("`" + script + "` is no script: it looks like a job", "`fabric plan " + script + "` shows what it would run");
  if (path.extension() != ".py") {
    if (!is_executable_file(path.string()))
      throw UsageError("`" + script + "` is neither a Python script nor a program that may be executed",
                       "name a script .py, or allow it with `chmod +x " + script + "`");
    job.command = places.from_file(script);
    if (job.command.find('/') == std::string::npos) job.command.insert(0, "./");
    return;
  }
  const ReadFile text = read_file(path.string());
  if (!text.text) throw UsageError("cannot read `" + script + "`: " + text.error, "give a script that can be read");
  job.look = look_at_script(*text.text);
  job.script = places.from_file(script);
  // What is active is what a user means, and the default.
  const char* active = std::getenv("VIRTUAL_ENV");
  if (active && *active) return;
  for (const fs::path& folder : {path.parent_path(), places.here})
    for (const char* name : {".venv", "venv"})
      if (job.python.empty() && is_environment(folder / name)) job.python = places.from_file(folder / name);
}

void take_data(const std::string& data, const Places& places, FirstJob& job) {
  const fs::path path = (places.here / data).lexically_normal();
  std::error_code error;
  if (!fs::is_directory(path, error)) throw UsageError("`--data " + data + "` is no folder", "give the folder of a data set");
  for (const std::string_view name : idx_files)
    if (!fs::exists(path / name, error) && !fs::exists(path / (std::string(name) + ".gz"), error))
      throw UsageError("`--data " + data + "` has no " + std::string(name) + ", plain or with .gz behind its name",
                       "a data set of MNIST's format has four files: see `fabric explain train.data.path`");
  job.name = job_name_after(path.filename().empty() ? path.parent_path().filename().string() : path.filename().string());
  // A data set is most often elsewhere, and stays there when a project moves.
  const std::string from_file = places.from_file(data);
  job.data = from_file.starts_with("..") ? path.string() : from_file;
}

void write_new_file(const std::string& name, const Places& places, const std::string& text, bool force) {
  const std::string path = places.file.string();
  const auto there = [&name] {
    return UsageError("`" + name + "` is there already", "give another name with -o, or --force to replace it");
  };
  std::error_code error;
  if (fs::is_directory(places.file, error)) throw UsageError("`" + name + "` is a folder", "give the name of a file, as in -o job.yaml");
  if (!fs::is_directory(places.folder, error))
    throw UsageError("there is no folder " + shown_path(places.folder.string()), "make it, or write elsewhere with -o");
  if (force) return write_file(path, text);
  if (fs::exists(fs::symlink_status(places.file, error))) throw there();
  // Whole under another name first; a link to that takes no name that has come into being meanwhile.
  const std::string whole = path + '.' + std::to_string(getpid());
  write_file(whole, text);
  const bool linked = link(whole.c_str(), path.c_str()) == 0;
  const int why = errno;
  unlink(whole.c_str());
  if (!linked && why == EEXIST) throw there();
  // A file system without links.
  if (!linked) write_file(path, text);
}

int run_init(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  const auto data = arguments.value("data");
  if (!arguments.operand && !data)
    throw UsageError("`fabric init` needs a SCRIPT, or --data DIR for fabric's own runtime", "for example: fabric init train.py");
  if (arguments.operand && data)
    throw UsageError("a job starts a script or trains on --data, not both",
                     "leave one of them out; a script gets its data by its arguments");
  const std::string name = arguments.value("output").value_or("job.yaml");
  if (!name.ends_with(".yaml") && !name.ends_with(".yml"))
    throw UsageError("`" + name + "` is no name of a YAML file", "give one that ends in .yaml");
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }))
    throw UsageError("the name of the file holds a control character", "give another one by -o");
  Places places;
  places.file = (places.here / name).lexically_normal();
  places.folder = places.file.parent_path();

  FirstJob job;
  if (data) take_data(*data, places, job);
  else take_script(*arguments.operand, places, job);
  Compilation c;
  const std::optional<Host> host = host_of(invocation, c);
  if (!host) return exit_with(arguments.has("hardware") ? ExitCode::bad_file : ExitCode::unresolved);
  job.host = *host;
  job.file = shell_line({name});
  write_new_file(name, places, first_job_text(job), arguments.has("force"));

  const Terminal& out = invocation.console.out;
  const std::string next = shell_line({"fabric", "plan", name});
  if (arguments.value("format") == "json") {
    Value document = Value::object();
    document.set("file", places.file.string());
    document.set("next", next);
    out.write(pretty_json(document) + '\n');
    return exit_with(ExitCode::success);
  }
  out.write("wrote " + sanitised(name) + ": " + first_job_summary(job) +
            "\n\nSee what it would run:  " + out.paint(Style::accent, sanitised(next)) + '\n');
  return exit_with(ExitCode::success);
}

}  // namespace

const Command init_command{
    .name = "init",
    .summary = "write a first job file for a script or a data set",
    .about =
        "Looks at the script, or at the data set, and at this machine, and writes a job file whose every line says why it is there: devices, "
        "contract, interpreter. The look at a script suggests and never decides: read the file, and change what is wrong. An existing "
        "file is left alone.",
    .operand = Operand{"SCRIPT", "a Python script, or another program", false},
    .options = init_options,
    .examples = init_examples,
    .run = run_init,
};

}  // namespace fabric
