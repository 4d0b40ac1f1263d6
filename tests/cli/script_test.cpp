// Scripts of other people under the real program: words, variables, contracts, and what is said when they fail. With the python3 of the
// machine and nothing but its standard library.
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <sstream>
#include <tuple>
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

// What the user set stays as it is, but for what tells a process who it is; and what the job sets wins.
BOOST_AUTO_TEST_CASE(variables_of_the_user_are_left_alone) {
  const Folder folder;
  folder.write("train.py",
               "import os, sys\n"
               "print([os.environ.get(n) for n in ('PYTHONPATH', 'WANDB_API_KEY', 'NCCL_IB_HCA', 'EMPTY', 'PATH', 'LD_LIBRARY_PATH')], "
               "sys.path.count('/one') + sys.path.count('/two words'))\n");
  const Words variables = {"PYTHONPATH=/one:/two words", "WANDB_API_KEY=k=1", "NCCL_IB_HCA=mlx5_0,mlx5_1",
                           "EMPTY=", "LD_LIBRARY_PATH=/lib"};
  ProgramRun run = run_fabric({"run", "--nproc-per-node", "2", "train.py"}, folder.path(), variables);
  BOOST_TEST(run.exit_code == 0, run.err);
  for (const std::string rank : {"0", "1"})
    BOOST_TEST(contains(run.out, "[0:" + rank + "] ['/one:/two words', 'k=1', 'mlx5_0,mlx5_1', '', '/usr/bin:/bin', '/lib'] 2\n"), run.out);
  run = run_fabric({"run", "--env", "PYTHONPATH=/mine", "train.py"}, folder.path(), variables);
  BOOST_TEST(contains(run.out, "['/mine', 'k=1', 'mlx5_0,mlx5_1', '', '/usr/bin:/bin', '/lib'] 0\n"), run.out);
}

// Of a shell whose variable is empty: no world of one on localhost comes of it.
BOOST_AUTO_TEST_CASE(an_empty_address_or_count_is_refused) {
  const Folder folder;
  folder.write("train.py", "print('trained')\n");
  for (const auto& [option, says] : {std::pair{"--master-addr", "main_address is empty"},
                                     {"--nproc-per-node", "devices: `` is not"},
                                     {"--nnodes", "is not a whole number"},
                                     {"--master-port", "is not a"}}) {
    const ProgramRun run = run_fabric({"run", option, "", "train.py"}, folder.path());
    BOOST_TEST(run.exit_code == 125);
    BOOST_TEST(contains(run.err, says), run.err);
    BOOST_TEST(!fs::exists(folder.path() / "runs"));
  }
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
  // The same is said where nothing would run, and no bad job is printed.
  const std::string says = run.err;
  for (const Words& words : {Words{"--print-job"}, {"--print-job", "--format", "json"}, {"--plan"}}) {
    Words line = {"run", "--precision", "17"};
    line.insert(line.end(), words.begin(), words.end());
    line.push_back("train.py");
    run = run_fabric(line, folder.path());
    BOOST_TEST(run.exit_code == 4);
    BOOST_TEST(run.err == says);
    BOOST_TEST(run.out == "");
  }
  BOOST_TEST(run_fabric({"run", "--print-job", "--no-such-option", "train.py"}, folder.path()).exit_code == 125);
  BOOST_TEST(run_fabric({"run", "--plan", "none.py"}, folder.path()).exit_code == 5);
  // What it takes of a machine is no part of a job.
  run = run_fabric({"run", "--print-job", "none.py"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.err);
  run = run_fabric({"run", "none.py"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "none.py: No such file"), run.err);
  BOOST_TEST(run_fabric({"run", "--help"}, folder.path()).exit_code == 0);
}

// A run that trained nothing together ends well, and says so. Those that meet stay together for longer than the agent looks away (250 ms).
BOOST_AUTO_TEST_CASE(ranks_that_never_meet_are_told_of) {
  const Folder folder;
  folder.write("alone.py", "print('trained')\n");
  folder.write("together.py",
               "import os, socket, time\n"
               "at = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))\n"
               "if os.environ['RANK'] == '0':\n"
               "    server = socket.socket()\n"
               "    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
               "    server.bind(at); server.listen(); peer = server.accept(); time.sleep(0.6)\n"
               "else:\n"
               "    for i in range(500):\n"
               "        try: socket.create_connection(at); break\n"
               "        except OSError: time.sleep(0.01)\n");
  const std::string says = "these were 2 independent processes";
  const ProgramRun alone = run_fabric({"run", "--nproc-per-node", "2", "alone.py"}, folder.path());
  BOOST_TEST(alone.exit_code == 0);
  BOOST_TEST(contains(alone.out, says), alone.out);
  // Whoever comes later is told, too, and a machine.
  BOOST_TEST(contains(replaced(run_fabric({"status", "alone"}, folder.path()).out, "\n              ", " "), says));
  BOOST_TEST(contains(run_fabric({"status", "alone", "--format", "json"}, folder.path()).out, says));
  BOOST_TEST(contains(run_fabric({"run", "--format", "json", "--nproc-per-node", "2", "alone.py"}, folder.path()).out, says));
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
    const Value* checkpoint = summary->find("checkpoint");
    BOOST_TEST_REQUIRE((checkpoint && checkpoint->is_string()), run.out);
    BOOST_TEST(fs::exists(checkpoint->as_string()), run.out);
    BOOST_TEST(contains(checkpoint->as_string(), "/step-30"), run.out);
  }
}

