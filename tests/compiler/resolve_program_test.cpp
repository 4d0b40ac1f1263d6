// A program of somebody else: what starts it, and what it is told.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <ostream>

#include "compiler/look_at_script.hpp"
#include "schema/json.hpp"
#include "tests/compiler/compile_text.hpp"

using namespace fabric;
using test::codes;
using test::machine;

namespace {

struct Workplace {
  std::map<std::string, std::string> files = {{"/jobs/train.py", "print('hello')\n"}};
  std::map<std::string, std::string> environment;
  std::map<std::string, std::string> programs = {{"python3", "/usr/bin/python3"}, {"python3.12", "/opt/bin/python3.12"}};

  Compilation compile(const std::string& job, const std::vector<std::string>& sets = {}, const Hardware& hardware = machine(4)) const {
    test::Files all{files};
    all.texts["/jobs/job.yaml"] = job;
    Outside outside = all.outside();
    const auto look_up = [](std::map<std::string, std::string> in) {
      return [in = std::move(in)](const std::string& name) { return in.contains(name) ? in.at(name) : std::string(); };
    };
    outside.environment = look_up(environment);
    outside.find_program = look_up(programs);
    outside.python_version = [](const std::string&) { return std::optional<std::string>("Python 3.11.2"); };
    outside.git_state = [](const std::string& folder) { return std::optional("of " + folder); };
    Request request;
    request.job = "/jobs/job.yaml";
    request.sets = sets;
    return fabric::compile(request, outside, [&](const JobSpec&, Diagnostics&) { return hardware; });
  }
};

std::string joined(const std::vector<Text>& words) {
  std::string text;
  for (const Text& word : words) text += (text.empty() ? "" : " ") + word.str();
  return text;
}

const std::string head = "fabric: 1\naccelerator: cpu\ndevices: 2\n";

struct Line {
  std::string program;
  std::string starts;
};
std::ostream& operator<<(std::ostream& out, const Line& line) { return out << line.program; }

const Line lines[] = {
    {"{script: train.py}", "/usr/bin/python3 /jobs/train.py"},
    {"[train.py, --lr, \"0.1\"]", "/usr/bin/python3 /jobs/train.py --lr 0.1"},
    {"[python3.12, train.py, --lr, \"0.1\"]", "/opt/bin/python3.12 /jobs/train.py --lr 0.1"},
    {"[../py/bin/python3, -u, train.py]", "/py/bin/python3 /jobs/train.py"},
    {"[python3.12, -m, pkg.train, a]", "/opt/bin/python3.12 -m pkg.train a"},
    {"[python3.12, -O, train.py]", "python3.12 -O train.py"},
    {"[pythonic, train.py]", "pythonic train.py"},
    {"{command: [python3.12, train.py]}", "python3.12 train.py"},
    {"{module: pkg.train, args: [a, b]}", "/usr/bin/python3 -m pkg.train a b"},
    {"{command: [hostname], args: [-f]}", "hostname -f"},
    {"[hostname, -f]", "hostname -f"},
    {"{script: train.py, args: {lr: 0.1, n: 3, sizes: [1, 2], names: [a, b], fp16: true, debug: false}}",
     "/usr/bin/python3 /jobs/train.py --lr 0.1 --n 3 --sizes 1 2 --names a b --fp16"},
    {"{script: train.py, args: {offset: -1, word: -x, eq: a=b}}", "/usr/bin/python3 /jobs/train.py --offset -1 --word=-x --eq a=b"},
    {"{script: train.py, wrapper: [numactl, -N, \"0\"]}", "numactl -N 0 /usr/bin/python3 /jobs/train.py"},
    {"{script: train.py, local_rank_option: --local-rank, args: [x]}", "/usr/bin/python3 /jobs/train.py --local-rank <local_rank> x"},
    {"{script: train.py, python: python3.12}", "/opt/bin/python3.12 /jobs/train.py"},
    {"{script: train.py, python: .venv}", "/jobs/.venv/bin/python /jobs/train.py"},
    {"{script: train.py, python: /conda/envs/x}", "/conda/envs/x/bin/python /jobs/train.py"},
    {"{script: train.py, python: ../py/bin/python3}", "/py/bin/python3 /jobs/train.py"},
    {"{script: train.py, python: no-such-python}", "no-such-python /jobs/train.py"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(programs)

BOOST_DATA_TEST_CASE(are_started_by, lines, line) {
  Workplace workplace;
  workplace.files["/jobs/.venv/bin/python"] = "";
  workplace.files["/conda/envs/x/bin/python"] = "";
  const Compilation c = workplace.compile(head + "program: " + line.program + '\n');
  BOOST_TEST_REQUIRE(codes(c) == "");
  BOOST_TEST(joined(c.plan->groups[0].rank.argv) == line.starts);
}

BOOST_AUTO_TEST_CASE(one_argument_can_be_changed) {
  const std::string job =
      head + "program: {script: train.py, args: {lr: 0.1, fp16: true}}\nprofiles: {quick: {program: {args: {steps: 3}}}}\n";
  const Compilation c = Workplace().compile(job, {"program.args.lr=0.5", "program.args.fp16=null"});
  BOOST_TEST_REQUIRE(codes(c) == "");
  BOOST_TEST(joined(c.plan->groups[0].rank.argv) == "/usr/bin/python3 /jobs/train.py --lr 0.5");
}

// The short form says all that is started.
BOOST_AUTO_TEST_CASE(a_list_takes_the_place_of_the_whole_program_below_it) {
  const Workplace workplace;
  const std::string job = head + "program: {script: train.py, args: [--lr, \"0.1\"], cwd: /tmp}\n";
  const auto started = [&](const std::string& set) {
    const Compilation c = workplace.compile(job, {set});
    BOOST_TEST_REQUIRE(codes(c) == "");
    return joined(c.plan->groups[0].rank.argv) + " in " + c.plan->groups[0].rank.cwd.str();
  };
  BOOST_TEST(started("program=[/jobs/train.py]") == "/usr/bin/python3 /jobs/train.py in /tmp");
  BOOST_TEST(started("program=[hostname, -f]") == "hostname -f in /tmp");
  BOOST_TEST(started("program=[python3, -m, pkg.train]") == "/usr/bin/python3 -m pkg.train in /tmp");
  const std::string by_python = head + "program: {script: train.py, python: /opt/python, cwd: /tmp}\n";
  BOOST_TEST(codes(workplace.compile(by_python, {"program=[hostname]"})) == "");
  BOOST_TEST(joined(workplace.compile(by_python, {"program=[/jobs/train.py]"}).plan->groups[0].rank.argv) == "/opt/python /jobs/train.py");
  BOOST_TEST(started("program={script: /jobs/train.py}") == "/usr/bin/python3 /jobs/train.py --lr 0.1 in /tmp");
}

BOOST_AUTO_TEST_CASE(threads_of_the_environment_give_way_with_a_word) {
  Workplace workplace;
  workplace.environment["OMP_NUM_THREADS"] = "3";
  const std::string job = head + "program: [hostname]\n";
  BOOST_TEST(codes(workplace.compile(job)) == "FAB3052");
  BOOST_TEST(codes(workplace.compile(job, {"threads=3"})) == "");
  BOOST_TEST(codes(workplace.compile(job, {"threads=1"})) == "");
  workplace.environment["OMP_NUM_THREADS"] = "2";
  BOOST_TEST(codes(workplace.compile(job)) == "");  // as fabric would have it
  for (const char* other : {"4,2", "0", "many", "5000"}) {
    workplace.environment["OMP_NUM_THREADS"] = other;
    const Compilation c = workplace.compile(job);
    BOOST_TEST(codes(c) == "FAB3052");
    BOOST_TEST(c.diagnostics.all().front().help == "write `threads` in the job, or unset the variable");
  }
  // What is not inherited gives way to nothing.
  BOOST_TEST(codes(workplace.compile(head + "program: {command: [hostname], inherit: none}\n")) == "");
}

BOOST_AUTO_TEST_CASE(the_interpreter_is_a_decision) {
  Workplace workplace;
  const auto decision = [&] {
    const Compilation c = workplace.compile(head + "program: {script: train.py}\n");
    BOOST_REQUIRE(c.plan);
    for (const Decision& d : c.plan->decisions)
      if (d.field == "program.python") return d.value.as_string() + ", " + d.rule;
    return std::string("none");
  };
  BOOST_TEST(decision() == "/usr/bin/python3, first-on-path");
  workplace.environment["VIRTUAL_ENV"] = "/home/me/.venv";
  BOOST_TEST(decision() == "/home/me/.venv/bin/python, active-virtual-environment");
}

BOOST_AUTO_TEST_CASE(code_is_part_of_the_plan) {
  Workplace workplace;
  const Compilation c = workplace.compile(head + "program: {script: train.py}\n");
  BOOST_REQUIRE(c.plan);
  BOOST_TEST(c.plan->code.python_version.value() == "Python 3.11.2");
  BOOST_TEST(c.plan->code.git_commit.value() == "of /jobs");
  workplace.files["/jobs/train.py"] += "# changed\n";
  BOOST_TEST(plan_id(*workplace.compile(head + "program: {script: train.py}\n").plan) != plan_id(*c.plan));
}

BOOST_AUTO_TEST_CASE(a_file_of_variables_stays_out_of_the_plan) {
  Workplace workplace;
  workplace.files["/jobs/secrets.env"] = "TOKEN=s3cret\n";
  const Compilation c = workplace.compile(head + "program: {script: train.py, env_file: secrets.env}\n");
  BOOST_TEST_REQUIRE(codes(c) == "");
  BOOST_TEST(c.plan->groups[0].rank.env_file.value() == "/jobs/secrets.env");
  BOOST_TEST(save_plan(*c.plan).find("s3cret") == std::string::npos);
  workplace.files["/jobs/secrets.env"] = "RANK=3\nthis is none\n";
  BOOST_TEST(codes(workplace.compile(head + "program: {script: train.py, env_file: secrets.env}\n")) == "FAB3046 FAB3030");
}

struct Told {
  std::string contract;
  std::vector<std::string> has, lacks;
};
std::ostream& operator<<(std::ostream& out, const Told& told) { return out << told.contract; }

const Told contracts[] = {
    {"torchrun",
     {"RANK", "LOCAL_RANK", "TORCHELASTIC_RUN_ID", "GROUP_RANK", "PYTHONUNBUFFERED", "FABRIC_EVENTS"},
     {"LT_CLI_USED", "LT_DEVICES", "LT_STRATEGY"}},
    {"fabric-cli", {"RANK", "TORCHELASTIC_RUN_ID", "LT_CLI_USED", "LT_DEVICES", "LT_NUM_NODES"}, {"LT_STRATEGY"}},
    {"env",
     {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "FABRIC_EVENTS"},
     {"TORCHELASTIC_RUN_ID", "GROUP_RANK", "ROLE_RANK", "LT_CLI_USED", "LT_ACCELERATOR"}},
    {"none",
     {"FABRIC_EVENTS", "OMP_NUM_THREADS", "PYTHONUNBUFFERED"},
     {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID",
      "LT_DEVICES"}},
};

BOOST_DATA_TEST_CASE(are_told_of_their_place, contracts, told) {
  const Compilation c = Workplace().compile(head + "program: {script: train.py, contract: " + told.contract + "}\n");
  BOOST_TEST_REQUIRE(codes(c) == "");
  const auto& env = c.plan->groups[0].rank.env;
  for (const std::string& name : told.has) BOOST_TEST(env.contains(name), name << " is missing");
  for (const std::string& name : told.lacks) BOOST_TEST(!env.contains(name), name << " is there");
  BOOST_TEST(c.plan->world_size == (told.contract == "none" ? 1 : 2));
}

BOOST_AUTO_TEST_CASE(alone_it_has_all_devices) {
  const Compilation c =
      Workplace().compile("fabric: 1\naccelerator: cuda\ndevices: 4\nprogram: {script: train.py, contract: none}\n", {}, machine(16, 4));
  BOOST_TEST_REQUIRE(codes(c) == "");
  BOOST_TEST(c.plan->world_size == 1);
  BOOST_TEST(c.plan->job.devices.count == 4);
  BOOST_TEST(c.plan->job.threads == 16);
  BOOST_TEST(c.plan->groups[0].rank.env.at("CUDA_VISIBLE_DEVICES").str() == "<device_ids>");
}

// Strategy and precision reach a script in its own words, exactly as written, and only if written.
struct Choice {
  std::string written;
  std::map<std::string, std::string> told;
};
std::ostream& operator<<(std::ostream& out, const Choice& choice) { return out << choice.written; }

const Choice choices[] = {
    {"", {}},
    {"precision: bf16", {{"LT_PRECISION", "bf16"}, {"ACCELERATE_MIXED_PRECISION", "bf16"}}},
    {"precision: 16", {{"LT_PRECISION", "16"}, {"ACCELERATE_MIXED_PRECISION", "fp16"}}},
    {"precision: 16-mixed", {{"LT_PRECISION", "16-mixed"}, {"ACCELERATE_MIXED_PRECISION", "fp16"}}},
    {"precision: 32-true", {{"LT_PRECISION", "32-true"}, {"ACCELERATE_MIXED_PRECISION", "no"}}},
    {"precision: 64-true", {{"LT_PRECISION", "64-true"}}},
    {"strategy: ddp", {{"LT_STRATEGY", "ddp"}}},
    {"strategy: auto", {{"LT_STRATEGY", "auto"}}},
    {"strategy: fsdp", {{"LT_STRATEGY", "fsdp"}, {"ACCELERATE_USE_FSDP", "true"}}},
    {"strategy: deepspeed_stage_2",
     {{"LT_STRATEGY", "deepspeed_stage_2"}, {"ACCELERATE_USE_DEEPSPEED", "true"}, {"ACCELERATE_DEEPSPEED_ZERO_STAGE", "2"}}},
};

BOOST_DATA_TEST_CASE(hear_of_choices, choices, choice) {
  for (const std::string contract : {"torchrun", "fabric-cli"}) {
    const Compilation c =
        Workplace().compile("fabric: 1\ndevices: 2\n" + choice.written + "\nprogram: {script: train.py, contract: " + contract + "}\n");
    BOOST_TEST_REQUIRE(codes(c) == "");
    std::map<std::string, std::string> told;
    for (const auto& [name, value] : c.plan->groups[0].rank.env)
      if ((name.starts_with("LT_") && name != "LT_CLI_USED" && name != "LT_DEVICES" && name != "LT_NUM_NODES") ||
          name.starts_with("ACCELERATE_"))
        told[name] = value.str();
    BOOST_TEST((told == choice.told), canonical_json(to_value(told)));
  }
  for (const std::string contract : {"env", "none"})
    BOOST_TEST(codes(Workplace().compile(head + choice.written + "\nprogram: {script: train.py, contract: " + contract + "}\n")) ==
               (choice.written.empty() ? "" : "FAB3047"));
}

BOOST_AUTO_TEST_CASE(a_choice_of_a_profile_or_of_the_command_line_is_told_too) {
  const std::string job = head + "program: {script: train.py}\nprofiles: {big: {strategy: fsdp, precision: 16-true}}\n";
  BOOST_TEST(codes(Workplace().compile(job)) == "");
  const Compilation c = Workplace().compile(job, {"strategy=deepspeed"});
  BOOST_TEST_REQUIRE(codes(c) == "");
  BOOST_TEST(c.plan->groups[0].rank.env.at("LT_STRATEGY").str() == "deepspeed");
  BOOST_TEST(codes(Workplace().compile(job, {"precision=17"})) == "FAB2003");
  BOOST_TEST(c.plan->groups[0].rank.env.at("LT_ACCELERATOR").str() == "cpu");
}

struct Look {
  std::string text;
  std::string contract;
  std::string found;
};
std::ostream& operator<<(std::ostream& out, const Look& look) { return out << look.text; }

const Look looks[] = {
    {"import lightning as L\nf = L.Fabric(devices=2)\nf.launch()\n", "torchrun", ""},
    {"import lightning as L\nf = L.Fabric(devices=2)\nf.setup(m)\n", "torchrun", "FAB3043"},
    {"import torch, lightning as L\nf = L.Fabric()\n", "torchrun", "FAB3043"},
    {"from lightning.fabric import Fabric\nf = Fabric()\n# f.launch() is not needed\n", "torchrun", "FAB3043"},
    {"from lightning.fabric import Fabric\nf = Fabric()\n", "env", "FAB3043"},
    {"from lightning.fabric import Fabric\nf = Fabric()\n", "fabric-cli", ""},
    {"from lightning.fabric import Fabric\nf = Fabric()\nf.launch()\n", "fabric-cli", "FAB3044"},
    {"import torch.distributed as dist\ndist.init_process_group()\n", "torchrun", ""},
    {"p.add_argument('--local_rank', type=int)\n", "torchrun", "FAB3045"},
    {"p.add_argument('--local-rank', default=int(os.environ['LOCAL_RANK']))\n", "torchrun", ""},
    {"class Fabric: pass\nf = Fabric()\n", "torchrun", ""},
};

BOOST_DATA_TEST_CASE(are_looked_at_and_advised, looks, look) {
  Workplace workplace;
  workplace.files["/jobs/train.py"] = look.text;
  const Compilation c = workplace.compile(head + "program: {script: train.py, contract: " + look.contract + "}\n");
  BOOST_TEST(codes(c) == look.found);
  BOOST_TEST(c.plan.has_value(), "a look decides nothing");
  BOOST_TEST(codes(workplace.compile(head + "program: {script: train.py, contract: " + look.contract + "}\n", {"devices=1"})) == "");
}

BOOST_AUTO_TEST_SUITE_END()
