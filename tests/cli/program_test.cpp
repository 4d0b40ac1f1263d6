// The program as its caller sees it: what it prints where, its exit codes, saved plans, resumed runs.
#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const std::string good_job = "fabric: 1\nname: first\naccelerator: cpu\ndevices: 2\nprogram: [sh, -c, \"echo hello from $RANK\"]\n";

std::string job_that(const std::string& shell, int devices = 1) {
  return "fabric: 1\nname: first\naccelerator: cpu\ndevices: " + std::to_string(devices) + "\nstop: {grace: 5s}\nprogram: [sh, -c, '" +
         shell + "']\n";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::optional<Value> json_of(const ProgramRun& run) { return read_json(run.out); }

BOOST_AUTO_TEST_SUITE(exit_codes)

struct Case {
  Words arguments;
  int code;
  std::string says;  // on either stream
};

BOOST_AUTO_TEST_CASE(of_every_kind_of_failure) {
  const Folder folder;
  folder.write("good.yaml", good_job);
  folder.write("bad.yaml", "fabric: 1\nprecison: x\nprogram: [true]\n");
  folder.write("gpu.yaml", "fabric: 1\naccelerator: cuda\nprogram: [\"true\"]\n");
  folder.write("absent.yaml", "fabric: 1\nprogram: [no-such-program-here]\n");
  folder.write("machine.json", "{\"version\":1,\"source\":\"nowhere\",\"groups\":[]}");
  folder.write("broken.json", "{");
  const Case cases[] = {
      {{}, 3, "Start here"},
      {{"help"}, 0, "Commands"},
      {{"--help"}, 0, "Commands"},
      {{"help", "plan"}, 0, "usage: fabric plan [options] JOB"},
      {{"plan", "-h"}, 0, "usage: fabric plan [options] JOB"},
      {{"help", "plam"}, 3, "did you mean `fabric help plan`?"},
      {{"aply"}, 3, "did you mean `fabric apply`?"},
      {{"good.yaml"}, 3, "fabric plan good.yaml"},
      {{"xyzzy"}, 3, "`fabric help` lists the commands"},
      {{"version"}, 0, "fabric 0."},
      {{"--version"}, 0, "fabric 0."},
      {{"schema"}, 0, "\"$schema\""},
      {{"schema", "hardware"}, 0, "fabric hardware"},
      {{"schema", "plans"}, 3, "fabric schema hardware"},
      {{"explain"}, 0, "learning"},
      {{"explain", "train.optimizer.lr"}, 0, "more than 0"},
      {{"explain", "batch_size"}, 0, "train.batch_size"},
      {{"explain", "name"}, 0, "Names the run"},
      {{"explain", "train.batchsize"}, 3, "did you mean `fabric explain train.batch_size`?"},
      {{"explain", "train.batch_size"}, 0, "wherever train stands"},
      {{"explain", "env"}, 0, "map of strings"},
      {{"explain", "gpus"}, 3, "did you mean `fabric explain devices`?"},
      {{"explain", "train.lr"}, 3, "did you mean `fabric explain train.optimizer.lr`?"},
      {{"explain", "env.HOME"}, 3, "`fabric explain env` says what stands there"},
      {{"explain", "FAB2001"}, 0, "Wrong"},
      {{"explain", "fab2001"}, 0, "unknown key"},
      {{"explain", "FAB2999"}, 3, "not an error code"},
      {{"validate", "good.yaml"}, 0, "good.yaml is valid"},
      {{"validate", "bad.yaml"}, 4, "bad.yaml:2:1"},
      {{"validate", "none.yaml"}, 4, "none.yaml"},
      {{"validate"}, 3, "needs a JOB"},
      {{"plan", "good.yaml"}, 0, "Run it:  fabric apply good.yaml"},
      {{"plan", "good.yaml", "--ranks"}, 0, "Rank 1"},
      {{"plan", "bad.yaml"}, 4, "bad.yaml:2:1"},
      {{"plan", "good.yaml", "--set", "devices=x"}, 4, "command line"},
      {{"plan", "gpu.yaml", "--hardware", "none.json"}, 4, "none.json"},
      {{"plan", "good.yaml", "--hardware", "machine.json"}, 4, "groups is empty"},
      {{"plan", "good.yaml", "--hardware", "broken.json"}, 4, "broken.json:1"},
      {{"plan", "absent.yaml"}, 5, "no-such-program-here"},
      {{"plan", "good.yaml", "--colour"}, 3, "unknown option `--colour`"},
      {{"probe"}, 0, "CPUs"},
      {{"apply", "bad.yaml"}, 125, "bad.yaml:2:1"},
      {{"apply", "absent.yaml"}, 125, "no-such-program-here"},
      {{"apply", "none.yaml"}, 125, "none.yaml"},
      {{"apply"}, 125, "needs a JOB"},
      {{"apply", "good.yaml", "--runs", ""}, 125, "`--runs` names no folder"},
      {{"plan", "--set", "--", "good.yaml"}, 3, "`--set` needs a value"},
      {{"plan", "good.yaml", "--set", "devices=9999999"}, 4, "a count from 1 to 99999"},
      {{"apply", "good.yaml", "--output", "x"}, 125, "unknown option"},
      {{"plan", ""}, 3, "the JOB is empty"},
      {{"apply", ""}, 125, "the JOB is empty"},
      {{"resume", "runs/none"}, 125, "runs/none is not a run"},
      {{"resume", "good.yaml"}, 125, "good.yaml is not a run"},
  };
  for (const Case& c : cases) {
    std::string line = "fabric";
    for (const std::string& a : c.arguments) line += ' ' + a;
    const ProgramRun run = run_fabric(c.arguments, folder.path());
    BOOST_TEST(run.exit_code == c.code, line << " gives " << run.exit_code << " and not " << c.code << "\n" << run.out << run.err);
    BOOST_TEST(contains(run.out + run.err, c.says), line << " does not say " << c.says << "\n" << run.out << run.err);
    BOOST_TEST(!contains(run.out + run.err, "\x1b"), line << " writes escape codes into a pipe");
  }
}

BOOST_AUTO_TEST_CASE(a_full_disk_under_standard_output_is_a_failure) {
  const Folder folder;
  folder.write("good.yaml", good_job);
  folder.write("run.sh", "exec \"$1\" plan good.yaml > /dev/full\n");
  const fs::path fabric = FABRIC_BINARY_DIR "/bin/fabric";
  const std::string command = "cd " + folder.path().string() + " && sh run.sh " + fabric.string() + " 2> err";
  const int status = std::system(command.c_str());
  BOOST_TEST(WEXITSTATUS(status) == 1);
  BOOST_TEST(contains(folder.read("err"), "cannot write to standard output"));
}

// What a shell script does to standard output and standard error of `fabric`; answers its exit code.
int in_shell(const Folder& folder, const std::string& script) {
  const std::string line =
      "cd " + folder.path().string() + " && export FABRIC_WORKER=/bin/true && fabric=" FABRIC_BINARY_DIR "/bin/fabric\n" + script;
  folder.write("script.sh", line);
  return WEXITSTATUS(std::system(("sh " + (folder.path() / "script.sh").string()).c_str()));
}

BOOST_AUTO_TEST_CASE(a_full_disk_under_standard_error_changes_no_exit_code) {
  const Folder folder;
  folder.write("job.jsonnet",
               "{fabric: 1, name: 'first', accelerator: 'cpu', devices: 2, env: {T: std.toString(1)}, program: ['/bin/torchrun']}");
  folder.write("torchrun", "exit 7\n");
  folder.write("job.yaml", "fabric: 1\nname: first\naccelerator: cpu\ndevices: 2\nprogram: [./torchrun]\n");
  BOOST_TEST(in_shell(folder, "chmod +x torchrun; sed -i '1i#!/bin/sh' torchrun; $fabric apply job.yaml >out 2>/dev/full") == 7);
  BOOST_TEST(contains(folder.read("runs/first/latest/status.json"), "\"failed\""));
  BOOST_TEST(in_shell(folder, "$fabric apply none.yaml 2>/dev/full") == 125);
  BOOST_TEST(in_shell(folder, "$fabric plan none.yaml 2>/dev/full") == 1);
  BOOST_TEST(in_shell(folder, "$fabric plam 2>/dev/full") == 3);
}

BOOST_AUTO_TEST_CASE(a_limit_on_the_size_of_files_is_told_and_leaves_nothing) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  BOOST_TEST(in_shell(folder, "(ulimit -f 0; exec $fabric plan job.yaml -o p.json 2>&1) | cat >err") == 0);
  BOOST_TEST(contains(folder.read("err"), "cannot write p.json: File too large"), folder.read("err"));
  BOOST_TEST(in_shell(folder, "(ulimit -f 0; exec $fabric apply job.yaml 2>&1) | cat >err") == 0);
  BOOST_TEST(contains(folder.read("err"), "File too large"), folder.read("err"));
  for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
    BOOST_TEST(!contains(entry.path().filename().string(), "json"), entry.path().string() << " is left");
}

