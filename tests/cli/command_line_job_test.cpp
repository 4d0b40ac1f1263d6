// torchrun's and Lightning's command lines, and the jobs that they stand for.
#include "cli/command_line_job.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <ostream>

#include "cli/job_as_yaml.hpp"
#include "compiler/front_ends/yaml.hpp"
#include "launch_backends/make_launch_backend.hpp"
#include "schema/json.hpp"
#include "tests/compiler/compile_text.hpp"

namespace fabric {
namespace {

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : line + ' ')
    if (c != ' ') word += c;
    else if (!word.empty()) words.push_back(word == "''" ? "" : word), word.clear();
  return words;
}

struct Row {
  std::string line;
  std::string job;  // without fabric, and name where it follows from the script
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.line; }

const Row rows[] = {
    // torchrun's page
    {"train.py", R"({"devices":1,"program":{"script":"train.py"}})"},
    {"--standalone --nnodes=1 --nproc-per-node=4 train.py --lr 0.1 -x",
     R"({"devices":4,"num_nodes":1,"program":{"script":"train.py","args":["--lr","0.1","-x"]}})"},
    {"--standalone --nnodes=1 --nproc_per_node=2 train.py --nproc-per-node 9",
     R"({"devices":2,"num_nodes":1,"program":{"script":"train.py","args":["--nproc-per-node","9"]}})"},
    {"--nnodes=1:1 --nproc-per-node=2 --max-restarts=0 --rdzv-id=abc --rdzv-backend=c10d --rdzv-endpoint=localhost:0 train.py",
     R"({"name":"abc","devices":2,"num_nodes":1,"main_address":"localhost","program":{"script":"train.py"}})"},
    {"--rdzv-endpoint=host1:29400 train.py", R"({"devices":1,"main_address":"host1","main_port":29400,"program":{"script":"train.py"}})"},
    {"--nproc-per-node gpu train.py", R"({"devices":"auto","accelerator":"cuda","program":{"script":"train.py"}})"},
    {"--nproc-per-node auto train.py", R"({"devices":"auto","program":{"script":"train.py"}})"},
    {"--nproc-per-node 2 --master-addr 10.0.0.1 --master-port 29501 -m pkg.train a",
     R"({"devices":2,"main_address":"10.0.0.1","main_port":29501,"program":{"module":"pkg.train","args":["a"]}})"},
    {"--nproc-per-node 2 --no-python ./run.sh -m", R"({"devices":2,"program":{"command":["./run.sh"],"args":["-m"]}})"},
    {"-t 3 -r 1 --monitor-interval 1 train.py", R"({"devices":1,"program":{"script":"train.py"}})"},
    {"--numa-binding exclusive --virtual-local-rank --shutdown-timeout 60 train.py",
     R"({"devices":1,"binding":"cores","visible_devices":"rank","stop":{"grace":60},"program":{"script":"train.py"}})"},
    {"--numa-binding=node train.py", R"({"devices":1,"binding":"numa","program":{"script":"train.py"}})"},
    {"--print-job model train.py --devices 2", R"({"devices":2,"program":{"script":"train.py","contract":"fabric-cli"}})"},
    {"--name foo model train.py -x", R"({"name":"foo","devices":1,"program":{"script":"train.py","args":["-x"],"contract":"fabric-cli"}})"},
    {"./model --devices 2", R"({"name":"model","devices":1,"program":{"script":"./model","args":["--devices","2"]}})"},
    {"--max-restarts 3 train.py", R"({"devices":1,"restart":3,"program":{"script":"train.py"}})"},
    {"-- train.py -- x", R"({"devices":1,"program":{"script":"train.py","args":["--","x"]}})"},
    {"--env A=b=c --env B= --env-file x.env --python .venv --contract env train.py",
     R"({"devices":1,"env":{"A":"b=c","B":""},"program":{"env_file":"x.env","python":".venv","contract":"env","script":"train.py"}})"},
    {"--hosts gpu1,ada@gpu2 --nproc-per-node 8 train.py",
     R"({"devices":8,"backend":"ssh","ssh":{"hosts":["gpu1","ada@gpu2"]},"program":{"script":"train.py"}})"},
    // As DeepSpeed has them: a host takes its slots.
    {"--hostfile hosts.txt --include worker-0@worker-1:0,2 train.py",
     R"({"backend":"ssh","ssh":{"hostfile":"hosts.txt","include":"worker-0@worker-1:0,2"},"program":{"script":"train.py"}})"},
    {"train.py --help", R"({"devices":1,"program":{"script":"train.py","args":["--help"]}})"},
    // Lightning's
    {"model train.py", R"({"devices":1,"program":{"script":"train.py","contract":"fabric-cli"}})"},
    {"model train.py --devices=2 --accelerator cpu --lr 0.1",
     R"({"devices":2,"accelerator":"cpu","program":{"script":"train.py","args":["--lr","0.1"],"contract":"fabric-cli"}})"},
    {"model --strategy ddp --num_nodes=1 train.py --precision bf16-mixed -- --devices 9",
     R"({"devices":1,"strategy":"ddp","num_nodes":1,"precision":"bf16-mixed","program":{"script":"train.py","args":["--devices","9"],"contract":"fabric-cli"}})"},
    {"model train.py --devices 0,1 --main-address=1.2.3.4 --main_port 1234",
     R"({"devices":"0,1","main_address":"1.2.3.4","main_port":1234,"program":{"script":"train.py","contract":"fabric-cli"}})"},
    {"model train.py -t 5 --role x --name y --format csv -m --env z",
     R"({"devices":1,"program":{"script":"train.py","args":["-t","5","--role","x","--name","y","--format","csv","-m","--env","z"],"contract":"fabric-cli"}})"},
    {"--nnodes=1 --node_rank=0 --nproc_per_node=2 --master_addr=localhost --use-env train.py",
     R"({"devices":2,"num_nodes":1,"main_address":"localhost","program":{"script":"train.py"}})"},
    // With c10d the nodes of torchrun number themselves.
    {"--nnodes 2 --nproc-per-node 8 --rdzv-id abc --rdzv-backend c10d --rdzv-endpoint gpu1:29400 train.py",
     R"({"name":"abc","devices":8,"num_nodes":2,"main_address":"gpu1","main_port":29400,"program":{"script":"train.py"}})"},
    // Accelerate's; tests/cli/accelerate_line_test.cpp has more
    {"--name y --env A=b accelerate launch --cpu --num_processes 2 train.py -x",
     R"({"name":"y","env":{"A":"b"},"devices":2,"accelerator":"cpu","program":{"script":"train.py","args":["-x"],"env":{"ACCELERATE_USE_CPU":"True","KMP_AFFINITY":"granularity=fine,compact,1,0","KMP_BLOCKTIME":"1"}}})"},
    {"--env KMP_BLOCKTIME=0 --devices 3 --python .venv accelerate-launch --cpu --num_processes 2 --module pkg.train",
     R"({"devices":3,"env":{"KMP_BLOCKTIME":"0"},"accelerator":"cpu","program":{"python":".venv","module":"pkg.train","env":{"ACCELERATE_USE_CPU":"True","KMP_AFFINITY":"granularity=fine,compact,1,0"}}})"},
    {"model train.py --devices -1", R"({"devices":-1,"program":{"script":"train.py","contract":"fabric-cli"}})"},
    {"model train.py --devices 2,", R"({"devices":"2,","program":{"script":"train.py","contract":"fabric-cli"}})"},
};

