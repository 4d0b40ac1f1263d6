// Lines of `accelerate launch`, and the jobs that they stand for.
#include "cli/accelerate_line.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <stdlib.h>

#include <ostream>

#include "cli/accelerate_words.hpp"
#include "cli/command.hpp"
#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

// {folder} is that of the files.
std::vector<std::string> words_of(const std::string& line, const Folder& folder) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : replaced(line, "{folder}", folder.path().string()) + ' ')
    if (c != ' ') word += c;
    else if (!word.empty()) words.push_back(std::exchange(word, ""));
  return words;
}

// As `accelerate config` writes them.
const char* const fsdp_file =
    "compute_environment: LOCAL_MACHINE\ndebug: false\ndistributed_type: FSDP\ndowncast_bf16: 'no'\nenable_cpu_affinity: false\n"
    "fsdp_config:\n  fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP\n  fsdp_offload_params: true\n  fsdp_version: 2\n"
    "machine_rank: 0\nmain_training_function: main\nmixed_precision: bf16\nnum_machines: 1\nnum_processes: 4\nrdzv_backend: static\n"
    "same_network: true\ntpu_env: []\ntpu_use_cluster: false\ntpu_use_sudo: false\nuse_cpu: false\n";
const char* const deepspeed_file =
    "compute_environment: LOCAL_MACHINE\ndistributed_type: DEEPSPEED\n"
    "deepspeed_config:\n  gradient_accumulation_steps: 4\n  gradient_clipping: 1.0\n  offload_param_device: CPU\n  zero3_init_flag: true\n  zero_stage: 3\n"
    "mixed_precision: fp16\nmachine_rank: 1\nmain_process_ip: 10.0.0.1\nmain_process_port: 29501\nnum_machines: 2\nnum_processes: 16\n";
const char* const cpu_file =
    "compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_CPU\ndynamo_config:\n  dynamo_backend: INDUCTOR\n  dynamo_use_dynamic: true\n"
    "fp8_config: {}\nmegatron_lm_config: {}\nmixed_precision: 'no'\nnum_processes: 2\nuse_cpu: true\n";
const char* const gpu_file = "distributed_type: MULTI_GPU\ngpu_ids: 0,1,2\nnum_processes: 2\n";
const char* const fp8_file =
    "distributed_type: MULTI_GPU\nmixed_precision: fp8\nnum_processes: 2\nfp8_config:\n  backend: TE\n  margin: 2\n  override_linear_precision: [false, false, false]\n";

struct Row {
  std::string line;
  std::string job;
  std::string remark = "";
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.line; }

#define CPU_VARIABLES R"("ACCELERATE_USE_CPU":"True","KMP_AFFINITY":"granularity=fine,compact,1,0","KMP_BLOCKTIME":"1")"
#define FSDP_VARIABLES                                                                                                                  \
  R"("FSDP_ACTIVATION_CHECKPOINTING":"false","FSDP_ACTIVATION_CHECKPOINTING_OFFLOAD":"false","FSDP_CPU_RAM_EFFICIENT_LOADING":"true",)" \
  R"("FSDP_FORWARD_PREFETCH":"false","FSDP_MIN_NUM_PARAMS":"100000000","FSDP_RESHARD_AFTER_FORWARD":"true",)"                           \
  R"("FSDP_SHARDING_STRATEGY":"FULL_SHARD","FSDP_SYNC_MODULE_STATES":"true","FSDP_USE_ORIG_PARAMS":"true")"