BOOST_AUTO_TEST_CASE(closed_descriptors_become_no_files_of_a_run) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  BOOST_TEST(in_shell(folder, "exec $fabric apply job.yaml <&- >&- 2>&-") == 0);
  BOOST_TEST(contains(folder.read("runs/first/latest/status.json"), "\"finished\""));
  BOOST_TEST(!contains(folder.read("runs/first/latest/lock"), "hello"));
}

// Files may have 300 blocks of 512 bytes: enough for what the rank prints, not enough with `[0:0]` before each line.
BOOST_AUTO_TEST_CASE(standard_output_that_can_no_longer_be_written_ends_no_run) {
  const Folder folder;
  folder.write("job.yaml", job_that("seq 20000; sleep 0.5; echo >done"));
  const auto run = [&folder](const std::string& options) {
    folder.write("run.sh", "ulimit -f 300; exec \"$1\" apply job.yaml " + options + " >>out 2>err\n");
    const int status = std::system(("cd " + folder.path().string() + " && sh run.sh " FABRIC_BINARY_DIR "/bin/fabric").c_str());
    return WEXITSTATUS(status);
  };
  const int plain = run("");
  BOOST_TEST(plain == 0, folder.read("err"));
  BOOST_TEST(folder.read("out").size() == 300u * 512u);
  BOOST_TEST(contains(folder.read("err"), "warning: cannot write to standard output: File too large; the run goes on"), folder.read("err"));
  BOOST_TEST(contains(folder.read("err"), "how the run ended is in runs/first/"), folder.read("err"));
  BOOST_TEST(fs::remove(folder.path() / "done"));
  const std::string full = "cd " + folder.path().string() + " && " FABRIC_BINARY_DIR "/bin/fabric apply job.yaml >/dev/full 2>err";
  BOOST_TEST(std::system(full.c_str()) == 0, folder.read("err"));
  BOOST_TEST(contains(folder.read("err"), "warning: cannot write to standard output: No space left on device; the run goes on"),
             folder.read("err"));
  BOOST_TEST(fs::remove(folder.path() / "done"));
  // Whoever asked for a summary has none.
  const int json = run("--format json");
  BOOST_TEST(json == 125, folder.read("err"));
  BOOST_TEST(fs::remove(folder.path() / "done"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(applying)

BOOST_AUTO_TEST_CASE(a_run_passes_on_what_ranks_say_and_how_they_end) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.out << run.err);
  BOOST_TEST(contains(run.out, "[0:0] hello from 0\n"), run.out);
  BOOST_TEST(contains(run.out, "[0:1] hello from 1\n"), run.out);
  BOOST_TEST(contains(run.out, "finished"));
  BOOST_TEST(fs::exists(folder.path() / "runs/first/latest/plan.json"));
}

BOOST_AUTO_TEST_CASE(the_exit_code_is_that_of_the_culprit) {
  const Folder folder;
  folder.write("job.yaml", job_that("echo last words >&2; exit 7"));
  const ProgramRun run = run_fabric({"apply", "job.yaml", "--runs", "elsewhere"}, folder.path());
  BOOST_TEST(run.exit_code == 7, run.out << run.err);
  BOOST_TEST(contains(run.err, "error: "), run.err);
  BOOST_TEST(contains(run.err, "last words"), run.err);
  BOOST_TEST(contains(run.err, "rank-0.log"), run.err);
  BOOST_TEST(fs::exists(folder.path() / "elsewhere/first/latest/status.json"));
  folder.write("killed.yaml", job_that("kill -KILL $$"));
  BOOST_TEST(run_fabric({"apply", "killed.yaml"}, folder.path()).exit_code == 137);
}

BOOST_AUTO_TEST_CASE(json_is_one_object_at_the_end) {
  const Folder folder;
  folder.write("job.yaml", job_that("echo noise; exit 7"));
  const ProgramRun run = run_fabric({"apply", "job.yaml", "--format", "json"}, folder.path());
  const std::optional<Value> v = json_of(run);
  BOOST_REQUIRE_MESSAGE(v, run.out << run.err);
  BOOST_TEST(v->find("verdict")->as_string() == "failed");
  BOOST_TEST(v->find("exit_code")->as_integer() == 7);
  BOOST_TEST(v->find("culprit")->as_integer() == 0);
  BOOST_TEST(fs::exists(v->find("log")->as_string()));
  folder.write("bad.yaml", "fabric: 1\n");
  const std::optional<Value> refused = json_of(run_fabric({"apply", "bad.yaml", "--format", "json"}, folder.path()));
  BOOST_REQUIRE(refused);
  BOOST_TEST(refused->find("verdict")->as_string() == "refused");
  BOOST_TEST(refused->find("exit_code")->as_integer() == 125);
  BOOST_TEST(refused->find("diagnostics")->as_array().size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_ranks_print_cannot_drive_the_terminal) {
  const Folder folder;
  folder.write("job.yaml", job_that("printf \"\\033]0;owned\\007\\033[2Jx\\n\""));
  const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path(), {"CLICOLOR_FORCE=1", "TERM=xterm"});
  BOOST_TEST(contains(run.out, "\\x1b]0;owned\\x07\\x1b[2Jx"), run.out);
  BOOST_TEST(!contains(run.out, "\x1b[2J"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(saved_plans)

// The pipe stays full for six seconds; the signal comes after two.
BOOST_AUTO_TEST_CASE(a_reader_that_does_not_read_does_not_make_deaf) {
  const Folder folder;
  folder.write("job.yaml", job_that("trap \"date +%s >stopped; exit 0\" TERM; seq 300000; while :; do sleep 0.1; done"));
  folder.write("run.sh", "(timeout -s TERM 2 \"$1\" apply job.yaml; echo $? >code) | sleep 6; date +%s >read\n");
  const std::string command = "cd " + folder.path().string() + " && sh run.sh " FABRIC_BINARY_DIR "/bin/fabric 2>err";
  BOOST_TEST(std::system(command.c_str()) == 0);
  BOOST_REQUIRE(fs::exists(folder.path() / "stopped"));
  BOOST_TEST(std::stol(folder.read("read")) - std::stol(folder.read("stopped")) >= 2);
  BOOST_TEST(contains(folder.read("err"), "stopped by SIGTERM"), folder.read("err"));
}

// A pager that holds up the lines of a run holds up no word of its failure.
BOOST_AUTO_TEST_CASE(a_failure_is_told_while_its_lines_are_not_read) {
  const Folder folder;
  folder.write("job.yaml", job_that("seq 100000; exit 7"));
  folder.write("run.sh", "\"$1\" apply job.yaml 2>err | (sleep 4; cp err early; cat >lines)\n");
  BOOST_TEST(std::system(("cd " + folder.path().string() + " && sh run.sh " FABRIC_BINARY_DIR "/bin/fabric").c_str()) == 0);
  BOOST_TEST(contains(folder.read("early"), "rank 0 exited with code 7"), folder.read("err"));
  BOOST_TEST(contains(folder.read("lines"), "lines are not shown, this output is read too slowly"));
}

// Whoever reads both from one pipe finds it at the end.
BOOST_AUTO_TEST_CASE(a_failure_is_told_behind_the_lines_of_one_pipe) {
  const Folder folder;
  folder.write("job.yaml", job_that("seq 30000; exit 7"));
  BOOST_TEST(std::system(("cd " + folder.path().string() + " && " FABRIC_BINARY_DIR "/bin/fabric apply job.yaml 2>&1 | (sleep 2; cat) >out")
                             .c_str()) == 0);
  const std::string out = folder.read("out");
  const std::size_t failure = out.find("error: rank 0"), last_line = out.rfind("[0:0]");
  BOOST_TEST_REQUIRE(failure != std::string::npos, out.substr(out.size() - 500));
  BOOST_TEST(failure > last_line);
}

BOOST_AUTO_TEST_CASE(a_saved_plan_is_no_job) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  run_fabric({"plan", "job.yaml", "-o", "p.json"}, folder.path());
  for (const char* command : {"plan", "validate"}) {
    const ProgramRun run = run_fabric({command, "p.json"}, folder.path());
    BOOST_TEST(run.exit_code == 3);
    BOOST_TEST(contains(run.err, "`fabric apply p.json` runs it"), run.err);
  }
}

BOOST_AUTO_TEST_CASE(arguments_of_an_imported_script_are_words) {
  const Folder folder;
  folder.write("train.sbatch", "#!/bin/bash\n#SBATCH --ntasks=1\nsrun python train.py \"$@\"\n");
  const ProgramRun open = run_fabric({"import", "train.sbatch", "--args", "$HOME"}, folder.path());
  BOOST_TEST(open.exit_code == 3);
  BOOST_TEST(contains(open.err, "`$HOME` in --args is known to a shell alone"), open.err);
  const ProgramRun known = run_fabric({"import", "train.sbatch", "--args", "a '$HOME c'"}, folder.path());
  BOOST_TEST(known.exit_code == 0, known.err);
  BOOST_TEST(contains(known.out, "args: [a, \"$HOME c\"]"), known.out);
}

BOOST_AUTO_TEST_CASE(a_summary_does_not_wait_for_a_reader_of_the_lines) {
  const Folder folder;
  folder.write("job.yaml", job_that("seq 100000"));
  folder.write(
      "run.sh",
      "mkfifo lines; exec 3<>lines; \"$1\" apply job.yaml --format json 2>lines 3>&- | { cat >summary; touch read; timeout 2 cat <&3 >/dev/null; }\n");
  std::ignore = std::system(("cd " + folder.path().string() + " && timeout 30 sh run.sh " FABRIC_BINARY_DIR "/bin/fabric").c_str());
  BOOST_TEST(fs::exists(folder.path() / "read"), "the end of the summary was never seen");
  BOOST_TEST(contains(folder.read("summary"), "\"verdict\": \"finished\""), folder.read("summary"));
}

BOOST_AUTO_TEST_CASE(planning_twice_gives_the_same_bytes) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "a.json"}, folder.path()).exit_code == 0);
  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "b.json"}, folder.path()).exit_code == 0);
  BOOST_TEST(folder.read("a.json") == folder.read("b.json"));
}

