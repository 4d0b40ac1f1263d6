// Batch scripts that other people wrote, as tests/import/public_scripts.json names them: each is imported, and the job that it gives is
// planned and rendered. Their text stands nowhere here: FABRIC_PUBLIC_SCRIPTS is a folder that has them, each under its SHA-256, and
// those that it lacks are left out. FABRIC_ACCEPT=1 writes anew what came out. docs/import.md has the same in a table.
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <map>
#include <set>

#include "launch_backends/process.hpp"
#include "schema/json.hpp"
#include "schema/sha256.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

const fs::path table_file = FABRIC_SOURCE_DIR "/tests/import/public_scripts.json";
constexpr std::string_view code_of_no_program = "FAB6101";

Value table() {
  std::optional<Value> rows = read_json(read_text(table_file));
  BOOST_TEST_REQUIRE(rows.has_value());
  return std::move(*rows);
}

std::string text_of(const Value& row, const char* key) { return row.find(key)->as_string(); }

bool is_hex(const std::string& text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// FAB6105 1, FAB6112 2
std::string in_words(const Value& warnings) {
  std::string text;
  for (const Member& m : warnings.as_object()) text += (text.empty() ? "" : ", ") + m.key + ' ' + std::to_string(m.value.as_integer());
  return text;
}

// What the repository of the script would have, and the cluster: of files that are named, empty ones. Returns what else has to be said: a
// folder for output that the cluster has may lie where nothing can be made here.
std::vector<std::string> make_what_is_missing(const Folder& folder, const fs::path& code) {
  for (int times = 0; times < 4; ++times) {
    const ProgramRun plan = run_fabric({"plan", "job.yaml", "--format", "json"}, code);
    if (plan.exit_code == 0) return {};
    const std::optional<Value> said = read_json(plan.out);
    BOOST_TEST_REQUIRE((said && said->find("diagnostics")), plan.out << plan.err);
    bool made = false;
    for (const Value& problem : said->find("diagnostics")->as_array()) {
      const std::string message = text_of(problem, "message"), kind = text_of(problem, "code");
      const fs::path path = message.substr(0, message.find(':'));
      if (kind == "FAB5001" && !path.string().starts_with(folder.path().string())) return {"--set", "slurm.output=%j.out"};
      if (!kind.starts_with("FAB500") || !path.string().starts_with(folder.path().string())) continue;
      made = true;
      if (kind == "FAB5001") {
        fs::create_directories(path);
        continue;
      }
      fs::create_directories(path.parent_path());
      write_text(path, "");
      fs::permissions(path, fs::perms::owner_exec, fs::perm_options::add);
    }
    if (!made) break;
  }
  return {};
}

struct Outcome {
  int exit_code = 0;
  std::int64_t lines = 0;  // of the job that come from one of the script
  Value warnings = Value::object();
};

Outcome outcome_of(const Value& row, const Folder& folder, const std::string& script) {
  const fs::path code = folder.path() / "code";
  fs::create_directory(code);
  write_text(code / "train.sbatch", script);
  std::vector<std::string> words = {"import", "train.sbatch", "-o", "job.yaml", "--format", "json"};
  if (const std::string args = text_of(row, "args"); !args.empty()) words.insert(words.end(), {"--args", args});
  const ProgramRun run = run_fabric(words, code);
  Outcome outcome{.exit_code = run.exit_code};
  const std::optional<Value> said = read_json(run.out);
  BOOST_TEST_REQUIRE(said.has_value(), run.out << run.err);
  std::map<std::string, std::int64_t> counts;
  for (const Value& problem : said->find("diagnostics")->as_array()) ++counts[text_of(problem, "code")];
  for (const auto& [kind, count] : counts) outcome.warnings.set(kind, count);
  const std::string job = read_text(code / "job.yaml");
  for (std::size_t at = 0; (at = job.find("  # line ", at)) != std::string::npos; ++at) ++outcome.lines;
  return outcome;
}

void check_rendered(const Folder& folder) {
  const fs::path code = folder.path() / "code";
  std::vector<std::string> words = {"plan", "job.yaml", "--render", "slurm", "-o", "out"};
  const std::vector<std::string> more = make_what_is_missing(folder, code);
  words.insert(words.end(), more.begin(), more.end());
  const ProgramRun plan = run_fabric(words, code);
  BOOST_TEST(plan.exit_code == 0, plan.out << plan.err);
  if (plan.exit_code != 0) return;
  ProcessStart start;
  start.argv = {"bash", "-n", (code / "out/job.sbatch").string()};
  start.env = {"PATH=/usr/bin:/bin"};
  const ProgramResult parsed = run_program(std::move(start), "", 100000, std::chrono::seconds(10));
  BOOST_TEST((parsed.status.good() && parsed.errors.empty()), parsed.errors);
}

BOOST_AUTO_TEST_CASE(public_scripts_give_jobs_that_can_be_planned) {
  const char* scripts = std::getenv("FABRIC_PUBLIC_SCRIPTS");
  if (!scripts || !*scripts) {
    BOOST_TEST_MESSAGE("left out: FABRIC_PUBLIC_SCRIPTS names no folder of scripts");
    BOOST_TEST(true);
    return;
  }
  const char* accept = std::getenv("FABRIC_ACCEPT");
  Value rows = table();
  std::size_t seen = 0;
  for (Value& row : rows.as_array()) {
    BOOST_TEST_CONTEXT(text_of(row, "repository") << ' ' << text_of(row, "path")) {
      const fs::path file = fs::path(scripts) / text_of(row, "sha256");
      if (!fs::exists(file)) {
        BOOST_TEST_MESSAGE("left out: " << file.string() << " is not there");
        continue;
      }
      ++seen;
      const std::string script = read_text(file);
      BOOST_TEST_REQUIRE(sha256_hex(script) == text_of(row, "sha256"));
      const Folder folder;
      const Outcome outcome = outcome_of(row, folder, script);
      if (accept && std::string_view(accept) == "1") {
        row.set("exit", std::int64_t{outcome.exit_code});
        row.set("lines", outcome.lines);
        row.set("warnings", outcome.warnings);
      }
      BOOST_TEST(outcome.exit_code == row.find("exit")->as_integer());
      BOOST_TEST(outcome.lines == row.find("lines")->as_integer());
      BOOST_TEST(in_words(outcome.warnings) == in_words(*row.find("warnings")));
      // Where no program was found, the job says so itself.
      if (!outcome.warnings.find(code_of_no_program)) check_rendered(folder);
    }
  }
  BOOST_TEST(seen > 0u);
  if (accept && std::string_view(accept) == "1") write_text(table_file, pretty_json(rows) + '\n');
}

BOOST_AUTO_TEST_CASE(the_table_of_public_scripts_is_whole) {
  const std::string page = read_text(FABRIC_SOURCE_DIR "/docs/import.md");
  const Value rows = table();
  BOOST_TEST(rows.as_array().size() >= 12u);
  std::set<std::string> repositories;
  for (const Value& row : rows.as_array()) {
    const std::string repository = text_of(row, "repository"), path = text_of(row, "path");
    repositories.insert(repository);
    BOOST_TEST(is_hex(text_of(row, "commit"), 40), path);
    BOOST_TEST(is_hex(text_of(row, "sha256"), 64), path);
    // One row of the page has all of it.
    const std::size_t at = page.find("| " + repository + " `" + path + '`');
    BOOST_TEST_REQUIRE(at != std::string::npos, "docs/import.md has no row of " << repository << ' ' << path);
    const std::string line = page.substr(at, page.find('\n', at) - at);
    const std::string counts = "| " + std::to_string(row.find("lines")->as_integer()) + " | " + in_words(*row.find("warnings")) + " |";
    for (const std::string& part : {text_of(row, "commit"), text_of(row, "sha256"), counts})
      BOOST_TEST((line.find(part) != std::string::npos), line << "\nlacks\n" << part);
  }
  BOOST_TEST(repositories.size() >= 10u);
}

}  // namespace
}  // namespace fabric::testing