BOOST_AUTO_TEST_SUITE(command_lines)

BOOST_DATA_TEST_CASE(stand_for, rows, row) {
  Value job = read_command_line_job(words_of(row.line)).job;
  const std::string yaml = job_as_yaml(job);
  Sources sources;
  SourceMap origins;
  Diagnostics diagnostics;
  const std::uint32_t source = sources.add({"job.yaml", yaml, Source::Kind::file});
  const std::optional<Value> read = read_yaml(sources, source, origins, diagnostics);
  BOOST_TEST_REQUIRE((read && diagnostics.all().empty()), yaml);
  BOOST_TEST(canonical_json(*read) == canonical_json(job), yaml);
  Value expected = *read_json(row.job);
  expected.set("fabric", 1);
  if (!expected.find("name")) expected.set("name", "train");
  if (row.line.find("run.sh") != std::string::npos) expected.set("name", "run");
  if (row.line.find("pkg.train") != std::string::npos) expected.set("name", "pkg.train");
  BOOST_TEST(canonical_json(job) == canonical_json(expected));
}

BOOST_AUTO_TEST_CASE(words_that_yaml_would_read_otherwise_are_quoted) {
  for (const std::string word : {"yes",  "No",  "null", "~",  "1e3",  "0x1f",     "12:30",        "a: b",         "a #b",    "- x", "",
                                 " x",   "{a}", "[a]",  "*a", "&a",   "!a",       "%a",           "@a",           "`a",      "'",   "\"",
                                 "a\nb", "\t",  "true", "3",  "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xef\xbb\xbf", "\xc3\xa9"}) {
    Value job = Value::object();
    job.set("args", Value(Value::Array{Value(word)}));
    Sources sources;
    SourceMap origins;
    Diagnostics diagnostics;
    const std::uint32_t source = sources.add({"job.yaml", job_as_yaml(job), Source::Kind::file});
    const std::optional<Value> read = read_yaml(sources, source, origins, diagnostics);
    BOOST_TEST_REQUIRE((read && diagnostics.all().empty()), job_as_yaml(job));
    BOOST_TEST(canonical_json(*read) == canonical_json(job));
  }
}

struct Unused {
  std::string option, says;
};
std::ostream& operator<<(std::ostream& out, const Unused& row) { return out << row.option; }

const Unused unused[] = {
    {"--role=trainer", "ROLE_NAME is main"},
    {"--log-dir=logs", "--runs DIR"},
    {"--local-addr=10.0.0.1", "--main-address"},
    {"--signals-to-handle=SIGTERM,SIGUSR1", "SIGINT, SIGTERM and SIGHUP"},
    {"--duplicate-stdout-filters=loss", "--grep PATTERN"},
    {"--duplicate_stderr_filters=loss", "--grep PATTERN"},
};