BOOST_AUTO_TEST_CASE(a_saved_plan_runs) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  run_fabric({"plan", "job.yaml", "-o", "p.json", "--set", "devices=1"}, folder.path());
  const ProgramRun run = run_fabric({"apply", "p.json"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.out << run.err);
  BOOST_TEST(contains(run.out, "[0:0] hello from 0\n"));
  BOOST_TEST(!contains(run.out, "[0:1]"));
  BOOST_TEST(folder.read("runs/first/latest/plan.json") == folder.read("p.json"));
}

BOOST_AUTO_TEST_CASE(a_stale_plan_is_refused_and_says_what_changed) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  run_fabric({"plan", "job.yaml", "-o", "p.json"}, folder.path());
  folder.write("job.yaml", replaced(good_job, "devices: 2", "devices: 3"));
  const ProgramRun run = run_fabric({"apply", "p.json"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "error[FAB6002]: p.json is stale"), run.err);
  BOOST_TEST(contains(run.err, "job.devices.count: 2 -> 3"), run.err);
  BOOST_TEST(contains(run.err, "world_size: 2 -> 3"), run.err);
  BOOST_TEST(contains(run.err, "fabric plan job.yaml -o p.json"), run.err);
  BOOST_TEST(!fs::exists(folder.path() / "runs"));
}