const Row rows[] = {
    {"train.py", R"({"devices":"auto","program":{"script":"train.py"}})"},
    {"--num_processes 4 --mixed_precision bf16 train.py --lr 1 --cpu",
     R"({"devices":4,"precision":"bf16-mixed","program":{"script":"train.py","args":["--lr","1","--cpu"]}})"},
    {"--num-processes=4 --mixed-precision=FP16 --multi-gpu train.py",
     R"({"devices":4,"accelerator":"cuda","precision":"16-mixed","program":{"script":"train.py"}})"},
    {"--cpu --num_processes 2 --mixed_precision no train.py",
     R"({"devices":2,"accelerator":"cpu","precision":"32-true","program":{"script":"train.py","env":{)" CPU_VARIABLES "}}}",
     "starts one process a machine"},
    {"--cpu train.py", R"({"devices":1,"accelerator":"cpu","program":{"script":"train.py","env":{)" CPU_VARIABLES "}}}"},
    {"--num_processes 8 --num_machines 2 --machine_rank 1 --main_process_ip h --main_process_port 1234 train.py",
     R"({"devices":4,"num_nodes":2,"main_address":"h","main_port":1234,"program":{"script":"train.py"}})"},
    {"--multi_gpu --num_processes 2 --gpu_ids 3,1 --main_process_port 0 train.py",
     R"({"devices":[3,1],"accelerator":"cuda","program":{"script":"train.py"}})"},
    {"--num_processes 1 --gpu_ids 2 train.py", R"({"devices":[2],"program":{"script":"train.py"}})"},
    {"--gpu_ids all --num_processes 1 train.py", R"({"devices":1,"program":{"script":"train.py"}})"},
    {"--num_processes 1 -m --num_cpu_threads_per_process 3 --max_restarts 2 pkg.train x",
     R"({"devices":1,"threads":3,"restart":2,"program":{"module":"pkg.train","args":["x"]}})"},
    {"--num_processes 1 --no_python -q --tee 3 --rdzv_conf a=b ./run.sh", R"({"devices":1,"program":{"command":["./run.sh"]}})"},
    {"--num_processes 1 --debug --enable_cpu_affinity train.py",
     R"({"devices":1,"program":{"script":"train.py","env":{"ACCELERATE_DEBUG_MODE":"true","ACCELERATE_CPU_AFFINITY":"1"}}})"},
    {"--num_processes 1 --dynamo_backend inductor --dynamo-use-dynamic train.py",
     R"({"devices":1,"program":{"script":"train.py","env":{"ACCELERATE_DYNAMO_BACKEND":"INDUCTOR","ACCELERATE_DYNAMO_MODE":"default","ACCELERATE_DYNAMO_USE_DYNAMIC":"True","ACCELERATE_DYNAMO_USE_FULLGRAPH":"False","ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION":"False"}}})"},
    {"--use_fsdp --num_processes 2 --fsdp_offload_params True --fsdp_state_dict_type FULL_STATE_DICT train.py",
     R"({"devices":2,"strategy":"fsdp","program":{"script":"train.py","env":{"FSDP_OFFLOAD_PARAMS":"true","FSDP_STATE_DICT_TYPE":"FULL_STATE_DICT","FSDP_VERSION":"1",)" FSDP_VARIABLES
     "}}}"},
    {"--num_processes 1 --log_dir x --role y train.py", R"({"devices":1,"program":{"script":"train.py"}})",
     "--runs DIR in front of `accelerate`"},
    // The file, and what the line changes of it.
    {"--config_file {folder}/fsdp.yaml --num_processes 2 train.py",
     R"({"devices":2,"strategy":"fsdp","precision":"bf16-mixed","program":{"script":"train.py","env":{"FSDP_OFFLOAD_PARAMS":"true","FSDP_VERSION":"2","FSDP_AUTO_WRAP_POLICY":"TRANSFORMER_BASED_WRAP",)" FSDP_VARIABLES
     "}}}"},
    {"--config_file {folder}/fsdp.yaml --multi_gpu --mixed_precision no train.py",
     R"({"devices":4,"accelerator":"cuda","precision":"32-true","program":{"script":"train.py"}})"},
    {"--config_file {folder}/deepspeed.yaml --zero_stage 2 train.py",
     R"({"devices":8,"num_nodes":2,"main_address":"10.0.0.1","main_port":29501,"strategy":"deepspeed_stage_2","precision":"16-mixed","program":{"script":"train.py","env":{"ACCELERATE_CONFIG_DS_FIELDS":"gradient_accumulation_steps,gradient_clipping,offload_param_device,zero3_init_flag,zero_stage,mixed_precision","ACCELERATE_GRADIENT_ACCUMULATION_STEPS":"4","ACCELERATE_GRADIENT_CLIPPING":"1.0","ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE":"cpu","ACCELERATE_DEEPSPEED_ZERO3_INIT":"true","PYTHONPATH":"{cwd}"}}})"},
    {"--config_file {folder}/cpu.yaml train.py",
     R"({"devices":2,"accelerator":"cpu","precision":"32-true","program":{"script":"train.py","env":{"ACCELERATE_DYNAMO_BACKEND":"INDUCTOR","ACCELERATE_DYNAMO_MODE":"default","ACCELERATE_DYNAMO_USE_DYNAMIC":"True","ACCELERATE_DYNAMO_USE_FULLGRAPH":"False","ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION":"False",)" CPU_VARIABLES
     "}}}",
     "starts one process"},
    {"--config_file {folder}/gpu.yaml train.py", R"({"devices":[0,1],"accelerator":"cuda","program":{"script":"train.py"}})"},
    {"--config_file {folder}/fp8.yaml train.py",
     R"({"devices":2,"accelerator":"cuda","program":{"script":"train.py","env":{"ACCELERATE_MIXED_PRECISION":"fp8","ACCELERATE_FP8_BACKEND":"TE","ACCELERATE_FP8_MARGIN":"2","ACCELERATE_FP8_INTERVAL":"1","ACCELERATE_FP8_FORMAT":"HYBRID","ACCELERATE_FP8_AMAX_HISTORY_LEN":"1024","ACCELERATE_FP8_AMAX_COMPUTE_ALGO":"most_recent","ACCELERATE_FP8_OPT_LEVEL":"O2","ACCELERATE_FP8_USE_AUTOCAST_DURING_EVAL":"False","ACCELERATE_FP8_ENABLE_FSDP_FLOAT8_ALL_GATHER":"1","ACCELERATE_FP8_PAD_INNER_DIM":"1","ACCELERATE_FP8_OVERRIDE_FPROP":"False","ACCELERATE_FP8_OVERRIDE_DGRAD":"False","ACCELERATE_FP8_OVERRIDE_WGRAD":"False"}}})"},
};

