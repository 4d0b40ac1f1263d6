// Scripts of other people under the real program: words, variables, contracts, and what is said when they fail. With the python3 of the
// machine and nothing but its standard library.
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <utility>

#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

BOOST_AUTO_TEST_SUITE(scripts)

// Real Python, found as the plan says, with arguments, variables and a wrapper that reach it as they were written.
BOOST_AUTO_TEST_CASE(a_script_gets_its_words_and_variables) {
  const Folder folder;
  fs::create_directories(folder.path() / "here");
  folder.write("train.py",
               "import os, sys\n"
               "names = ['RANK', 'WORLD_SIZE', 'LT_CLI_USED', 'LT_PRECISION', 'TOKEN', 'MODE', 'HOME', 'WRAPPED', 'PYTHONUNBUFFERED']\n"
               "print(sys.argv[1:], [os.environ.get(n) for n in names], os.path.basename(os.getcwd()))\n");
  folder.write("secrets.env", "export TOKEN='s3 cret' # mine\nMODE=file\n");
  folder.write("job.yaml",
               "fabric: 1\nname: script\naccelerator: cpu\ndevices: 2\nprecision: bf16\n"
               "program:\n  script: train.py\n  args: {lr: 0.1, names: [a, b c], fp16: true, off: false}\n  contract: fabric-cli\n"
               "  wrapper: [env, WRAPPED=yes]\n  env_file: secrets.env\n  env: {MODE: job}\n  inherit: [PATH]\n  cwd: here\n");
  const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.out << run.err);
  for (const std::string rank : {"0", "1"})
    BOOST_TEST(contains(run.out, "[0:" + rank + "] ['--lr', '0.1', '--names', 'a', 'b c', '--fp16'] ['" + rank +
                                     "', '2', '1', 'bf16', 's3 cret', 'job', None, 'yes', '1'] here\n"),
               run.out);
  for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "runs"))
    if (entry.is_regular_file() && entry.path().extension() != ".log")
      BOOST_TEST(!contains(read_text(entry.path()), "s3 cret"), entry.path().string() << " holds a secret");
}

BOOST_AUTO_TEST_CASE(the_exception_of_the_culprit_is_named) {
  const Folder folder;
  folder.write("train.py",
               "import os, time\n"
               "if os.environ['RANK'] == '1':\n    raise ValueError('no such layer')\n"
               "time.sleep(60)\n");
  folder.write("job.yaml", "fabric: 1\nname: script\naccelerator: cpu\ndevices: 2\nprogram: {script: train.py}\n");
  const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
  BOOST_TEST(run.exit_code == 1);
  BOOST_TEST(contains(run.err, "error: rank 1 exited with code 1: ValueError: no such layer"), run.err);
  BOOST_TEST(contains(run.err, "| ValueError: no such layer"), run.err);
}

// What an earlier attempt printed explains nothing of a later one, and its half line stays its own.
BOOST_AUTO_TEST_CASE(each_attempt_is_explained_by_what_it_printed_itself) {
  const Folder folder;
  folder.write("train.py",
               "import os, sys\n"
               "if os.environ['FABRIC_ATTEMPT'] == '0': raise ValueError('first')\n"
               "print('second attempt'); sys.stdout.write('half'); sys.exit(7)\n");
  folder.write(
      "job.yaml",
      "fabric: 1\nname: again\naccelerator: cpu\ndevices: 1\nrestart: {max: 2, backoff: 10ms, on: [{log: first, then: restart}, {then: stop}]}\nprogram: [train.py]\n");
  ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
  BOOST_TEST(run.exit_code == 7);
  BOOST_TEST(contains(run.err, "error: rank 0 exited with code 7; no new start: a rule of `restart.on` says stop"), run.err);
  BOOST_TEST(!contains(run.err, "ValueError"), run.err);
  BOOST_TEST(contains(run.out, "restarting: rank 0 exited with code 1: ValueError: first"), run.out);
  run = run_fabric({"resume", "runs/again/latest", "--format", "json"}, folder.path());
  BOOST_TEST(contains(folder.read("runs/again/latest/nodes/0/rank-0.log"), "half\nsecond attempt\nhalf"));
  BOOST_TEST((*read_json(run.out)->find("attempt") == Value(2)), run.out);
}

BOOST_AUTO_TEST_CASE(the_error_file_of_torch_is_read) {
  const Folder folder;
  folder.write(
      "train.py",
      "import json, os, sys\n"
      "json.dump({'message': {'message': 'KeyError: lr', 'extraInfo': {'timestamp': '1'}}}, open(os.environ['TORCHELASTIC_ERROR_FILE'], 'w'))\n"
      "sys.exit(1)\n");
  const ProgramRun run = run_fabric({"run", "train.py"}, folder.path());
  BOOST_TEST(run.exit_code == 1);
  BOOST_TEST(contains(run.err, "error: rank 0 exited with code 1: KeyError: lr"), run.err);
}

