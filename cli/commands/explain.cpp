#include <algorithm>

#include "cli/commands/commands.hpp"
#include "cli/explain_field.hpp"
#include "schema/catalog.hpp"
#include "schema/diagnostic_codes.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

constexpr Option explain_options[] = {
    {"--markdown", "", "All fields, as the page docs/job-file.md."},
};

constexpr Example explain_examples[] = {
    {"fabric explain", "all fields of a job, as a tree"},
    {"fabric explain train.batch_size", "one field; `batch_size` is enough where only one has that name"},
    {"fabric explain FAB2003", "what an error means, with a wrong and a right file"},
};

// A text of the catalogue, where a new line is written \n, as an indented block.
std::string block(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = text.find("\\n");
    out += "    " + std::string(text.substr(0, end)) + '\n';
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  }
  return out;
}

std::string explain_code(const DiagnosticCode& code, const Terminal& terminal) {
  std::string text = terminal.paint(Style::strong, code.code) + "  " + std::string(code.title) + "\n\n";
  for (const std::string& line : wrapped(code.text, std::min<std::size_t>(terminal.width, 100) - 2)) text += "  " + line + '\n';
  if (!code.bad.empty()) text += '\n' + terminal.paint(Style::error, "  Wrong") + '\n' + block(code.bad);
  if (!code.mended.empty()) text += '\n' + terminal.paint(Style::good, "  Right") + '\n' + block(code.mended);
  return text;
}

bool looks_like_code(const std::string& asked) { return asked.size() > 3 && (asked.starts_with("FAB") || asked.starts_with("fab")); }

UsageError unknown(const std::string& asked) {
  if (looks_like_code(asked))
    return {"`" + asked + "` is not an error code of fabric", "codes look like FAB2003; every error shows its own"};
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
  const std::string last = asked.substr(asked.rfind('.') + 1);
  if (const std::optional<PeerWord> peer = peer_word(last)) {
    const std::string hint(peer->hint);
    if (peer->path.empty()) return {"`" + asked + "` is not a field of a job", hint};
    return {"`" + asked + "` is not a field of a job",
            "did you mean `fabric explain " + std::string(peer->path) + "`?" + (hint.empty() ? "" : " " + hint)};
  }
  // A variable of env and a profile have names of the user's own.
  for (const std::string open : {"env", "profiles"})
    if (asked.starts_with(open + '.'))
      return {"`" + asked + "` is a name that a job gives", "`fabric explain " + open + "` says what stands there"};
  std::optional<std::string> meant = closest(asked, paths);
  for (std::size_t i = 0; !meant && i < names.size(); ++i)
    if (names[i] == last) meant = paths[i];
  if (!meant) meant = closest(asked, names);
  return {"`" + asked + "` is not a field of a job",
          meant ? "did you mean `fabric explain " + *meant + "`?" : "`fabric explain` lists all fields"};
}

int run_explain(const Invocation& invocation) {
  const Terminal& out = invocation.console.out;
  const std::optional<std::string>& asked = invocation.arguments.operand;
  if (invocation.arguments.has("markdown")) {
    if (asked) throw UsageError("--markdown writes all fields, and `" + *asked + "` is one", "leave one of them out");
    out.write(fields_page());
    return exit_with(ExitCode::success);
  }
  if (!asked) {
    out.write(fields_tree(out));
    return exit_with(ExitCode::success);
  }
  std::string code = *asked;
  for (char& c : code)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (const DiagnosticCode* row = find_diagnostic_code(code)) {
    out.write(explain_code(*row, out));
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
    .summary = "say what a field of a job or an error code means, or list all fields",
    .about =
        "Shows what the job schema says of a field: what it is for, its type, unit, default and choices, what `auto` does, and an example. "
        "Of an error code it says what is wrong and how it is mended.",
    .operand = Operand{"FIELD|CODE", "a field, such as train.optimizer.lr, or a code, such as FAB2003", false},
    .options = explain_options,
    .examples = explain_examples,
    .run = run_explain,
};

}  // namespace fabric