// No file of the user who runs the test is read.
struct NoFileOfTheUser {
  NoFileOfTheUser() {
    setenv("HF_HOME", "/nonexistent", 1);
    unsetenv("PYTHONPATH");
  }
  Folder folder;
};

BOOST_FIXTURE_TEST_SUITE(accelerate_lines, NoFileOfTheUser)

BOOST_DATA_TEST_CASE(stand_for, rows, row) {
  for (const auto& [name, text] :
       {std::pair{"fsdp", fsdp_file}, {"deepspeed", deepspeed_file}, {"cpu", cpu_file}, {"gpu", gpu_file}, {"fp8", fp8_file}})
    folder.write(std::string(name) + ".yaml", text);
  const AccelerateLine line = read_accelerate_line(words_of(row.line, folder));
  const std::optional<Value> expected = read_json(replaced(row.job, "{cwd}", std::filesystem::current_path().string()));
  BOOST_TEST_REQUIRE(expected.has_value(), row.job);
  BOOST_TEST(canonical_json(line.job) == canonical_json(*expected));
  std::string remarks;
  for (const std::string& remark : line.remarks) remarks += remark + '\n';
  BOOST_TEST((row.remark.empty() ? remarks.empty() : remarks.find(row.remark) != std::string::npos), remarks);
  const bool several = expected->find("num_nodes") != nullptr;
  BOOST_TEST((line.node_rank == (several ? std::optional<std::int64_t>(1) : std::nullopt)));
}

// What the line leaves open stands in the file of `accelerate config`, where there is one.
BOOST_AUTO_TEST_CASE(the_default_file_is_read_as_accelerate_reads_it) {
  folder.write("accelerate/default_config.yaml", fsdp_file);
  setenv("HF_HOME", folder.path().c_str(), 1);
  AccelerateLine line = read_accelerate_line({"train.py"});
  BOOST_TEST((*line.job.find("strategy") == Value("fsdp")));
  BOOST_TEST_REQUIRE(line.remarks.size() == 1u);
  BOOST_TEST(line.remarks[0].find("accelerate/default_config.yaml") != std::string::npos, line.remarks[0]);
  BOOST_TEST(!read_accelerate_line({"--cpu", "train.py"}).job.find("strategy"));
  setenv("HF_HOME", "", 1);
  setenv("XDG_CACHE_HOME", folder.path().c_str(), 1);
  folder.write("huggingface/accelerate/default_config.yaml", "distributed_type: 'NO'\nnum_processes: 3\n");
  BOOST_TEST((*read_accelerate_line({"train.py"}).job.find("devices") == Value(3)));
  unsetenv("XDG_CACHE_HOME");
}

struct Refusal {
  std::string line, says, file = "";
};
std::ostream& operator<<(std::ostream& out, const Refusal& r) { return out << r.line << r.file; }

