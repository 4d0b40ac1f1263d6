// fabric-worker: one rank of a run that trains. Started by fabric's agent, with its place in the environment.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include <ATen/Parallel.h>
#include <torch/csrc/api/include/torch/version.h>

#include "runtime/cuda/cuda_module.hpp"
#include "runtime/failure.hpp"
#include "runtime/process_group.hpp"
#include "runtime/trainer.hpp"

namespace {

using namespace fabric;

// LibTorch takes 55 ms to unregister its operators; nothing of it is needed any more.
[[noreturn]] void leave(int code) {
  std::fflush(nullptr);
  ::_exit(code);
}

// glibc gives large blocks back to the kernel as soon as they are free, and a training step would fault the same pages in again and
// again: on one AdamW step over 7 million weights that is a factor of three.
void keep_freed_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the greatest that glibc takes
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::mallopt(M_TOP_PAD, 16 << 20);
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

FailureClass class_of(const std::exception& error) {
  if (const auto* failure = dynamic_cast<const Failure*>(&error)) return failure->failure_class;
  return is_communication_error(error) ? FailureClass::communication : FailureClass::internal;
}

int report(const std::exception& error, EventFile* events) {
  const FailureClass failure_class = class_of(error);
  const std::string message = first_line(error);
  std::fprintf(stderr, "fabric-worker: error: %s\n", message.c_str());
  if (events) events->write("error", detail("class", word(failure_class), "message", message));
  return failure_class == FailureClass::usage ? 3 : 1;
}

int work() {
  std::optional<EventFile> events;
  try {
    const RankEnvironment place = read_rank_environment(variable);
    events.emplace(place.events_path, place.rank);
    const Plan plan = load_plan(place.plan_path);
    if (!plan.job.train) throw Failure(FailureClass::plan, place.plan_path + ": this plan runs a program; there is nothing to train");
    if (plan.world_size != place.world_size)
      throw Failure(FailureClass::plan, "WORLD_SIZE is " + std::to_string(place.world_size) + ", but the plan has " +
                                            std::to_string(plan.world_size) + " ranks");
    const StopRequest stop(plan.job.stop.signal, place.stop_file);
    keep_freed_memory();
    if (plan.job.accelerator == Accelerator::cuda) open_cuda_module();
    at::set_num_threads(static_cast<int>(plan.job.threads));
    at::set_num_interop_threads(1);
    train(plan, place, stop, *events);
    return 0;
  } catch (const std::exception& error) {
    return report(error, events ? &*events : nullptr);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::printf("fabric-worker %s, LibTorch %s\n", FABRIC_VERSION, TORCH_VERSION);
    leave(0);
  }
  if (argc > 1) {
    std::fprintf(stderr, "usage: fabric-worker [--version]\nIt is started by `fabric apply`, which sets its environment.\n");
    leave(3);
  }
  leave(work());
}
