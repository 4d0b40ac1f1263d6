#include "cli/commands/commands.hpp"
#include "cli/explain_field.hpp"
#include "compiler/spelling.hpp"

namespace fabric {
namespace {

constexpr Example examples[] = {
    {"fabric explain", "all fields of a job, as a tree"},
    {"fabric explain train.batch_size", "one field; `batch_size` is enough where only one has that name"},
};

UsageError unknown(const std::string& asked) {
  std::vector<std::string> paths, names, homonyms;
  for (const FieldNames& field : all_fields()) {
    paths.push_back(dotted(field));
    names.push_back(field.back());
    if (field.back() == asked) homonyms.push_back(paths.back());
  }
  if (!homonyms.empty()) {
    std::string help = "write one of";
    for (const std::string& path : homonyms) help += ' ' + path;
    return {"several fields are called `" + asked + "`", help};
  }
  std::optional<std::string> meant = closest(asked, paths);
  if (!meant) meant = closest(asked, names);
  return {"`" + asked + "` is not a field of a job", meant ? "did you mean `fabric explain " + *meant + "`?" : "`fabric explain` lists all fields"};
}

int run(const Invocation& invocation) {
  const Terminal& out = invocation.console.out;
  const std::optional<std::string>& asked = invocation.arguments.operand;
  if (!asked) {
    out.write(fields_tree(out));
    return exit_with(ExitCode::success);
  }
  const std::optional<FieldNames> field = find_field(*asked);
  if (!field) throw unknown(*asked);
  out.write(explain_field(*field, out));
  return exit_with(ExitCode::success);
}

}  // namespace

const Command explain_command{
    .name = "explain",
    .summary = "say what a field of a job means, or list all of them",
    .about = "Shows what the job schema says of a field: what it is for, its type, unit, default and choices, what `auto` does, and an example.",
    .operand = Operand{"FIELD", "a field, such as train.optimizer.lr", false},
    .options = {},
    .examples = examples,
    .run = run,
};

}  // namespace fabric