const Refusal refusals[] = {
    {"", "needs a SCRIPT"},
    {"--cpu", "needs a SCRIPT"},
    {"--num_processes", "`--num_processes` needs a value"},
    {"--num_processes two t.py", "is not a whole number"},
    {"--num_processes 0 t.py", "is no number of processes"},
    {"--num_processes 3 --num_machines 2 --machine_rank 0 t.py", "3 cannot be shared out over 2"},
    {"--num_processes 4 --num_machines 2 t.py", "need --machine_rank"},
    {"--num_machines 2 --machine_rank 0 t.py", "need --num_processes"},
    {"--machine_rank 1 --num_processes 1 t.py", "there is one machine"},
    {"--cpu=1 t.py", "takes no value"},
    {"--cpu --multi_gpu t.py", "exclude each other"},
    {"--multi_gpu --num_processes 1 t.py", "at least 2"},
    {"--num_proceses 2 t.py", "did you mean `--num_processes`?"},
    {"--mixed_precision int4 t.py", "no, fp16, bf16 and fp8"},
    {"--gpu_ids 0,x t.py", "is no list of GPUs"},
    {"--gpu_ids 0 --num_processes 2 t.py", "names 1, and each machine starts 2"},
    {"--tpu t.py", "starts no TPU"},
    {"--use_megatron_lm t.py", "torchrun's words"},
    {"--megatron_lm_tp_degree 2 t.py", "torchrun's words"},
    {"--mpirun_hostfile h t.py", "needs no mpirun"},
    {"--env A=b t.py", "in front of `accelerate`"},
    {"--use_parallelism_config --use_fsdp t.py", "--fsdp_version 2"},
    {"--use_cpu t.py", "unknown option `--use_cpu`"},
    {"-m --no_python t", "exclude each other"},
    {"--config_file {folder}/none.yaml t.py", "cannot read"},
    {"--config_file {folder}/c.yaml t.py", "c.yaml:2: Accelerate has no field `num_proceses` | did you mean `num_processes`?",
     "distributed_type: 'NO'\nnum_proceses: 2\n"},
    {"--config_file {folder}/c.yaml t.py", "has no `distributed_type`", "num_processes: 2\n"},
    {"--config_file {folder}/c.yaml t.py", "c.yaml:1: distributed_type: TPU", "distributed_type: TPU\n"},
    {"--config_file {folder}/c.yaml t.py", "torchrun's words", "distributed_type: MEGATRON_LM\nnum_processes: 2\n"},
    {"--config_file {folder}/c.yaml t.py", "c.yaml:2: `megatron_lm_config` cannot be carried",
     "distributed_type: MULTI_GPU\nmegatron_lm_config:\n  megatron_lm_tp_degree: 2\n"},
    {"--config_file {folder}/c.yaml t.py", "not at AMAZON_SAGEMAKER", "compute_environment: AMAZON_SAGEMAKER\ndistributed_type: 'NO'\n"},
    {"--config_file {folder}/c.yaml t.py", "leaves num_processes open", "distributed_type: MULTI_GPU\nnum_processes: -1\n"},
    {"--config_file {folder}/c.yaml t.py", "c.yaml:1: `NO` is a boolean to some readers", "distributed_type: NO\n"},
    {"--config_file {folder}/c.yaml t.py", "c.yaml:2: the key `distributed_type` stands twice",
     "distributed_type: FSDP\ndistributed_type: FSDP\n"},
    {"--config_file {folder}/c.yaml t.py", "c.yaml:2: `tpu_name` cannot be carried", "distributed_type: 'NO'\ntpu_name: x\n"},
    {"--config_file {folder}/c.yaml t.py", "is no map of Accelerate's fields", "- a\n"},
};

BOOST_DATA_TEST_CASE(are_refused_with_a_way_out, refusals, refusal) {
  if (!refusal.file.empty()) folder.write("c.yaml", refusal.file);
  try {
    read_accelerate_line(words_of(refusal.line, folder));
    BOOST_ERROR("accepted");
  } catch (const UsageError& error) {
    const std::string said = std::string(error.what()) + " | " + error.help;
    BOOST_TEST(said.find(refusal.says) != std::string::npos, said);
    BOOST_TEST(!error.help.empty());
  }
}

BOOST_AUTO_TEST_CASE(each_word_stands_once) {
  for (const AccelerateWord& word : accelerate_words()) BOOST_TEST(find_accelerate_word(word.name) == &word, word.name);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