BOOST_AUTO_TEST_CASE(a_plan_whose_job_is_gone_or_wrong_is_refused) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  run_fabric({"plan", "job.yaml", "-o", "p.json"}, folder.path());
  folder.write("job.yaml", good_job + "sed: 1\n");
  ProgramRun run = run_fabric({"apply", "p.json"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "job.yaml:6:1"), run.err);
  BOOST_TEST(contains(run.err, "FAB6002"), run.err);
  fs::remove(folder.path() / "job.yaml");
  run = run_fabric({"apply", "p.json"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "FAB0001"), run.err);
}

BOOST_AUTO_TEST_CASE(an_edited_plan_is_refused_and_says_what_was_edited) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  run_fabric({"plan", "job.yaml", "-o", "p.json"}, folder.path());
  folder.write("p.json", replaced(folder.read("p.json"), "hello from", "goodbye from"));
  const ProgramRun run = run_fabric({"apply", "p.json"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "error[FAB6001]: p.json was edited"), run.err);
  BOOST_TEST(contains(run.err, "job.program.command[2]: \"echo goodbye from $RANK\" -> \"echo hello from $RANK\""), run.err);
}

BOOST_AUTO_TEST_CASE(what_is_no_plan_is_refused) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  run_fabric({"plan", "job.yaml", "-o", "p.json"}, folder.path());
  const std::string plan = folder.read("p.json");
  folder.write("torn.json", plan.substr(0, plan.size() / 2));
  folder.write("newer.json", replaced(plan, "\"plan_version\":2", "\"plan_version\":1"));
  folder.write("strange.json", "{\"plan\":{\"plan_version\":2},\"plan_id\":\"0\"}");
  const std::pair<std::string, std::string> cases[] = {
      {"torn.json", "torn.json:1:"}, {"newer.json", "plan version"}, {"strange.json", "is not a plan that this fabric can read"}};
  for (const auto& [file, says] : cases) {
    const ProgramRun run = run_fabric({"apply", file}, folder.path());
    BOOST_TEST(run.exit_code == 125);
    BOOST_TEST(contains(run.err, says), file << ": " << run.err);
  }
}

