// Each folder tests/golden/CASE is a test: what `fabric` says to an input, to the letter. A case holds
//   job.yaml or job.jsonnet  and whatever files that reads
//   args.txt                 the arguments, one a line
//   machine                  optional: a folder of tests/machines for which to plan, or
//   hardware.json            optional: a machine of its own
//   config/                  optional: the user's folder of settings, with fabric/sites/
//   expected.txt             exit code, standard output, standard error
// FABRIC_ACCEPT=1 writes expected.txt anew; the difference is what a reviewer reads. Beyond the letter, every error must have a
// place and a way out, and where it offers a fix, applying it must make that error go away.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "schema/diagnostic_codes.hpp"
#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

const fs::path source_folder = FABRIC_SOURCE_DIR;
const fs::path cases_folder = source_folder / "tests/golden";

using Words = std::vector<std::string>;

Words lines_of(const std::string& text) {
  Words lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

Words arguments_of(const fs::path& folder) {
  Words arguments = lines_of(read_text(folder / "args.txt"));
  if (fs::exists(folder / "machine")) {
    const std::string machine = lines_of(read_text(folder / "machine")).front();
    arguments.insert(arguments.end(), {"--hardware", (source_folder / "tests/machines" / machine / "hardware.json").string()});
  } else if (fs::exists(folder / "hardware.json")) {
    arguments.insert(arguments.end(), {"--hardware", "hardware.json"});
  }
  return arguments;
}

// The input of a case, away from the source tree.
void copy_input(const fs::path& from, const fs::path& to) {
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  for (const char* ours : {"args.txt", "machine", "expected.txt"}) fs::remove(to / ours);
}

// Without what differs from one build or folder to the next.
std::string normalised(std::string text, const fs::path& folder) {
  text = replaced(std::move(text), folder.string(), "CASE");
  text = replaced(std::move(text), source_folder.string(), "SOURCE");
  text = std::regex_replace(text, std::regex("plan [0-9a-f]{12}"), "plan ID");
  return std::regex_replace(text, std::regex("\\b[0-9]+\\.[0-9]+\\.[0-9]+ \\([0-9a-f]{12}\\+?\\)"), "VERSION");
}

// The settings of whoever runs the tests do not count.
ProgramRun run_case(const Words& arguments, const fs::path& folder) {
  return run_fabric(arguments, folder, {"XDG_CONFIG_HOME=" + (folder / "config").string()});
}

std::string transcript(const ProgramRun& run, const fs::path& folder) {
  std::string text = "exit " + std::to_string(run.exit_code) + '\n';
  if (!run.out.empty()) text += "--- standard output\n" + run.out;
  if (!run.err.empty()) text += "--- standard error\n" + run.err;
  return normalised(std::move(text), folder);
}

// One problem as `--format json` tells it.
struct Problem {
  std::string code, message, file, path, help;
  std::int64_t line = 0, column = 0;
  bool error = false;
  const Value* fix = nullptr;

  std::string identity() const { return code + ' ' + path + ' ' + message; }
};

std::string text_of(const Value& v, std::string_view key) {
  const Value* member = v.find(key);
  return member && member->is_string() ? member->as_string() : "";
}

std::int64_t number_of(const Value& v, std::string_view key) {
  const Value* member = v.find(key);
  return member && member->is_integer() ? member->as_integer() : 0;
}

struct Problems {
  Value document;
  std::vector<Problem> list;
};

Problems problems_of(Words arguments, const fs::path& folder) {
  arguments.insert(arguments.end(), {"--format", "json"});
  const ProgramRun run = run_case(arguments, folder);
  std::string why;
  std::optional<Value> document = read_json(run.out, &why);
  BOOST_REQUIRE_MESSAGE(document, "--format json gives no JSON: " << why << "\n" << run.out << run.err);
  Problems problems{std::move(*document), {}};
  const Value* list = problems.document.find("diagnostics");
  if (!list) return problems;
  for (const Value& v : list->as_array()) {
    const Value* fix = v.find("fix");
    problems.list.push_back({text_of(v, "code"), text_of(v, "message"), text_of(v, "file"), text_of(v, "path"), text_of(v, "help"),
                             number_of(v, "line"), number_of(v, "column"), text_of(v, "severity") == "error",
                             fix && fix->is_object() ? fix : nullptr});
  }
  return problems;
}

// A job that cannot be read has no text to point into, and a plan's questions may be about the command line alone.
bool is_about_no_text(const Problem& p) {
  return p.code == "FAB0001" || p.code == "FAB0002" || p.code == "FAB4801" || p.code.starts_with("FAB600");
}

void check_place(const Problem& p, const fs::path& folder) {
  BOOST_TEST(!p.help.empty(), p.code << " says no way out");
  if (is_about_no_text(p)) return;
  BOOST_TEST(!p.file.empty(), p.code << " has no place");
  const bool computed = p.line == 0;
  if (computed) BOOST_TEST(!p.path.empty(), p.code << " has neither a line nor a path");
  if (p.line != 1 || p.column != 1 || !fs::exists(folder / p.file)) return;
  // At the very beginning of a file there is a key or a broken text, or something is missing; never a value.
  const std::string text = read_text(folder / p.file);
  const bool missing = p.code == "FAB2005" || p.code == "FAB3002" || p.code == "FAB4802" || p.code.starts_with("FAB0") ||
                       p.code.starts_with("FAB1") || p.code == "FAB6101" || p.code == "FAB6103" ||
                       p.code == "FAB6104";  // of the first line of a script
  const std::string last = p.path.substr(p.path.rfind('.') + 1);
  BOOST_TEST((missing || (!last.empty() && text.starts_with(last))),
             p.code << " points at the beginning of the file for `" << p.path << '`');
}

// Replaces what the fix names, in a file of the folder or in the arguments.
void apply_fix(const Value& fix, const fs::path& folder, Words& arguments) {
  const std::string file = text_of(fix, "file");
  const auto offset = static_cast<std::size_t>(number_of(fix, "offset"));
  const auto length = static_cast<std::size_t>(number_of(fix, "length"));
  if (file.starts_with("--")) {
    const auto option = std::find(arguments.begin(), arguments.end(), file);
    BOOST_REQUIRE(option != arguments.end());
    BOOST_REQUIRE(std::find(option + 1, arguments.end(), file) == arguments.end());
    (option + 1)->replace(offset, length, text_of(fix, "replacement"));
    return;
  }
  std::string text = read_text(folder / file);
  BOOST_REQUIRE(offset + length <= text.size());
  write_text(folder / file, text.replace(offset, length, text_of(fix, "replacement")));
}

void check_fix(const Problem& problem, const fs::path& input, const Words& arguments) {
  const Folder mended;
  copy_input(input, mended.path());
  Words mended_arguments = arguments;
  apply_fix(*problem.fix, mended.path(), mended_arguments);
  for (const Problem& left : problems_of(mended_arguments, mended.path()).list)
    BOOST_TEST(left.identity() != problem.identity(), problem.code << ": its fix does not mend it");
}

void check_case(const fs::path& input) {
  const Folder folder;
  copy_input(input, folder.path());
  const Words arguments = arguments_of(input);
  const std::string found = transcript(run_case(arguments, folder.path()), folder.path());
  const fs::path expected_file = input / "expected.txt";
  const char* accept = std::getenv("FABRIC_ACCEPT");
  if (accept && std::string_view(accept) == "1") write_text(expected_file, found);
  BOOST_REQUIRE_MESSAGE(fs::exists(expected_file), "no expected.txt; FABRIC_ACCEPT=1 writes it:\n" << found);
  const std::string expected = read_text(expected_file);
  BOOST_TEST(found == expected, "expected\n" << expected << "\nfound\n" << found);

  const Problems problems = problems_of(arguments, folder.path());
  for (const Problem& p : problems.list) {
    check_place(p, folder.path());
    if (p.error && p.fix) check_fix(p, input, arguments);
  }
}

[[maybe_unused]] const bool cases_are_registered = [] {
  std::vector<fs::path> inputs;
  for (const auto& entry : fs::directory_iterator(cases_folder))
    if (fs::exists(entry.path() / "args.txt")) inputs.push_back(entry.path());
  std::sort(inputs.begin(), inputs.end());
  for (const fs::path& input : inputs)
    boost::unit_test::framework::current_auto_test_suite().add(
        boost::unit_test::make_test_case([input] { check_case(input); }, input.filename().string(), __FILE__, __LINE__));
  return true;
}();

// What the catalogue of refusals owes: many codes, and none that nobody has seen.
BOOST_AUTO_TEST_CASE(there_are_enough_cases) {
  std::vector<std::string> codes;
  std::size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(cases_folder)) {
    if (!fs::exists(entry.path() / "expected.txt")) continue;
    ++cases;
    const std::string text = read_text(entry.path() / "expected.txt");
    const std::regex code("error\\[(FAB[0-9]{4})\\]");
    for (std::sregex_iterator at(text.begin(), text.end(), code), end; at != end; ++at) codes.push_back((*at)[1]);
  }
  std::sort(codes.begin(), codes.end());
  codes.erase(std::unique(codes.begin(), codes.end()), codes.end());
  BOOST_TEST(cases >= 80u);
  BOOST_TEST(codes.size() >= 40u);
}

