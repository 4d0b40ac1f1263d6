#include "compiler/compile.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "compiler/check_job.hpp"
#include "compiler/choose_hosts.hpp"
#include "compiler/layers.hpp"
#include "compiler/make_plan.hpp"
#include "compiler/read_job.hpp"
#include "compiler/resolve_auto.hpp"
#include "compiler/resolve_code.hpp"
#include "compiler/schema_diagnostics.hpp"

namespace fabric {
namespace {

bool is_within(const Path& path, const Path& outer) {
  return path.steps().size() >= outer.steps().size() && std::equal(outer.steps().begin(), outer.steps().end(), path.steps().begin());
}

// Takes the value at path out of its map; a list that holds it goes as a whole.
void take_out(Value& value, const Path& path) {
  Value* at = &value;
  for (std::size_t i = 0; at && i < path.steps().size(); ++i) {
    const auto* key = std::get_if<std::string>(&path.steps()[i]);
    if (!key) return;
    const bool last = i + 1 == path.steps().size() || std::holds_alternative<std::size_t>(path.steps()[i + 1]);
    if (last) {
      at->erase(*key);
      return;
    }
    at = at->find(*key);
  }
}

// Whether a complaint may only follow from what was refused: it is about that, or about the section in which it stood.
bool follows_from(const Diagnostic& d, const std::vector<Path>& refused) {
  const auto about = [&](const Place& place) {
    if (!place.path) return false;
    // That a job has nothing to run is shown at its first line.
    const Path section = d.code == "FAB3002" ? Path() : *place.path;
    return std::any_of(refused.begin(), refused.end(), [&](const Path& r) {
      // A program whose command was refused says what to start all the same.
      const bool of_program = d.code == "FAB3040" && is_within(r, Path("program"));
      return of_program || is_within(*place.path, r) || r.parent() == section;
    });
  };
  return about(d.at) || std::any_of(d.notes.begin(), d.notes.end(), [&](const Note& note) { return about(note.at); });
}

// What holds between fields, and the questions that the place of the run has to answer.
std::optional<ProgramStart> check_the_job(const JobSpec& job, const std::string& folder, const Outside& outside, Compilation& c,
                                          Diagnostics& diagnostics) {
  check_job(job, c.origins, diagnostics);
  if (job.train) c.questions = questions_of(*job.train, outside.worker);
  if (!job.program || job.train) return std::nullopt;
  ProgramStart start = resolve_program(job, folder, outside, c.sources, c.origins, diagnostics);
  c.questions = start.questions;
  return start;
}

// What else is wrong, judged without the parts that were refused, so that a user sees all errors in one go.
void check_the_rest(Value job, std::vector<Path> refused, const std::string& folder, const Outside& outside, Compilation& c) {
  for (const Path& path : refused) take_out(job, path);
  job.erase("extends");
  job.erase("profiles");
  fill_defaults(job);
  std::optional<JobSpec> rest;
  for (int sections = 0; !rest; ++sections) try {
      rest = read_job(job);
    } catch (const BindingError& error) {
      // Something that its section cannot do without is among the refused.
      if (error.path.steps().size() < 2 || sections == 10) return;
      const Path section = error.path.parent();
      take_out(job, section);
      refused.push_back(section);
    }
  c.backend = rest->backend;
  Diagnostics more;
  check_the_job(*rest, folder, outside, c, more);
  for (const Diagnostic& d : more.all())
    if (!follows_from(d, refused)) c.diagnostics.add(d);
  std::erase_if(c.questions, [&refused](const Question& q) {
    const Path field = Path::parse(q.field).value_or(Path());
    return std::any_of(refused.begin(), refused.end(), [&field](const Path& r) { return is_within(field, r); });
  });
}

// Ranks would have it from here; of hosts that ssh reaches each has its own.
void tell_of_inherited_threads(const JobSpec& job, const Plan& plan, const Outside& outside, Diagnostics& diagnostics) {
  constexpr std::string_view name = "OMP_NUM_THREADS";
  const std::string inherited = outside.environment ? outside.environment(std::string(name)) : "";
  if (inherited.empty() || !is_auto(job.threads) || job.backend == BackendName::ssh) return;
  if (!is_inherited(plan.groups.front().rank, name)) return;
  const std::optional<std::int64_t> wanted = threads_in(inherited);
  if (wanted == plan.job.threads) return;
  const std::string written = std::to_string(wanted.value_or(0));
  diagnostics.add(
      {.severity = Severity::warning,
       .code = "FAB3052",
       .message = "OMP_NUM_THREADS is `" + inherited + "` in the environment, and each rank gets " + std::to_string(plan.job.threads),
       .at = Place(Path("threads")),
       .label = "chosen by fabric",
       .help = wanted ? "`threads: " + written + "` in the job, or --set threads=" + written + ", keeps it"
                      : "write `threads` in the job, or unset the variable"});
}

}  // namespace

Compilation check(const Request& request, const Outside& outside) {
  Compilation c;
  std::optional<Layered> layered = read_layers(request, outside, c.sources, c.origins, c.diagnostics);
  if (!layered) return c;
  c.extended = std::move(layered->extended);

  const std::vector<Path> refused = check_against_schema(layered->job, c.origins, c.sources, c.diagnostics);
  if (c.diagnostics.has_errors()) {
    check_the_rest(std::move(layered->job), refused, layered->folder, outside, c);
    return c;
  }

  CheckedJob checked;
  checked.merged = std::move(layered->job);
  checked.merged.erase("extends");
  checked.merged.erase("profiles");
  fill_defaults(checked.merged);
  try {
    checked.job = read_job(checked.merged);
  } catch (const BindingError& error) {
    // What no schema can say, such as a device that is named twice in a text.
    c.diagnostics.add({.code = "FAB2006",
                       .message = error.what(),
                       .at = Place(error.path),
                       .label = "cannot be read",
                       .help = "see `fabric explain " + error.path.str() + "`"});
    return c;
  }
  checked.inputs = std::move(layered->inputs);
  c.backend = checked.job.backend;
  choose_hosts(checked.job, outside, c.sources, checked.inputs, checked.decisions, c.diagnostics);
  checked.start = check_the_job(checked.job, layered->folder, outside, c, c.diagnostics);
  if (checked.start) {
    for (const Input& input : checked.start->inputs) checked.inputs.push_back(input);
    if (const Value* word = checked.merged.find("accelerator"); word && !is_auto(checked.job.accelerator))
      checked.start->accelerator = word->as_string();
  }
  c.checked = std::move(checked);
  return c;
}

Compilation compile(const Request& request, const Outside& outside, const std::function<Hardware(const JobSpec&, Diagnostics&)>& hardware) {
  Compilation c = check(request, outside);
  if (!c.checked || c.diagnostics.has_errors()) return c;

  const BackendRules rules = rules_of(outside, c.checked->job);
  const Hardware machines = hardware(c.checked->job, c.diagnostics);
  c.provisional = machines.source == partly_seen_hardware;
  if (c.diagnostics.has_errors() && (!c.provisional || machines.groups.empty())) return c;
  // What does not go with machines that nobody has seen may go with them all the same.
  Diagnostics unsaid;
  std::optional<Resolution> resolution = resolve_auto(c.checked->job, machines, c.provisional ? unsaid : c.diagnostics, rules);
  if (!resolution) return c;
  resolution->decisions.insert(resolution->decisions.end(), c.checked->decisions.begin(), c.checked->decisions.end());
  Diagnostics of_code;
  resolve_code(c.checked->job, rules, std::filesystem::path(request.job).parent_path().string(), *resolution, c.questions, outside,
               of_code);
  for (const Diagnostic& d : of_code.all()) c.diagnostics.add(d);
  if (of_code.has_errors()) return c;
  c.plan = make_plan(std::move(*resolution), request, c.checked->inputs, c.checked->start, c.questions, outside);
  tell_of_inherited_threads(c.checked->job, *c.plan, outside, c.diagnostics);
  return c;
}

}  // namespace fabric