BOOST_AUTO_TEST_CASE(a_saved_plan_is_closed) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  run_fabric({"plan", "job.yaml", "-o", "p.json"}, folder.path());
  const ProgramRun run = run_fabric({"apply", "p.json", "--set", "devices=1"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "a saved plan is closed"), run.err);
}

BOOST_AUTO_TEST_CASE(saving_replaces_files_and_nothing_else) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  folder.write("kept.json", R"({"plan": {}, "plan_id": "old"})");
  fs::permissions(folder.path() / "kept.json", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("kept.json", folder.path() / "link.json");
  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "link.json"}, folder.path()).exit_code == 0);
  BOOST_TEST(fs::is_symlink(folder.path() / "link.json"));
  BOOST_TEST(folder.read("kept.json").starts_with("{\"plan\":"));
  BOOST_TEST((fs::status(folder.path() / "kept.json").permissions() == (fs::perms::owner_read | fs::perms::owner_write)));

  // The job itself, or anything else of the user's.
  folder.write("notes.json", "{}");
  for (const char* name : {"job.yaml", "notes.json"}) {
    const ProgramRun refused = run_fabric({"plan", "job.yaml", "-o", name}, folder.path());
    BOOST_TEST(refused.exit_code == 3, refused.err);
    BOOST_TEST(contains(refused.err, "is there already, and is no saved plan"), refused.err);
    BOOST_TEST(run_fabric({"probe", "-o", name}, folder.path()).exit_code == 3);
  }
  BOOST_TEST(folder.read("job.yaml") == good_job);
  BOOST_TEST(folder.read("notes.json") == "{}");
  for (int i = 0; i < 2; ++i) BOOST_TEST(run_fabric({"probe", "-o", "here.json"}, folder.path()).exit_code == 0);

  fs::create_symlink("later.json", folder.path() / "dangling.json");
  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "dangling.json"}, folder.path()).exit_code == 0);
  BOOST_TEST(fs::is_symlink(folder.path() / "dangling.json"));
  BOOST_TEST(folder.read("later.json").starts_with("{\"plan\":"));

  // What standard output goes to is added to, by whatever name.
  for (const char* name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "log"}) {
    folder.write("log", "first\n");
    const std::string append = "cd " + folder.path().string() + " && " FABRIC_BINARY_DIR "/bin/fabric plan job.yaml -o " + name + " >>log";
    BOOST_TEST(std::system(append.c_str()) == 0);
    BOOST_TEST(folder.read("log").starts_with("first\n"), name);
    BOOST_TEST(contains(folder.read("log"), "{\"plan\":"), name);
  }

  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "/dev/null"}, folder.path()).exit_code == 0);
  BOOST_TEST(fs::is_character_file("/dev/null"));

  const std::string line = "cd " + folder.path().string() +
                           " && mkfifo pipe && (cat pipe >through.json &) && " FABRIC_BINARY_DIR
                           "/bin/fabric plan job.yaml -o pipe >out && test -p pipe";
  BOOST_TEST(std::system(line.c_str()) == 0);
  BOOST_TEST(folder.read("out").size() > 0u);
  for (int i = 0; i < 100 && folder.read("through.json").size() < 1000; ++i) usleep(20'000);
  BOOST_TEST(folder.read("through.json").starts_with("{\"plan\":"));

  // A link is followed as the kernel does, before the .. behind it.
  fs::create_directories(folder.path() / "other/deep");
  fs::create_directory_symlink("other/deep", folder.path() / "cur");
  folder.write("plan.json", "mine\n");
  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "cur/../plan.json"}, folder.path()).exit_code == 0);
  BOOST_TEST(folder.read("plan.json") == "mine\n");
  BOOST_TEST(folder.read("other/plan.json").starts_with("{\"plan\":"));
  fs::create_symlink("../plan-of-deep.json", folder.path() / "other/deep/p.json");
  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "cur/p.json"}, folder.path()).exit_code == 0);
  BOOST_TEST(folder.read("other/plan-of-deep.json").starts_with("{\"plan\":"));

  // What names a descriptor of this or of another process is written through; what only looks so is a path.
  const std::string fabric = "cd " + folder.path().string() + " && " FABRIC_BINARY_DIR "/bin/fabric plan job.yaml ";
  BOOST_TEST(std::system(
                 ("cd / && sh -c '" + fabric + "--format json -o /proc/$$/fd/1; :' | grep -c plan_id >" + folder.path().string() + "/count")
                     .c_str()) == 0);
  BOOST_TEST(folder.read("count") != "0\n");
  BOOST_TEST(std::system((fabric + "-o /dev/fd/3 3>third >out").c_str()) == 0);
  BOOST_TEST(folder.read("third").starts_with("{\"plan\":"));
  folder.write("input", "");
  BOOST_TEST(std::system((fabric + "-o /dev/fd/ <>input >out 2>&1").c_str()) != 0);
  BOOST_TEST(std::system((fabric + "-o /dev/fd/abc <>input >out 2>&1").c_str()) != 0);
  BOOST_TEST(folder.read("input") == "");

  const ProgramRun full = run_fabric({"plan", "job.yaml", "-o", "/dev/full"}, folder.path());
  BOOST_TEST(full.exit_code == 1);
  BOOST_TEST(contains(full.err, "cannot write /dev/full: No space left on device"), full.err);
}