// A code that nobody has seen may be wrong in anything: each stands in a golden transcript or in the source of a test.
BOOST_AUTO_TEST_CASE(every_code_is_shown_by_a_test) {
  std::string seen;
  for (const auto& entry : fs::recursive_directory_iterator(source_folder / "tests")) {
    const fs::path name = entry.path().filename();
    if (entry.is_regular_file() && (name == "expected.txt" || (name.extension() == ".cpp" && name != "golden_test.cpp")))
      seen += read_text(entry.path());
  }
  for (const DiagnosticCode& row : diagnostic_codes())
    BOOST_TEST((seen.find(row.code) != std::string::npos), row.code << " (" << row.title << ") is shown by no test");
}

// Example files of the catalogue, where \n stands for a new line.
std::string example_file(std::string_view text) { return replaced(std::string(text), "\\n", "\n"); }

BOOST_AUTO_TEST_CASE(the_examples_of_the_catalogue_are_true) {
  std::size_t examples = 0;
  for (const DiagnosticCode& row : diagnostic_codes()) {
    if (row.bad.empty()) continue;
    ++examples;
    BOOST_TEST_CONTEXT(row.code) {
      const Folder folder;
      const auto has_code = [&](std::string_view text) {
        folder.write("job.yaml", example_file(text));
        const Problems problems = problems_of({"validate", "job.yaml"}, folder.path());
        return std::any_of(problems.list.begin(), problems.list.end(), [&](const Problem& p) { return p.code == row.code; });
      };
      BOOST_TEST(has_code(row.bad), "the wrong example does not show it:\n" << example_file(row.bad));
      BOOST_TEST(!has_code(row.mended), "the right example is still wrong:\n" << example_file(row.mended));
      // What is right is right altogether.
      BOOST_TEST(run_fabric({"validate", "job.yaml"}, folder.path()).exit_code == 0, example_file(row.mended));
    }
  }
  BOOST_TEST(examples >= 40u);
}

}  // namespace
}  // namespace fabric::testing
