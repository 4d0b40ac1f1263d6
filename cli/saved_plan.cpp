#include "cli/saved_plan.hpp"

#include <algorithm>

#include "cli/outside.hpp"
#include "cli/plan_diff.hpp"
#include "cli/show_plan.hpp"
#include "schema/joined.hpp"
#include "schema/json.hpp"
#include "schema/sha256.hpp"

namespace fabric {
namespace {

constexpr std::size_t differences_shown = 20;

struct Saved {
  Value value;
  Plan plan;
  bool edited = false;  // its id is not that of its content
};

void refuse(Diagnostics& diagnostics, std::string code, std::string message, std::string help, std::vector<Note> notes = {}) {
  Diagnostic d;
  d.code = std::move(code);
  d.message = std::move(message);
  d.help = std::move(help);
  d.notes = std::move(notes);
  diagnostics.add(std::move(d));
}

std::optional<Saved> load(const std::string& name, const std::string& text, const std::string& way_out, Compilation& c) {
  const std::uint32_t source = c.sources.add({name, text, Source::Kind::file});
  const std::optional<Value> document = read_json(c.sources, source, nullptr, c.diagnostics, LargeIntegers::canonical);
  if (!document) return std::nullopt;
  const Value* id = document->find("plan_id");
  const Value* plan = document->find("plan");
  const std::string again = way_out.empty() ? "make it again with `fabric plan JOB -o " + name + "`" : way_out;
  if (!id || !id->is_string() || !plan || !plan->is_object()) {
    refuse(c.diagnostics, "FAB6003", name + " is not a saved plan", again);
    return std::nullopt;
  }
  const Value* version = plan->find("plan_version");
  if (!version || *version != Value(Plan{}.plan_version)) {
    refuse(c.diagnostics, "FAB6003", name + " has a plan version that this fabric does not know", again);
    return std::nullopt;
  }
  try {
    return Saved{*plan, from_value<Plan>(*plan), sha256_hex(canonical_json(*plan)) != id->as_string()};
  } catch (const BindingError& error) {
    refuse(c.diagnostics, "FAB6003", name + " is not a plan that this fabric can read: " + error.what(), again);
    return std::nullopt;
  }
}

// What has become of inherited variables; a digest says no more than that a value is another.
void tell_of_variables(const Plan& saved, const Plan& now, std::vector<Note>& notes) {
  const auto of = [](const Plan& plan) { return plan.groups.empty() ? std::nullopt : plan.groups.front().rank.inherited; };
  const std::optional<Inherited> before = of(saved), after = of(now);
  if (!before || !after || *before == *after) return;
  const auto lacks = [](const std::vector<std::string>& names, const std::string& name) {
    return !std::binary_search(names.begin(), names.end(), name);
  };
  std::string changes;
  const auto change = [&changes](const std::string& name, const char* how) { changes += (changes.empty() ? "" : ", ") + name + how; };
  for (const std::string& name : before->names)
    if (lacks(after->names, name)) change(name, " is gone");
  for (const std::string& name : after->names)
    if (lacks(before->names, name)) change(name, " is new");
  if (changes.empty()) changes = "the value of one of " + joined(after->names);
  notes.push_back({"inherited variables have changed: " + changes, {}});
}

std::vector<Note> notes_on(const std::vector<Difference>& all, const Plan& saved, const Plan& now) {
  std::vector<Note> notes;
  tell_of_variables(saved, now, notes);
  for (const Difference& d : all) {
    // What is looked for follows from the rest.
    if (d.path.find(".rank.inherited.") != std::string::npos || d.path.starts_with("questions[")) continue;
    if (notes.size() == differences_shown) {
      notes.push_back({"and " + std::to_string(all.size() - differences_shown) + " more", {}});
      break;
    }
    const std::string_view path = d.path;
    constexpr std::string_view head = "inputs[", tail = "].sha256";
    if (path.starts_with(head) && path.ends_with(tail))
      notes.push_back({shown_path(std::string(path.substr(head.size(), path.size() - head.size() - tail.size()))) + " has changed", {}});
    else notes.push_back({d.str(), {}});
  }
  return notes;
}

std::string remake_line(const Request& request, const std::string& name) {
  std::vector<std::string> line = command_line("plan", shown_path(request.job), request);
  line.insert(line.end(), {"-o", name});
  return shell_line(line);
}

}  // namespace

Value plan_document(const Plan& plan) {
  Value document = Value::object();
  document.set("plan_id", plan_id(plan));
  document.set("plan", to_value(plan));
  return document;
}

void refuse_saved_plan(const std::string& job) {
  if (!job.ends_with(".json")) return;
  if (const ReadFile file = read_file(job); file.text && looks_like_saved_plan(*file.text))
    throw UsageError("`" + job + "` is a saved plan and no job",
                     "`" + shell_line({"fabric", "apply", job}) + "` runs it; the job it was made of is named in it");
}

bool looks_like_saved_plan(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || text[begin] != '{') return false;
  const std::optional<Value> document = read_json(text);
  if (document) return document->find("plan_id") && document->find("plan");
  // Torn or damaged: then it is better called a bad plan than a bad job.
  return text.substr(begin).starts_with("{\"plan\":");
}

Planning plan_saved(const std::string& name, const std::string& text, const std::string& self, const std::string& way_out,
                    std::optional<std::int64_t> node_rank, const BackendOptions& options) {
  Planning p;
  const std::optional<Saved> saved = load(name, text, way_out, p.compilation);
  if (!saved) return p;
  p = plan_job(saved->plan.request, self, std::nullopt, node_rank, options);
  const std::string remake = way_out.empty() ? "look at it and save it again: " + remake_line(saved->plan.request, name) : way_out;
  // What would be planned is not known as long as not all machines answer.
  if (p.compilation.provisional) return p;
  if (!p.compilation.plan) {
    refuse(p.compilation.diagnostics, "FAB6002", name + " is stale: its job does not give a plan any more", remake);
    return p;
  }
  // In the form that a file has: there 1800.0 and 1800 are the same.
  const std::optional<Value> now = read_json(canonical_json(to_value(*p.compilation.plan)));
  const std::vector<Difference> changed = differences(saved->value, *now);
  if (saved->edited)
    refuse(p.compilation.diagnostics, "FAB6001", name + " was edited: its id is not that of its content", remake,
           notes_on(changed, saved->plan, *p.compilation.plan));
  else if (!changed.empty())
    refuse(p.compilation.diagnostics, "FAB6002", name + " is stale: planned now, it is another plan", remake,
           notes_on(changed, saved->plan, *p.compilation.plan));
  if (p.compilation.diagnostics.has_errors()) p.submission.reset();
  return p;
}

}  // namespace fabric