// One that is killed goes on from the last checkpoint that it told of, and not from the start.
BOOST_AUTO_TEST_CASE(the_documented_ways_to_talk_back_resume) {
  const std::string page = read_text(FABRIC_SOURCE_DIR "/docs/programs.md");
  for (const auto& [language, command, dies] :
       {std::tuple{"python", "python3", "import os\nif step == 25 and os.environ['FABRIC_ATTEMPT'] == '0': os._exit(7)\n"},
        {"sh", "sh", "if [ $step = 25 ] && [ $FABRIC_ATTEMPT = 0 ]; then exit 7; fi\n"}}) {
    const std::size_t begin = page.find(std::string("```") + language + "\n") + std::string(language).size() + 4;
    std::string text = page.substr(begin, page.find("```", begin) - begin);
    // Behind the line that tells of a step.
    const std::size_t told = text.find(language == std::string("sh") ? "\\\"step\\\": $step}" : "tell(\"step\"");
    BOOST_TEST_REQUIRE(told != std::string::npos, text);
    std::string indented;
    std::istringstream lines(dies);
    for (std::string line; std::getline(lines, line);) indented += "    " + line + '\n';
    text.insert(text.find('\n', told) + 1, indented);
    const Folder folder;
    folder.write("talk", text);
    folder.write("job.yaml",
                 std::string("fabric: 1\nname: talk\naccelerator: cpu\ndevices: 1\nrestart: {max: 1, backoff: 0s}\nprogram: [") + command +
                     ", talk]\n");
    const ProgramRun run = run_fabric({"apply", "job.yaml"}, folder.path());
    BOOST_TEST(run.exit_code == 0, run.out << run.err);
    const std::string events = folder.read("runs/talk/latest/nodes/0/rank-0.events.jsonl");
    BOOST_TEST(contains(events, "\"resumed_step\": 20}"), events);
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

// A line of a shell in that folder, with $fabric: its exit code, and what it said.
std::pair<int, std::string> in_bash(const Folder& folder, const std::string& line) {
  folder.write("line.sh", "cd " + folder.path().string() + "\nfabric=" FABRIC_BINARY_DIR "/bin/fabric\n" + line + "\n");
  const int status =
      std::system(("bash " + (folder.path() / "line.sh").string() + " >" + (folder.path() / "said").string() + " 2>&1").c_str());
  return {WEXITSTATUS(status), folder.read("said")};
}

BOOST_AUTO_TEST_CASE(limits_of_the_shell_are_told_before_a_start) {
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nname: many\naccelerator: cpu\ndevices: 64\nprogram: [sh, -c, \"ulimit -Sn\"]\n");
  // The agent takes more than the ranks have.
  const auto [raised, text] = in_bash(folder, "ulimit -Sn 100; $fabric apply job.yaml");
  BOOST_TEST(raised == 0, text);
  BOOST_TEST(contains(text, "warning[FAB5031]: open-files: 100, may be raised to "), text);
  BOOST_TEST(contains(text, "[0:63] 100\n"), text);
  const auto [refused, why] = in_bash(folder, "ulimit -n 100; $fabric apply job.yaml");
  BOOST_TEST(refused == 125);
  BOOST_TEST(contains(why, "error: fabric may open 100 files here, and for 64 ranks it needs 160: raise the hard limit"), why);
  BOOST_TEST(!contains(why, "[0:0]"), why);
}

// The stand-in for the driver plays a machine with GPUs; its ranks are shells.
BOOST_AUTO_TEST_CASE(a_rank_may_see_its_own_gpu_alone) {
  const Folder folder;
  folder.write("job.yaml",
               "fabric: 1\nname: own\ndevices: 2\nvisible_devices: rank\n"
               "program: [sh, -c, \"echo $LOCAL_RANK sees $CUDA_VISIBLE_DEVICES\"]\n");
  const auto run = [&folder](const std::string& variant) {
    const std::string library = std::string(FABRIC_BINARY_DIR) + "/tests/" + variant;
    return run_fabric({"apply", "job.yaml"}, folder.path(), {"LD_LIBRARY_PATH=" + library, "FABRIC_STAND_IN_NVML=gpus=4"});
  };
  const ProgramRun known = run("stand_in_nvml");
  BOOST_TEST(known.exit_code == 0, known.err);
  BOOST_TEST(contains(known.out, "[0:0] 0 sees 0\n"), known.out);
  BOOST_TEST(contains(known.out, "[0:1] 0 sees 1\n"), known.out);
  // A driver that does not tell who uses them.
  const ProgramRun unknown = run("stand_in_nvml_without_extras");
  BOOST_TEST(unknown.exit_code == 0, unknown.err);
  BOOST_TEST(contains(unknown.err, "warning[FAB5012]"), unknown.err);
  BOOST_TEST(contains(unknown.out, "[0:1] 0 sees 1\n"), unknown.out);
}

BOOST_AUTO_TEST_CASE(a_pattern_of_checkpoints_counts_from_the_job_whatever_its_folder_is_called) {
  const Folder folder;
  folder.write("a[b]*/job.yaml",
               "fabric: 1\nname: saves\naccelerator: cpu\ndevices: 1\nprogram: [sh, -c, \"echo from $FABRIC_RESUME_FROM; touch step-1.pt; "
               "exit $((FABRIC_ATTEMPT < 1))\"]\ncheckpoint: {path: step-*.pt}\n");
  BOOST_TEST(run_fabric({"apply", "a[b]*/job.yaml"}, folder.path()).exit_code == 1);
  const ProgramRun resumed = run_fabric({"resume", "runs/saves/latest"}, folder.path());
  BOOST_TEST(resumed.exit_code == 0, resumed.err);
  BOOST_TEST(contains(resumed.out, "[0:0] from " + folder.path().string() + "/a[b]*/step-1.pt\n"), resumed.out);
}

BOOST_AUTO_TEST_CASE(a_plan_whose_inherited_variables_have_changed_says_which) {
  const Folder folder;
  folder.write("job.yaml",
               "fabric: 1\nname: named\naccelerator: cpu\ndevices: 1\nprogram: {command: [hostname], inherit: [PATH, \"NCCL_*\"]}\n");
  BOOST_TEST(run_fabric({"plan", "job.yaml", "-o", "p.json"}, folder.path(), {"NCCL_DEBUG=INFO", "NCCL_A=1"}).exit_code == 0);
  BOOST_TEST(run_fabric({"apply", "p.json"}, folder.path(), {"NCCL_DEBUG=INFO", "NCCL_A=1", "OTHER=2"}).exit_code == 0);
  const ProgramRun gone = run_fabric({"apply", "p.json"}, folder.path(), {"NCCL_DEBUG=INFO", "NCCL_B=1"});
  BOOST_TEST(gone.exit_code == 125);
  BOOST_TEST(contains(gone.err, "inherited variables have changed: NCCL_A is gone, NCCL_B is new"), gone.err);
  const ProgramRun other = run_fabric({"apply", "p.json"}, folder.path(), {"NCCL_DEBUG=WARN", "NCCL_A=1"});
  BOOST_TEST(contains(other.err, "inherited variables have changed: the value of one of NCCL_A, NCCL_DEBUG, PATH"), other.err);
  BOOST_TEST(!contains(other.err, "sha256"), other.err);
}

BOOST_AUTO_TEST_CASE(the_example_of_a_script_fails_starts_again_and_ends) {
  const Folder folder;
  for (const char* name : {"pi.py", "script.yaml"}) folder.write(name, read_text(std::string(FABRIC_SOURCE_DIR "/configs/") + name));
  const ProgramRun run = run_fabric({"apply", "script.yaml", "--profile", "failing"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.out << run.err);
  BOOST_TEST(contains(run.out, "restarting: rank "), run.out);
  BOOST_TEST(contains(run.out, "] starts at step 100\n"), run.out);
  BOOST_TEST(contains(run.out, "[0:0] pi is 3.14159"), run.out);
}

// The copy is what runs; data beside the code is found from there, and a resumed run keeps its copy.
BOOST_AUTO_TEST_CASE(a_snapshot_is_what_runs) {
  const Folder folder;
  folder.write("data.txt", "beside");
  folder.write("pkg/__init__.py", "");
  folder.write("pkg/__main__.py", "import os; print('module', __file__, os.getcwd())\n");
  folder.write("train.py", "import os; print(__file__, os.getcwd(), open(os.path.dirname(__file__) + '/data.txt').read())\n");
  const std::string head = "fabric: 1\nname: copy\naccelerator: cpu\ndevices: 1\ncode: {take: snapshot, exclude: [data.txt]}\n";
  folder.write("job.yaml", head + "program: [train.py]\n");
  const ProgramRun script = run_fabric({"apply", "job.yaml"}, folder.path());
  const std::string run = fs::canonical(folder.path() / "runs/copy/latest").string();
  BOOST_TEST(contains(script.out, "] " + run + "/code/train.py " + folder.path().string() + " beside\n"), script.out << script.err);
  BOOST_TEST(fs::is_symlink(run + "/code/data.txt"));
  BOOST_TEST(contains(read_text(run + "/code.json"), "\"files\": "));

  folder.write("job.yaml", head + "program: {module: pkg}\n");
  const ProgramRun module = run_fabric({"apply", "job.yaml"}, folder.path());
  const std::string other = fs::canonical(folder.path() / "runs/copy/latest").string();
  BOOST_TEST(contains(module.out, "] module " + other + "/code/pkg/__main__.py " + other + "/code\n"), module.out << module.err);
}

BOOST_AUTO_TEST_CASE(a_job_may_come_from_a_pipe) {
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nname: piped\naccelerator: cpu\ndevices: 2\nprogram: [sh, -c, \"echo hello from $RANK\"]\n");
  const auto shell = [&folder](const std::string& line) { return in_bash(folder, line); };
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

// What a plan and the words to an agent cannot hold is refused and not changed on the way.
BOOST_AUTO_TEST_CASE(paths_that_are_not_utf8_are_refused) {
  const Folder folder;
  std::filesystem::create_directory(folder.path() / "lat\xefn");
  for (const char* name : {"job.yaml", "lat\xefn/job.yaml"}) folder.write(name, "fabric: 1\naccelerator: cpu\nprogram: [\"true\"]\n");
  ProgramRun run = run_fabric({"apply", "job.yaml", "--runs", "lat\xefn"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(run.err.find("lat\\xefn`: the name is not UTF-8") != std::string::npos, run.err);
  run = run_fabric({"apply", "lat\xefn/job.yaml"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(run.err.find("error[FAB0009]") != std::string::npos, run.err);
  BOOST_TEST(run.err.find("help: rename") != std::string::npos, run.err);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
