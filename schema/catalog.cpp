#include "schema/catalog.hpp"

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
    {"nproc-per-node", "devices", ""},
    {"ntasks_per_node", "devices", ""},
    {"slots", "devices", ""},
    {"world_size", "devices", "the world size follows from devices x num_nodes"},
    {"nnodes", "num_nodes", ""},
    {"nodes", "num_nodes", ""},
    {"num_machines", "num_nodes", ""},
    {"node_rank", "", "which node this is, is known at start: the backend binds it"},
    {"machine_rank", "", "which node this is, is known at start: the backend binds it"},
    {"master_addr", "main_address", ""},
    {"master_address", "main_address", ""},
    {"main_addr", "main_address", ""},
    {"main_process_ip", "main_address", ""},
    {"rdzv_endpoint", "main_address", ""},
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
};

}  // namespace

std::optional<PeerWord> peer_word(std::string_view word) {
  for (const PeerWord& row : peer_words)
    if (row.word == word) return row;
  return std::nullopt;
}

bool has_bfloat16(const Gpu& gpu) { return gpu.compute_major >= 8; }

}  // namespace fabric
