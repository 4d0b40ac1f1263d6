#include "cli/accelerate_words.hpp"

#include <algorithm>
#include <iterator>

namespace fabric {
namespace {

constexpr std::string_view no_tpu = "fabric starts no TPU";

using Fate = AccelerateFate;

constexpr AccelerateWord table_of_words[] = {
    {"config_file"},
    {"cpu", true},
    {"multi_gpu", true},
    {"use_fsdp", true},
    {"use_deepspeed", true},
    {"use_parallelism_config", true},
    {"mixed_precision"},
    {"num_processes"},
    {"num_machines"},
    {"machine_rank"},
    {"main_process_ip"},
    {"main_process_port"},
    {"num_cpu_threads_per_process"},
    {"gpu_ids"},
    {"max_restarts"},
    {"module", true},
    {"no_python", true},
    {"debug", true},
    {"enable_cpu_affinity", true},
    {"quiet", true, Fate::ignored},
    {"same_network", true, Fate::ignored},
    {"tee", false, Fate::ignored},
    {"rdzv_backend", false, Fate::ignored},
    {"rdzv_conf", false, Fate::ignored},
    {"monitor_interval", false, Fate::ignored},
    {"main_training_function", false, Fate::ignored},
    {"downcast_bf16", true, Fate::ignored},
    {"no_tpu_cluster", true, Fate::ignored},
    {"role", false, Fate::remarked, "is not used: ROLE_NAME is main"},
    {"log_dir", false, Fate::remarked,
     "is not used: the log files of a run are in its folder, and --runs DIR in front of `accelerate` keeps that elsewhere"},
    {"deepspeed_hostfile", false, Fate::remarked, "is not read: run this line on each machine, with its own --machine_rank"},
    {"deepspeed_multinode_launcher", false, Fate::remarked, "is not used: run this line on each machine, with its own --machine_rank"},
    {"offload_optimizer_nvme_path", false, Fate::remarked,
     "reaches no process under Accelerate either; write it into the file of --deepspeed_config_file"},
    {"offload_param_nvme_path", false, Fate::remarked,
     "reaches no process under Accelerate either; write it into the file of --deepspeed_config_file"},
    {"tpu", true, Fate::refused, no_tpu},
    {"tpu_cluster", true, Fate::refused, no_tpu},
    {"tpu_use_sudo", true, Fate::refused, no_tpu},
    {"vm", false, Fate::refused, no_tpu},
    {"env", false, Fate::refused, "it is for TPU pods; --env NAME=value in front of `accelerate` sets a variable for every rank"},
    {"use_megatron_lm", true, Fate::refused, no_megatron},
    {"mpirun_hostfile", false, Fate::refused,
     "fabric needs no mpirun: ranks on several machines are started by this line on each, with its own --machine_rank"},
    {"deepspeed_exclusion_filter", false, Fate::refused, "name the GPUs in --gpu_ids"},
    {"deepspeed_inclusion_filter", false, Fate::refused, "name the GPUs in --gpu_ids"},
    {"aws_access_key_id", false, Fate::refused, "fabric does not start jobs at AWS"},
    {"aws_secret_access_key", false, Fate::refused, "fabric does not start jobs at AWS"},
    {"dynamo_backend", false, Fate::dynamo, "ACCELERATE_DYNAMO_BACKEND", "NO"},
    {"dynamo_mode", false, Fate::dynamo, "ACCELERATE_DYNAMO_MODE", "default"},
    {"dynamo_use_fullgraph", true, Fate::dynamo, "ACCELERATE_DYNAMO_USE_FULLGRAPH", "False"},
    {"dynamo_use_dynamic", true, Fate::dynamo, "ACCELERATE_DYNAMO_USE_DYNAMIC", "False"},
    {"dynamo_use_regional_compilation", true, Fate::dynamo, "ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION", "False"},
    {"fsdp_version", false, Fate::fsdp, "FSDP_VERSION", "1"},
    {"fsdp_sharding_strategy", false, Fate::fsdp, "FSDP_SHARDING_STRATEGY", "FULL_SHARD"},
    {"fsdp_reshard_after_forward", false, Fate::fsdp, "FSDP_RESHARD_AFTER_FORWARD", "true", true},
    {"fsdp_offload_params", false, Fate::fsdp, "FSDP_OFFLOAD_PARAMS", "false", true},
    {"fsdp_min_num_params", false, Fate::fsdp, "FSDP_MIN_NUM_PARAMS", "100000000"},
    {"fsdp_auto_wrap_policy", false, Fate::fsdp, "FSDP_AUTO_WRAP_POLICY"},
    {"fsdp_transformer_layer_cls_to_wrap", false, Fate::fsdp, "FSDP_TRANSFORMER_CLS_TO_WRAP"},
    {"fsdp_backward_prefetch", false, Fate::fsdp, "FSDP_BACKWARD_PREFETCH"},
    {"fsdp_state_dict_type", false, Fate::fsdp, "FSDP_STATE_DICT_TYPE"},
    {"fsdp_forward_prefetch", false, Fate::fsdp, "FSDP_FORWARD_PREFETCH", "false", true},
    {"fsdp_use_orig_params", false, Fate::fsdp, "FSDP_USE_ORIG_PARAMS", "true", true},
    {"fsdp_cpu_ram_efficient_loading", false, Fate::fsdp, "FSDP_CPU_RAM_EFFICIENT_LOADING", "true", true},
    {"fsdp_sync_module_states", false, Fate::fsdp, "FSDP_SYNC_MODULE_STATES", "true", true},
    {"fsdp_activation_checkpointing", false, Fate::fsdp, "FSDP_ACTIVATION_CHECKPOINTING", "false", true},
    {"fsdp_activation_checkpointing_offload", false, Fate::fsdp, "FSDP_ACTIVATION_CHECKPOINTING_OFFLOAD", "false", true},
    {"fsdp_ignored_modules", false, Fate::fsdp, "FSDP_IGNORED_MODULES"},
    {"zero_stage", false, Fate::deepspeed, "ACCELERATE_DEEPSPEED_ZERO_STAGE"},
    {"gradient_accumulation_steps", false, Fate::deepspeed, "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"},
    {"gradient_clipping", false, Fate::deepspeed, "ACCELERATE_GRADIENT_CLIPPING", "", true},
    {"offload_optimizer_device", false, Fate::deepspeed, "ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "", true},
    {"offload_param_device", false, Fate::deepspeed, "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "", true},
    {"zero3_init_flag", false, Fate::deepspeed, "ACCELERATE_DEEPSPEED_ZERO3_INIT", "", true},
    {"zero3_save_16bit_model", false, Fate::deepspeed, "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL", "", true},
    {"deepspeed_config_file", false, Fate::deepspeed, "ACCELERATE_DEEPSPEED_CONFIG_FILE"},
    {"deepspeed_moe_layer_cls_names", false, Fate::deepspeed, "ACCELERATE_DEEPSPEED_MOE_LAYER_CLS_NAMES"},
    {"fp8_backend", false, Fate::fp8, "ACCELERATE_FP8_BACKEND"},
    {"fp8_use_autocast_during_eval", true, Fate::fp8, "ACCELERATE_FP8_USE_AUTOCAST_DURING_EVAL", "False"},
    {"fp8_margin", false, Fate::fp8, "ACCELERATE_FP8_MARGIN", "0"},
    {"fp8_interval", false, Fate::fp8, "ACCELERATE_FP8_INTERVAL", "1"},
    {"fp8_format", false, Fate::fp8, "ACCELERATE_FP8_FORMAT", "HYBRID"},
    {"fp8_amax_history_len", false, Fate::fp8, "ACCELERATE_FP8_AMAX_HISTORY_LEN", "1024"},
    {"fp8_amax_compute_algo", false, Fate::fp8, "ACCELERATE_FP8_AMAX_COMPUTE_ALGO", "most_recent"},
    {"fp8_override_linear_precision", false, Fate::refused, "it is not carried; give it to Accelerate's FP8 recipe in the script"},
    {"fp8_opt_level", false, Fate::fp8, "ACCELERATE_FP8_OPT_LEVEL", "O2"},
    {"fp8_enable_fsdp_float8_all_gather", false, Fate::fp8, "ACCELERATE_FP8_ENABLE_FSDP_FLOAT8_ALL_GATHER", "1"},
    {"fp8_pad_inner_dim", false, Fate::fp8, "ACCELERATE_FP8_PAD_INNER_DIM", "1"},
    {"parallelism_config_dp_replicate_size", false, Fate::parallelism, "PARALLELISM_CONFIG_DP_REPLICATE_SIZE", "1"},
    {"parallelism_config_dp_shard_size", false, Fate::parallelism, "PARALLELISM_CONFIG_DP_SHARD_SIZE", "1"},
    {"parallelism_config_tp_size", false, Fate::parallelism, "PARALLELISM_CONFIG_TP_SIZE", "1"},
    {"parallelism_config_cp_size", false, Fate::parallelism, "PARALLELISM_CONFIG_CP_SIZE", "1"},
    {"parallelism_config_cp_backend", false, Fate::parallelism, "PARALLELISM_CONFIG_CP_BACKEND", "torch"},
    {"parallelism_config_cp_comm_strategy", false, Fate::parallelism, "PARALLELISM_CONFIG_CP_COMM_STRATEGY", "allgather"},
    {"parallelism_config_sp_size", false, Fate::parallelism, "PARALLELISM_CONFIG_SP_SIZE", "1"},
    {"parallelism_config_sp_backend", false, Fate::parallelism, "PARALLELISM_CONFIG_SP_BACKEND", "deepspeed"},
    {"parallelism_config_sp_seq_length", false, Fate::parallelism, "PARALLELISM_CONFIG_SP_SEQ_LENGTH", "None"},
    {"parallelism_config_sp_seq_length_is_variable", false, Fate::parallelism, "PARALLELISM_CONFIG_SP_SEQ_LENGTH_IS_VARIABLE", "True"},
    {"parallelism_config_sp_attn_implementation", false, Fate::parallelism, "PARALLELISM_CONFIG_SP_ATTN_IMPLEMENTATION", "sdpa"},
    // Of the file alone.
    {"compute_environment"},
    {"distributed_type"},
    {"use_cpu", true},
    {"tpu_use_cluster", true, Fate::refused, no_tpu},
    {"tpu_name", false, Fate::refused, no_tpu},
    {"tpu_zone", false, Fate::refused, no_tpu},
    {"command_file", false, Fate::refused, no_tpu},
    {"commands", false, Fate::refused, no_tpu},
    {"tpu_vm", false, Fate::refused, no_tpu},
    {"tpu_env", false, Fate::refused, no_tpu},
    {"mpirun_ccl", false, Fate::ignored},
};

constexpr std::string_view only_in_file[] = {
    "compute_environment", "distributed_type", "use_cpu", "tpu_use_cluster", "tpu_name",   "tpu_zone",
    "command_file",        "commands",         "tpu_vm",  "tpu_env",         "mpirun_ccl", "fsdp_ignored_modules"};

}  // namespace

std::span<const AccelerateWord> accelerate_words() { return table_of_words; }

const AccelerateWord* find_accelerate_word(std::string_view name) {
  for (const AccelerateWord& word : table_of_words)
    if (word.name == name) return &word;
  return nullptr;
}

bool is_of_file_alone(const AccelerateWord& word) {
  return std::find(std::begin(only_in_file), std::end(only_in_file), word.name) != std::end(only_in_file);
}

}  // namespace fabric