BOOST_DATA_TEST_CASE(what_is_taken_and_not_used_is_said, unused, row) {
  const CommandLineJob read = read_command_line_job({row.option, "train.py"});
  BOOST_TEST_REQUIRE(read.remarks.size() == 1u);
  std::string option = row.option.substr(0, row.option.find('='));
  std::replace(option.begin(), option.end(), '_', '-');
  BOOST_TEST(read.remarks[0].starts_with(option + " is not used: "), read.remarks[0]);
  BOOST_TEST(read.remarks[0].find(row.says) != std::string::npos, read.remarks[0]);
}

// As torchrun and accelerate do; a bad one is theirs to say nothing of.
BOOST_AUTO_TEST_CASE(threads_of_the_environment_are_kept) {
  const auto threads = [](const std::string& line, const std::string& inherited) {
    const Value job = read_command_line_job(words_of(line), inherited).job;
    const Value* found = job.find("threads");
    return found ? found->as_integer() : 0;
  };
  BOOST_TEST(threads("--nproc-per-node 2 train.py", "7") == 7);
  BOOST_TEST(threads("accelerate launch --num_processes 2 train.py", "7") == 7);
  BOOST_TEST(threads("accelerate launch --num_processes 2 --num_cpu_threads_per_process 3 train.py", "7") == 3);
  BOOST_TEST(threads("--hosts gpu1 train.py", "7") == 0);
  for (const char* none : {"", "0", "-1", "many", "4,2", "4097"}) BOOST_TEST(threads("train.py", none) == 0);
}

// docs/programs.md says so. Which node a line is typed on, only --node-rank or a list of hosts can say.
BOOST_AUTO_TEST_CASE(a_line_of_several_nodes_says_which_one_it_is_typed_on) {
  const std::string line = "--nnodes 2 --nproc-per-node 2 --rdzv-id abc --rdzv-backend c10d --rdzv-endpoint gpu1:29400 ";
  for (const auto& [more, codes] : {std::pair{"", "FAB5020"}, {"--node-rank 1 ", ""}, {"--node-rank 2 ", "FAB5021"}}) {
    const CommandLineJob read = read_command_line_job(words_of(line + more + "--no-python hostname"));
    Compilation c = test::compile_yaml(job_as_yaml(read.job));
    BOOST_TEST_REQUIRE(c.plan.has_value(), test::codes(c));
    make_launch_backend(BackendName::local, "/opt/fabric/bin/fabric")->render(*c.plan, read.node_rank, c.diagnostics);
    BOOST_TEST(test::codes(c) == codes, more);
  }
}

struct Refusal {
  std::string line, says;
};
std::ostream& operator<<(std::ostream& out, const Refusal& r) { return out << r.line; }

const Refusal refusals[] = {
    {"", "needs a SCRIPT"},
    {"model", "needs a SCRIPT"},
    {"--nproc-per-node 2", "needs a SCRIPT"},
    {"--nproc-per-nod 2 train.py", "did you mean `--nproc-per-node`?"},
    {"--num_processes 4 train.py", "did you mean `--devices`? devices counts the ranks of one node; the world size is devices x num_nodes"},
    {"--num-machines=2 train.py", "did you mean `--num-nodes`?"},
    {"--world-size 8 train.py", "the world size follows from devices x num_nodes"},
    {"--xyzzy train.py", "options of the script stand behind the script"},
    {"--nproc-per-node", "`--nproc-per-node` needs a value"},
    {"--hosts , train.py", "names no host"},
    {"--nnodes two train.py", "is not a whole number"},
    {"--nnodes 1:4 train.py", "give one number: --nnodes 4"},
    {"--max-restarts x train.py", "is not a whole number"},
    {"--node-rank one train.py", "`--node-rank one` is no node"},
    {"--node-rank 1x train.py", "is no node"},
    {"--node-rank -1 train.py", "numbered from 0 on"},
    {"accelerate", "takes the place of `accelerate launch` alone"},
    {"accelerate config", "takes the place of `accelerate launch` alone"},
    {"--no-python accelerate launch train.py", "behind `accelerate launch`"},
    {"-m --no-python train", "exclude each other"},
    {"--env A train.py", "NAME=value"},
    {"--standalone=1 train.py", "takes no value"},
    {"--format xml train.py", "is not a format"},
};

BOOST_DATA_TEST_CASE(are_refused_with_a_way_out, refusals, refusal) {
  try {
    read_command_line_job(words_of(refusal.line));
    BOOST_ERROR("accepted");
  } catch (const UsageError& error) {
    const std::string said = std::string(error.what()) + " | " + error.help;
    BOOST_TEST(said.find(refusal.says) != std::string::npos, said);
  }
}

BOOST_AUTO_TEST_CASE(each_option_is_told_of_or_does_nothing) {
  for (const Option& option : command_line_options()) {
    BOOST_TEST(!option.help.empty());
    BOOST_TEST(option.help.ends_with('.'), option.help);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
