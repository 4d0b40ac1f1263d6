#include "compiler/compile.hpp"

#include "compiler/check_job.hpp"
#include "compiler/layers.hpp"
#include "compiler/make_plan.hpp"
#include "compiler/read_job.hpp"
#include "compiler/resolve_auto.hpp"
#include "compiler/schema_diagnostics.hpp"

namespace fabric {

Compilation check(const Request& request, const Outside& outside) {
  Compilation c;
  std::optional<Layered> layered = read_layers(request, outside, c.sources, c.origins, c.diagnostics);
  if (!layered) return c;

  check_against_schema(layered->job, c.origins, c.sources, c.diagnostics);
  // What holds between fields is judged on sound fields only.
  if (c.diagnostics.has_errors()) return c;

  CheckedJob checked;
  checked.merged = std::move(layered->job);
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
  check_job(checked.job, c.origins, c.diagnostics);
  c.checked = std::move(checked);
  return c;
}

Compilation compile(const Request& request, const Outside& outside, const std::function<Hardware(const JobSpec&, Diagnostics&)>& hardware) {
  Compilation c = check(request, outside);
  if (!c.checked || c.diagnostics.has_errors()) return c;

  const Hardware machines = hardware(c.checked->job, c.diagnostics);
  if (c.diagnostics.has_errors()) return c;
  std::optional<Resolution> resolution = resolve_auto(c.checked->job, machines, c.diagnostics);
  if (!resolution) return c;
  c.plan = make_plan(std::move(*resolution), request, c.checked->inputs, outside);
  return c;
}

}  // namespace fabric
