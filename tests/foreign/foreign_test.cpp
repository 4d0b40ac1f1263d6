// Scripts of our own for PyTorch and Lightning, each under its own launcher and under ours: the same metric of each rank. They are the
// small and exact ones, and the only ones where others_test.cpp found none by others.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <ostream>
#include <string_view>

#include "schema/json.hpp"
#include "tests/cli/program.hpp"
#include "tests/foreign/installed_python.hpp"

namespace fabric::testing {
namespace {

// What ranks print as a metric, sorted. Under their own launchers the lines of two ranks may run into one.
std::vector<std::string> metrics(const std::string& text) {
  constexpr std::string_view word = "metric ";
  std::vector<std::string> found;
  for (std::size_t at = text.find(word); at != std::string::npos;) {
    const std::size_t next = text.find(word, at + word.size());
    found.push_back(text.substr(at, std::min(next, text.find('\n', at)) - at));
    at = next;
  }
  std::sort(found.begin(), found.end());
  return found;
}

const std::string scripts = FABRIC_SOURCE_DIR "/tests/foreign/scripts/";

struct Script {
  std::string theirs, ours;
};
std::ostream& operator<<(std::ostream& out, const Script& script) { return out << script.ours; }

const Script same[] = {
    {"torchrun --nproc-per-node 2 " + scripts + "torch_distributed.py", "run --nproc-per-node 2 " + scripts + "torch_distributed.py"},
    {"torchrun --standalone --nproc_per_node=2 " + scripts + "torch_distributed.py",
     "run --standalone --nproc_per_node=2 " + scripts + "torch_distributed.py"},
    {"python " + scripts + "fabric_launch.py", "run --nproc-per-node 2 " + scripts + "fabric_launch.py"},
    {"fabric run --accelerator cpu --strategy ddp --devices 2 " + scripts + "fabric_cli.py",
     "run model " + scripts + "fabric_cli.py --accelerator cpu --strategy ddp --devices 2"},
    {"torchrun --nproc-per-node 2 " + scripts + "trainer.py", "run --nproc-per-node 2 " + scripts + "trainer.py"},
    {"python -m torch.distributed.launch --nproc-per-node 2 " + scripts + "local_rank_option.py",
     "run --nproc-per-node 2 --local-rank-option --local-rank " + scripts + "local_rank_option.py"},
};

BOOST_AUTO_TEST_SUITE(foreign)

BOOST_DATA_TEST_CASE(the_metric_is_that_of_its_own_launcher, same, script) {
  if (left_out()) return;
  const Folder folder;
  // torch's launcher takes the torchrun of the environment below.
  std::string line = script.theirs;
  if (line.starts_with("torchrun ")) line = "python -m torch.distributed.run " + line.substr(9);
  const Result expected = shell(folder, line);
  BOOST_TEST_REQUIRE(expected.code == 0, expected.text);
  const Result found = shell(folder, ours + script.ours);
  BOOST_TEST_REQUIRE(found.code == 0, found.text);
  BOOST_TEST(metrics(expected.text).size() >= 2u, expected.text);
  BOOST_TEST(metrics(found.text) == metrics(expected.text), boost::test_tools::per_element());
  BOOST_TEST(found.text.find("independent processes") == std::string::npos, found.text);
}

// The two processes of torchrun, each as a node of its own.
BOOST_AUTO_TEST_CASE(nodes_that_are_started_one_by_one_train_together) {
  if (left_out()) return;
  const Folder folder;
  const Result expected = shell(folder, "python -m torch.distributed.run --nproc-per-node 2 " + scripts + "torch_distributed.py");
  BOOST_TEST_REQUIRE(expected.code == 0, expected.text);
  const std::string node = ours + "run --nnodes 2 --main-address 127.0.0.1 --main-port 29583 --node-rank ";
  const Result found = shell(
      folder, "{ " + node + "1 " + scripts + "torch_distributed.py & " + node + "0 " + scripts + "torch_distributed.py && wait -n; }");
  BOOST_TEST_REQUIRE(found.code == 0, found.text);
  BOOST_TEST(metrics(expected.text).size() >= 2u, expected.text);
  BOOST_TEST(metrics(found.text) == metrics(expected.text), boost::test_tools::per_element());
}

// What a rank 0 prints by scripts/variables.py.
std::map<std::string, std::string> variables_of(const Result& run) {
  constexpr std::string_view head = "variables 0 ";
  const std::size_t begin = run.text.find(head);
  BOOST_REQUIRE_MESSAGE(begin != std::string::npos, run.text);
  const std::size_t end = run.text.find('\n', begin);
  const std::optional<Value> map = read_json(run.text.substr(begin + head.size(), end - begin - head.size()));
  BOOST_REQUIRE_MESSAGE(map.has_value(), run.text);
  std::map<std::string, std::string> variables;
  for (const Member& member : map->as_object()) variables[member.key] = member.value.as_string();
  return variables;
}

// docs/programs.md names them: what ours has beside, what differs, and what only theirs has.
const char* const documented[] = {"FABRIC_",
                                  "LT_",
                                  "TORCHELASTIC_",
                                  "ROLE_",
                                  "RANK",
                                  "LOCAL_RANK",
                                  "WORLD_SIZE",
                                  "LOCAL_WORLD_SIZE",
                                  "NODE_RANK",
                                  "GROUP_RANK",
                                  "GROUP_WORLD_SIZE",
                                  "PYTHONUNBUFFERED",
                                  "MASTER_ADDR",
                                  "MASTER_PORT",
                                  "OMP_NUM_THREADS",
                                  "ACCELERATE_DYNAMO_",
                                  "TORCH_NCCL_ASYNC_ERROR_HANDLING"};

struct AccelerateCase {
  std::string words, file;
};
std::ostream& operator<<(std::ostream& out, const AccelerateCase& one) { return out << one.words << one.file; }

const AccelerateCase accelerate_cases[] = {
    {"--cpu --num_processes 2 --mixed_precision bf16", ""},
    {"--cpu --num_processes 2 --mixed_precision no --dynamo_backend eager --debug", ""},
    {"--use_fsdp --num_processes 2 --mixed_precision fp16 --fsdp_offload_params True --fsdp_min_num_params 7 --fsdp_state_dict_type FULL_STATE_DICT",
     ""},
    {"--config_file c.yaml --fsdp_version 1",
     "distributed_type: FSDP\nmixed_precision: bf16\nnum_machines: 1\nnum_processes: 2\nuse_cpu: false\nfsdp_config:\n  fsdp_version: 2\n"
     "  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP\n  fsdp_use_orig_params: false\n  fsdp_transformer_layer_cls_to_wrap: A,B\n"},
    {"--use_deepspeed --num_processes 2 --zero_stage 3 --mixed_precision bf16 --gradient_clipping 0.5 --zero3_init_flag True", ""},
    {"--config_file c.yaml --zero_stage 2",
     "distributed_type: DEEPSPEED\nmixed_precision: fp16\nnum_machines: 1\nnum_processes: 2\ndeepspeed_config:\n  zero_stage: 3\n"
     "  gradient_accumulation_steps: 4\n  gradient_clipping: 1.0\n  offload_optimizer_device: CPU\n  zero3_save_16bit_model: true\n"},
};

BOOST_DATA_TEST_CASE(a_script_sees_what_accelerate_tells_it, accelerate_cases, one) {
  if (left_out()) return;
  const std::string page = read_text(FABRIC_SOURCE_DIR "/docs/programs.md");
  for (const std::string name : documented)
    BOOST_TEST(page.find("`" + name + (name.ends_with('_') ? "*`" : "`")) != std::string::npos, name);
  const Folder folder;
  folder.write("c.yaml", one.file);
  const bool deepspeed = one.words.find("deepspeed") != std::string::npos || one.file.find("DEEPSPEED") != std::string::npos;
  const std::string clean = "export HF_HOME=/nonexistent; unset ACCELERATE_USE_CPU PYTHONPATH\n";
  const Result theirs = shell(folder, clean + (deepspeed ? "python " + scripts + "accelerate_deepspeed.py " : "accelerate launch ") +
                                          one.words + ' ' + scripts + "variables.py");
  BOOST_TEST_REQUIRE(theirs.code == 0, theirs.text);
  const Result found = shell(folder, clean + ours + "run --name same accelerate launch " + one.words + ' ' + scripts + "variables.py");
  BOOST_TEST_REQUIRE(found.code == 0, found.text);
  const std::map<std::string, std::string> expected = variables_of(theirs), here = variables_of({0, replaced(found.text, "[0:0] ", "")});
  std::string differ;
  const auto compare = [&](const std::string& name) {
    const auto is_it = [&name](const std::string& known) { return known.ends_with('_') ? name.starts_with(known) : name == known; };
    // The shell's own.
    if (name == "_" || name == "SHLVL" || name == "OLDPWD" || std::any_of(std::begin(documented), std::end(documented), is_it)) return;
    const auto a = expected.find(name), b = here.find(name);
    const bool same = a != expected.end() && b != here.end() && a->second == b->second;
    if (!same) differ += name + ": " + (a == expected.end() ? "-" : a->second) + " and " + (b == here.end() ? "-" : b->second) + '\n';
  };
  for (const auto& [name, value] : expected) compare(name);
  for (const auto& [name, value] : here)
    if (!expected.contains(name)) compare(name);
  BOOST_TEST(differ.empty(), differ);
  // What is written of dynamo arrives.
  if (one.words.find("dynamo") != std::string::npos)
    for (const auto& [name, value] : expected)
      if (name.starts_with("ACCELERATE_DYNAMO_")) BOOST_TEST((here.contains(name) && here.at(name) == value), name);
}

// Hundreds of checks of Accelerate's own, from its wheel.
BOOST_AUTO_TEST_CASE(accelerates_own_test_passes) {
  if (left_out()) return;
  const Folder folder;
  // PyTorch 2.11 may abort in the exit of the interpreter; see scripts/.
  Result run;
  for (int times = 0; times < 4 && (times == 0 || run.text.find("terminate called") != std::string::npos); ++times)
    run =
        shell(folder,
              ours + "run --nproc-per-node 2 --accelerator cpu --env ACCELERATE_USE_CPU=true -m accelerate.test_utils.scripts.test_script");
  BOOST_TEST(run.code == 0, run.text);
  BOOST_TEST(run.text.find("distributed setup with batch split") != std::string::npos, run.text);
}

BOOST_AUTO_TEST_CASE(the_culprit_under_record_is_named_and_not_its_victim) {
  if (left_out()) return;
  const Folder folder;
  const Result run = shell(folder, ours + "run --nproc-per-node 2 " + scripts + "recorded.py");
  BOOST_TEST(run.code == 1);
  BOOST_TEST(run.text.find("error: rank 1 exited with code 1: ValueError: bad batch") != std::string::npos, run.text);
}

// A real collective of gloo that waits for rank 1.
BOOST_AUTO_TEST_CASE(whoever_holds_up_a_collective_is_named) {
  if (left_out()) return;
  for (const auto& [how, why] :
       {std::pair{"sleep", "sleeps while the others wait"}, {"stop", "is stopped"}, {"spin", "computes while the others wait"}}) {
    const Folder folder;
    folder.write(
        "job.yaml",
        std::string("fabric: 1\nname: held\naccelerator: cpu\ndevices: 2\nstall: 3s\ntime_limit: 25s\nstop: {grace: 0s}\nprogram: [") +
            scripts + "held_up.py, " + how + "]\n");
    const Result run = shell(folder, ours + "apply job.yaml");
    BOOST_TEST(run.code == 124, run.text);
    BOOST_TEST(run.text.find("look at rank 1 ") != std::string::npos, run.text);
    BOOST_TEST(run.text.find(why) != std::string::npos, run.text);
  }
}

// A Fabric script without launch() under torchrun's variables: said before the start, and at the end.
BOOST_AUTO_TEST_CASE(a_run_that_trained_nothing_together_says_so) {
  if (left_out()) return;
  const Folder folder;
  const Result run = shell(folder, ours + "run --nproc-per-node 2 " + scripts + "fabric_cli.py");
  BOOST_TEST(run.code == 0, run.text);
  BOOST_TEST(run.text.find("FAB3043") != std::string::npos, run.text);
  BOOST_TEST(run.text.find("these were 2 independent processes") != std::string::npos, run.text);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
