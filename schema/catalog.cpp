#include "schema/catalog.hpp"

#include <algorithm>
#include <span>
#include <string>

namespace fabric {
namespace {

constexpr PeerWord peer_words[] = {
    {"gpus", "devices", ""},
    {"num_gpus", "devices", ""},
    {"n_gpus", "devices", ""},
    {"ngpus", "devices", ""},
    {"gpus_per_node", "devices", ""},
    {"num_processes", "devices", "devices counts the ranks of one node; the world size is devices x num_nodes"},
    {"nproc_per_node", "devices", ""},
    {"ntasks_per_node", "devices", ""},
    {"slots", "devices", ""},
    {"gpu_ids", "devices", "indices go there too: `devices: [0, 1]`"},
    {"world_size", "devices", "the world size follows from devices x num_nodes"},
    {"nnodes", "num_nodes", ""},
    {"nodes", "num_nodes", ""},
    {"num_machines", "num_nodes", ""},
    {"node_rank", "", "which node this is, is known at start: `fabric apply JOB --node-rank N`"},
    {"machine_rank", "", "which node this is, is known at start: `fabric apply JOB --node-rank N`"},
    {"master_addr", "main_address", ""},
    {"master_address", "main_address", ""},
    {"main_addr", "main_address", ""},
    {"main_process_ip", "main_address", ""},
    {"rdzv_endpoint", "main_address", ""},
    {"rdzv_backend", "", "fabric's controller tells the ranks of each other: there is no rendezvous to choose"},
    {"rdzv_id", "", "each run has an id of its own"},
    {"master_port", "main_port", ""},
    {"main_process_port", "main_port", ""},
    {"mixed_precision", "precision", ""},
    {"fp16", "precision", "write precision: bf16-mixed"},
    {"bf16", "precision", "write precision: bf16-mixed"},
    {"dtype", "precision", ""},
    {"amp", "precision", "write precision: bf16-mixed"},
    {"dist_backend", "process_group.backend", ""},
    {"distributed_backend", "process_group.backend", ""},
    {"process_group_backend", "process_group.backend", ""},
    {"omp_num_threads", "threads", ""},
    {"num_threads", "threads", ""},
    {"cpus_per_task", "threads", ""},
    {"max_epochs", "train.epochs", ""},
    {"num_epochs", "train.epochs", ""},
    {"num_train_epochs", "train.epochs", ""},
    {"n_epochs", "train.epochs", ""},
    {"max_steps", "train.steps", ""},
    {"num_steps", "train.steps", ""},
    {"total_steps", "train.steps", ""},
    {"learning_rate", "train.optimizer.lr", ""},
    {"base_lr", "train.optimizer.lr", ""},
    {"optim", "train.optimizer", ""},
    {"lr_scheduler", "train.schedule", ""},
    {"scheduler", "train.schedule", ""},
    {"lr_schedule", "train.schedule", ""},
    {"warmup", "train.schedule.warmup_steps", ""},
    {"num_warmup_steps", "train.schedule.warmup_steps", ""},
    {"global_batch_size", "train.batch_size", ""},
    {"train_batch_size", "train.batch_size", ""},
    {"per_device_train_batch_size", "train.micro_batch_size", ""},
    {"train_micro_batch_size_per_gpu", "train.micro_batch_size", ""},
    {"gradient_accumulation_steps", "train.accumulation", ""},
    {"accumulate_grad_batches", "train.accumulation", ""},
    {"num_workers", "train.data_workers", ""},
    {"dataloader_num_workers", "train.data_workers", ""},
    {"dataset", "train.data", ""},
    {"data_dir", "train.data.path", ""},
    {"data_path", "train.data.path", ""},
    {"log_every_n_steps", "train.log_every", ""},
    {"logging_steps", "train.log_every", ""},
    {"save_steps", "checkpoint.every", ""},
    {"save_every", "checkpoint.every", ""},
    {"every_n_train_steps", "checkpoint.every", ""},
    {"save_top_k", "checkpoint.keep", ""},
    {"save_total_limit", "checkpoint.keep", ""},
    {"environment", "env", ""},
    {"env_vars", "env", ""},
    {"seed_everything", "seed", ""},
    {"random_seed", "seed", ""},
    {"launcher", "backend", ""},
    {"scheduler_type", "backend", ""},
    {"job_name", "name", ""},
    {"entrypoint", "program.command", ""},
    {"cmd", "program.command", ""},
    {"workdir", "program.cwd", ""},
    {"working_dir", "program.cwd", ""},
    {"script", "program.script", ""},
    {"module", "program.module", ""},
    {"python", "program.python", ""},
    {"python_exec", "program.python", ""},
    {"trainer", "", "what a trainer is given are fields of the job itself and of `train`; `fabric explain` lists them"},
    {"distributed_type", "strategy", ""},
    {"compute_environment", "",
     "this is a file of `accelerate config`: `fabric run --print-job accelerate launch --config_file FILE SCRIPT` prints the job for it"},
    {"fsdp_config", "",
     "`fabric run --print-job accelerate launch --config_file FILE SCRIPT` prints the job for a file of `accelerate config`"},
    {"deepspeed_config", "",
     "`fabric run --print-job accelerate launch --config_file FILE SCRIPT` prints the job for a file of `accelerate config`"},
    {"zero_stage", "", "ZeRO is not in this version of fabric; `strategy: ddp` is"},
    {"zero_optimization", "", "ZeRO is not in this version of fabric; `strategy: ddp` is"},
    {"lr_scheduler_type", "train.schedule", ""},
    {"dirpath", "", "checkpoints are kept in runs/NAME/ID/checkpoints; `fabric apply --runs DIR` keeps runs elsewhere"},
    {"every_n_epochs", "checkpoint.every", "write the unit: `1 epoch`"},
    {"args", "program.args", ""},
    {"training_script_args", "program.args", ""},
    {"apiVersion", "", "this is no Kubernetes object: a job begins with `fabric: 1`; `fabric explain` lists its fields"},
    {"kind", "", "this is no Kubernetes object: a job begins with `fabric: 1`; `fabric explain` lists its fields"},
    {"spec", "", "this is no Kubernetes object: a job begins with `fabric: 1`; `fabric explain` lists its fields"},
    {"metadata", "", "this is no Kubernetes object: a job begins with `fabric: 1`; `fabric explain` lists its fields"},
    {"gradient_clipping", "", "gradient clipping is not in this version of fabric"},
    {"gradient_clip_val", "", "gradient clipping is not in this version of fabric"},
    {"max_grad_norm", "", "gradient clipping is not in this version of fabric"},
    {"clip_grad_norm", "", "gradient clipping is not in this version of fabric"},
    {"logger", "", "metrics need no logger: each run writes metrics.csv and metrics.jsonl"},
    {"loggers", "", "metrics need no logger: each run writes metrics.csv and metrics.jsonl"},
    {"callbacks", "", "checkpoints, progress and metrics need no callbacks; see `fabric explain checkpoint`"},
    {"resume", "", "to go on with a run: `fabric resume runs/NAME/latest`; to start from given weights: `train.initial_weights`"},
    {"resume_from_checkpoint", "",
     "to go on with a run: `fabric resume runs/NAME/latest`; to start from given weights: `train.initial_weights`"},
    {"ckpt_path", "", "to go on with a run: `fabric resume runs/NAME/latest`; to start from given weights: `train.initial_weights`"},
    {"output_dir", "", "runs are kept in runs/NAME; `fabric apply --runs DIR` keeps them elsewhere"},
    {"default_root_dir", "", "runs are kept in runs/NAME; `fabric apply --runs DIR` keeps them elsewhere"},
    {"log_dir", "", "runs are kept in runs/NAME; `fabric apply --runs DIR` keeps them elsewhere"},
    {"max_restarts", "restart.max", ""},
    {"restarts", "restart.max", ""},
    {"retries", "restart.max", ""},
    {"backoff_limit", "restart.max", ""},
    {"walltime", "time_limit", ""},
    {"timeout", "time_limit", ""},
    {"slurm", "slurm", "it is a section of the job, beside `backend: slurm`"},
    {"time", "time_limit", ""},
    {"gres", "devices", ""},
    {"hostfile", "ssh.hostfile", "write `backend: ssh` too"},
    {"hosts", "ssh.hosts", "write `backend: ssh` too"},
    {"defaults", "extends", ""},
};

constexpr std::string_view own_processes = "fabric starts each rank as a process of its own: a strategy does not say how";
constexpr std::string_view no_xla = "TPUs and XLA are not in this version of fabric; on CPUs and NVIDIA GPUs write `ddp`";
constexpr std::string_view one_device = "what has one device has `devices: 1`, and needs no strategy";

// Those of Lightning (registries of Fabric 2.6 and of the Trainer since 1.5), Accelerate (distributed_type) and PyTorch.
constexpr PeerWord peer_strategies[] = {
    {"ddp_spawn", "ddp", own_processes},
    {"ddp_fork", "ddp", own_processes},
    {"ddp_notebook", "ddp", own_processes},
    {"ddp_spawn_find_unused_parameters_true", "ddp_find_unused_parameters_true", own_processes},
    {"ddp_fork_find_unused_parameters_true", "ddp_find_unused_parameters_true", own_processes},
    {"ddp_notebook_find_unused_parameters_true", "ddp_find_unused_parameters_true", own_processes},
    {"ddp_spawn_find_unused_parameters_false", "ddp_find_unused_parameters_false", own_processes},
    {"ddp_fork_find_unused_parameters_false", "ddp_find_unused_parameters_false", own_processes},
    {"ddp_notebook_find_unused_parameters_false", "ddp_find_unused_parameters_false", own_processes},
    {"multi_gpu", "ddp", ""},
    {"multi_cpu", "ddp", "`accelerator: cpu` says where"},
    {"fsdp2", "fsdp", ""},
    {"fully_sharded", "fsdp", ""},
    {"xla", "", no_xla},
    {"xla_fsdp", "", no_xla},
    {"single_xla", "", no_xla},
    {"single_tpu", "", no_xla},
    {"tpu_spawn", "", no_xla},
    {"single_device", "", one_device},
    {"no", "", one_device},
    {"model_parallel", "", "tensor parallel training is set up in the script, by a ModelParallelStrategy object: write no strategy here"},
    {"megatron_lm", "", "Megatron-LM starts from a script of its own: write no strategy here"},
};

std::optional<PeerWord> find_peer(std::span<const PeerWord> rows, std::string_view word) {
  std::string folded(word);
  std::replace(folded.begin(), folded.end(), '-', '_');
  for (const PeerWord& row : rows)
    if (row.word == folded) return row;
  return std::nullopt;
}

}  // namespace

std::optional<PeerWord> peer_word(std::string_view word) { return find_peer(peer_words, word); }

std::optional<PeerWord> peer_strategy(std::string_view word) {
  // Accelerate writes MULTI_GPU, and Lightning takes any case.
  std::string small(word);
  for (char& c : small)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return find_peer(peer_strategies, small);
}

bool has_bfloat16(const Gpu& gpu) { return gpu.compute_major && *gpu.compute_major >= 8; }

}  // namespace fabric