// torchrun's and Lightning's words, the job that they stand for, and a run of it that can be resumed though no file has it.
BOOST_AUTO_TEST_CASE(a_command_line_of_another_launcher_runs) {
  const Folder folder;
  folder.write(
      "train.py",
      "import os, sys\nprint(os.environ['RANK'], os.environ.get('LT_DEVICES'), sys.argv[1:])\nsys.exit(0 if os.path.exists('go') or os.environ['RANK'] == '0' else 3)\n");
  ProgramRun run = run_fabric({"run", "--nproc-per-node", "2", "--env", "MODE=x", "train.py", "--lr", "0.1", "--help"}, folder.path());
  BOOST_TEST(run.exit_code == 3);
  BOOST_TEST(contains(run.out, "[0:1] 1 None ['--lr', '0.1', '--help']\n"), run.out);
  folder.write("go", "");
  run = run_fabric({"resume", "runs/train/latest"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.out << run.err);
  run = run_fabric({"run", "model", "train.py", "--devices=2", "--lr", "0.1"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(contains(run.out, "[0:0] 0 2 ['--lr', '0.1']\n"), run.out);
  run = run_fabric({"run", "--print-job", "--nproc-per-node=2", "train.py", "-x"}, folder.path());
  BOOST_TEST(run.exit_code == 0);
  folder.write("printed.yaml", run.out);
  run = run_fabric({"apply", "printed.yaml"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.out << run.err);
  BOOST_TEST(contains(run.out, "[0:1] 1 None ['-x']\n"), run.out);
  run = run_fabric({"run", "--plan", "--devices", "2", "train.py"}, folder.path());
  BOOST_TEST(run.exit_code == 0);
  BOOST_TEST(contains(run.out, "from the command line"), run.out);
  run = run_fabric({"run", "--precision", "17", "train.py"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "the command line as a job:"), run.err);
  run = run_fabric({"run", "none.py"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "none.py: No such file"), run.err);
  BOOST_TEST(run_fabric({"run", "--help"}, folder.path()).exit_code == 0);
}

// A run that trained nothing together ends well, and says so.
BOOST_AUTO_TEST_CASE(ranks_that_never_meet_are_told_of) {
  const Folder folder;
  folder.write("alone.py", "print('trained')\n");
  folder.write("together.py",
               "import os, socket, time\n"
               "at = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))\n"
               "if os.environ['RANK'] == '0':\n"
               "    server = socket.socket()\n"
               "    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
               "    server.bind(at); server.listen(); server.accept()\n"
               "else:\n"
               "    for i in range(500):\n"
               "        try: socket.create_connection(at); break\n"
               "        except OSError: time.sleep(0.01)\n");
  const std::string says = "these were 2 independent processes";
  const ProgramRun alone = run_fabric({"run", "--nproc-per-node", "2", "alone.py"}, folder.path());
  BOOST_TEST(alone.exit_code == 0);
  BOOST_TEST(contains(alone.out, says), alone.out);
  for (const Words& words : {Words{"run", "--nproc-per-node", "2", "together.py"}, Words{"run", "alone.py"},
                             Words{"run", "--nproc-per-node", "2", "--contract", "none", "alone.py"}}) {
    const ProgramRun run = run_fabric(words, folder.path());
    BOOST_TEST(run.exit_code == 0, run.err);
    BOOST_TEST(!contains(run.out, says), run.out);
  }
}

// The examples of docs/programs.md are run as they stand there.
BOOST_AUTO_TEST_CASE(the_documented_ways_to_talk_back_work) {
  const std::string page = read_text(FABRIC_SOURCE_DIR "/docs/programs.md");
  const auto example = [&page](const std::string& language) {
    const std::size_t begin = page.find("```" + language + "\n") + language.size() + 4;
    return page.substr(begin, page.find("```", begin) - begin);
  };
  const Folder folder;
  folder.write("talk.py", example("python"));
  folder.write("talk.sh", example("sh"));
  for (const Words& program : {Words{"talk.py"}, Words{"--no-python", "sh", "talk.sh"}}) {
    Words words = {"run", "--format", "json", "--nproc-per-node", "2"};
    words.insert(words.end(), program.begin(), program.end());
    const ProgramRun run = run_fabric(words, folder.path());
    BOOST_TEST(run.exit_code == 0, run.err);
    const std::optional<Value> summary = read_json(run.out);
    BOOST_TEST_REQUIRE(summary.has_value(), run.out);
    BOOST_TEST((*summary->find("last_step") == Value(30)), run.out);
  }
}

BOOST_AUTO_TEST_CASE(a_plan_whose_script_has_changed_is_refused) {
  const Folder folder;
  folder.write("train.py", "print('one')\n");
  folder.write("job.yaml", "fabric: 1\nname: script\naccelerator: cpu\ndevices: 1\nprogram: [train.py]\n");
  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "p.json"}, folder.path()).exit_code == 0);
  BOOST_TEST(run_fabric({"apply", "p.json"}, folder.path()).exit_code == 0);
  folder.write("train.py", "print('two')\n");
  const ProgramRun run = run_fabric({"apply", "p.json"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "train.py has changed"), run.err);
}

BOOST_AUTO_TEST_CASE(a_job_may_come_from_a_pipe) {
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nname: piped\naccelerator: cpu\ndevices: 2\nprogram: [sh, -c, \"echo hello from $RANK\"]\n");
  const auto shell = [&folder](const std::string& line) {
    folder.write("line.sh", "cd " + folder.path().string() + "\nfabric=" FABRIC_BINARY_DIR "/bin/fabric\n" + line + "\n");
    const int status =
        std::system(("bash " + (folder.path() / "line.sh").string() + " >" + (folder.path() / "said").string() + " 2>&1").c_str());
    return std::pair(WEXITSTATUS(status), folder.read("said"));
  };
  const auto [applied, text] = shell("cat job.yaml | $fabric apply -");
  BOOST_TEST(applied == 0, text);
  BOOST_TEST(contains(text, "hello from 1"), text);
  BOOST_TEST(contains(text, "from standard input"), text);
  BOOST_TEST(shell("$fabric plan <(cat job.yaml)").first == 0);
  BOOST_TEST(shell("$fabric resume runs/piped/latest").first == 125);
  const auto [refused, why] = shell("echo 'fabric: 1' | $fabric validate -");
  BOOST_TEST(refused == 4);
  BOOST_TEST(contains(why, "standard input:1:1"), why);
  BOOST_TEST(shell("$fabric plan - <&-").first == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