BOOST_AUTO_TEST_CASE(saving_where_nothing_can_be_written_leaves_nothing) {
  const Folder folder;
  folder.write("job.yaml", good_job);
  const ProgramRun run = run_fabric({"plan", "job.yaml", "-o", "none/p.json"}, folder.path());
  BOOST_TEST(run.exit_code == 1);
  BOOST_TEST(contains(run.err, "cannot write none/p.json"), run.err);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(resuming)

BOOST_AUTO_TEST_CASE(a_failed_run_goes_on_in_its_folder) {
  const Folder folder;
  folder.write("job.yaml", job_that("echo attempt $FABRIC_ATTEMPT; test -e go"));
  ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
  BOOST_TEST(run.exit_code == 1);
  folder.write("go", "");
  run = run_fabric({"resume", "runs/first/latest"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.out << run.err);
  BOOST_TEST(contains(run.out, "[0:0] attempt 1\n"), run.out);
  std::size_t runs = 0;
  for (const auto& entry : fs::directory_iterator(folder.path() / "runs/first")) runs += !entry.is_symlink();
  BOOST_TEST(runs == 1u);
  run = run_fabric({"resume", "runs/first/latest"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "FAB6004"), run.err);
}

BOOST_AUTO_TEST_CASE(a_run_whose_status_was_damaged_goes_on) {
  const Folder folder;
  folder.write("job.yaml", job_that("echo attempt $FABRIC_ATTEMPT; test -e again || exit 9"));
  BOOST_TEST(run_fabric({"apply", "job.yaml"}, folder.path()).exit_code == 9);
  for (const char* damaged : {"", "{\"state\":\"fini"}) {
    folder.write("runs/first/latest/status.json", damaged);
    const ProgramRun run = run_fabric({"resume", "runs/first/latest"}, folder.path());
    BOOST_TEST(run.exit_code == 9, run.out << run.err);
    BOOST_TEST(contains(run.out, "its status cannot be read, its events are taken instead: "), run.out);
    BOOST_TEST(contains(run.out, *damaged ? "[0:0] attempt 2\n" : "[0:0] attempt 1\n"), run.out);
  }
  folder.write("again", "");
  BOOST_TEST(run_fabric({"resume", "runs/first/latest"}, folder.path()).exit_code == 0);
  folder.write("runs/first/latest/status.json", "");
  const ProgramRun run = run_fabric({"resume", "runs/first/latest"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "FAB6004"), run.err);
}

// The words of a job file may hold spaces, and what is offered has to be what a shell takes.
BOOST_AUTO_TEST_CASE(the_line_that_makes_a_plan_again_can_be_typed) {
  const Folder folder;
  folder.write("a job.yaml", good_job);
  BOOST_TEST(run_fabric({"plan", "a job.yaml", "--set", "program=[sh, -c, \"exit 0\"]", "-o", "p.json"}, folder.path()).exit_code == 0);
  folder.write("a job.yaml", good_job + "threads: 1\n");
  const ProgramRun run = run_fabric({"apply", "p.json"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  const std::string unwrapped = replaced(run.err, "\n           ", " ");
  BOOST_TEST(contains(unwrapped, "fabric plan 'a job.yaml' --set 'program=[sh, -c, \"exit 0\"]' -o p.json"), run.err);
}

BOOST_AUTO_TEST_CASE(a_run_whose_job_has_changed_is_refused) {
  const Folder folder;
  folder.write("job.yaml", job_that("exit 1"));
  run_fabric({"apply", "job.yaml"}, folder.path());
  folder.write("job.yaml", job_that("exit 0"));
  const ProgramRun run = run_fabric({"resume", "runs/first/latest"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "FAB6002"), run.err);
  BOOST_TEST(contains(run.err, "job.program.command[2]: \"exit 1\" -> \"exit 0\""), run.err);
}

BOOST_AUTO_TEST_CASE(a_run_is_resumed_by_each_of_its_names) {
  const Folder folder;
  folder.write("job.yaml", job_that("echo attempt $FABRIC_ATTEMPT; exit 1"));
  run_fabric({"apply", "job.yaml"}, folder.path());
  int attempt = 0;
  for (const char* name : {"first", "runs/first", "runs/first/latest"}) {
    const ProgramRun run = run_fabric({"resume", name}, folder.path());
    BOOST_TEST(run.exit_code == 1, name);
    BOOST_TEST(contains(run.out, "attempt " + std::to_string(++attempt)), run.out << run.err);
  }
  const ProgramRun none = run_fabric({"resume", "runs"}, folder.path());
  BOOST_TEST(none.exit_code == 125);
  BOOST_TEST(contains(none.err, "`fabric list` shows the runs"), none.err);
}

BOOST_AUTO_TEST_CASE(a_living_run_is_refused) {
  const Folder folder;
  folder.write("job.yaml", job_that("while test ! -e go; do sleep 0.05; done; exit 1"));
  const std::string fabric = FABRIC_BINARY_DIR "/bin/fabric";
  const std::string line = "cd " + folder.path().string() + " && FABRIC_WORKER=/bin/true " + fabric + " apply job.yaml > out 2>&1 &";
  BOOST_REQUIRE(std::system(line.c_str()) == 0);
  ProgramRun run;
  for (int i = 0; i < 200 && !contains(run.err, "FAB6005"); ++i) {
    run = run_fabric({"resume", "runs/first/latest"}, folder.path());
    BOOST_REQUIRE(run.exit_code == 125);
  }
  BOOST_TEST(contains(run.err, "FAB6005"), run.err);
  folder.write("go", "");
  const std::string wait = "for i in $(seq 200); do grep -q '\"failed\"' " + folder.path().string() +
                           "/runs/first/latest/status.json && exit 0; sleep 0.05; done; exit 1";
  BOOST_TEST(std::system(wait.c_str()) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
