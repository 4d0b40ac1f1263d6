// Prepares batches ahead of the training thread, on oneTBB. Batches come out in order whatever order they were finished in; at
// most `ahead` of them wait; what a preparation throws is thrown where its batch would have come out.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

namespace fabric {

struct Batch {
  at::Tensor inputs;
  at::Tensor targets;
};

class BatchPipeline {
 public:
  // Prepares batches begin, begin + 1, ..., end - 1 by prepare(index), which is called in up to `workers` threads at a time. It must
  // not call LibTorch operators that run in parallel: each worker would make a team of threads of its own.
  BatchPipeline(std::int64_t begin, std::int64_t end, std::function<Batch(std::int64_t)> prepare, int workers, int ahead);
  ~BatchPipeline();  // drops what was prepared; waits for what is in work
  BatchPipeline(const BatchPipeline&) = delete;
  BatchPipeline& operator=(const BatchPipeline&) = delete;

  // The next batch in order, waiting for it if need be; nullopt after the last. Rethrows what prepare threw.
  std::optional<Batch> next();

 private:
  struct Slot {
    bool ready = false;
    Batch batch;
    std::exception_ptr failure;
  };
  void start(std::int64_t index);

  const std::int64_t end_;
  const std::function<Batch(std::int64_t)> prepare_;
  oneapi::tbb::global_control threads_;
  oneapi::tbb::task_arena arena_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;  // batch i is in slot i modulo their number
  std::int64_t next_;        // what next() gives
  std::int64_t started_;     // the first batch not given to a worker yet
  std::int64_t in_work_ = 0;
  bool closing_ = false;
};

}  // namespace fabric
