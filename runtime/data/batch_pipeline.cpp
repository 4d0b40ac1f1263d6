#include "runtime/data/batch_pipeline.hpp"

#include <algorithm>
#include <cassert>

namespace fabric {

BatchPipeline::BatchPipeline(std::int64_t begin, std::int64_t end, std::function<Batch(std::int64_t)> prepare, int workers, int ahead)
    : end_(end),
      prepare_(std::move(prepare)),
      // The training thread waits in next() and never works in the arena, so it counts on top.
      threads_(oneapi::tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(workers) + 1),
      arena_(workers, 0),
      slots_(static_cast<std::size_t>(ahead)),
      next_(begin),
      started_(begin) {
  assert(workers >= 1 && ahead >= 1);
  while (started_ < std::min(end_, begin + ahead)) start(started_++);
}

BatchPipeline::~BatchPipeline() {
  std::unique_lock lock(mutex_);
  closing_ = true;
  changed_.wait(lock, [this] { return in_work_ == 0; });
}

// No worker ever waits: a slot is free before its preparation is enqueued.
void BatchPipeline::start(std::int64_t index) {
  {
    const std::lock_guard lock(mutex_);
    ++in_work_;
  }
  arena_.enqueue([this, index] {
    Slot done;
    done.ready = true;
    bool wanted = true;
    {
      const std::lock_guard lock(mutex_);
      wanted = !closing_;
    }
    try {
      if (wanted) done.batch = prepare_(index);
    } catch (...) {
      done.failure = std::current_exception();
    }
    // Told under the lock: the destructor may end right after it is free.
    const std::lock_guard lock(mutex_);
    slots_[static_cast<std::size_t>(index) % slots_.size()] = std::move(done);
    --in_work_;
    changed_.notify_one();
  });
}

std::optional<Batch> BatchPipeline::next() {
  if (next_ == end_) return std::nullopt;
  Slot taken;
  {
    std::unique_lock lock(mutex_);
    Slot& slot = slots_[static_cast<std::size_t>(next_) % slots_.size()];
    changed_.wait(lock, [&] { return slot.ready; });
    taken = std::exchange(slot, Slot{});
  }
  ++next_;
  if (started_ < end_) start(started_++);
  if (taken.failure) std::rethrow_exception(taken.failure);
  return std::move(taken.batch);
}

}  // namespace fabric
