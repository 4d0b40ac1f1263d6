#include "runtime/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <future>
#include <string>

#include <ATen/Context.h>
#include <ATen/ops/tensor.h>
#include <c10/core/InferenceMode.h>

#include "runtime/cuda/cuda_module.hpp"
#include "runtime/data/batch_pipeline.hpp"
#include "runtime/data/sampler.hpp"
#include "runtime/failure.hpp"
#include "runtime/log.hpp"
#include "runtime/metrics.hpp"
#include "runtime/optimizer.hpp"
#include "runtime/precision.hpp"
#include "runtime/process_group.hpp"
#include "runtime/schedule.hpp"
#include "runtime/strategies/strategy.hpp"
#include "runtime/tasks/task.hpp"
#include "runtime/training_state.hpp"

namespace fabric {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// Samples a second over an interval that starts anew with each reading.
class Speedometer {
 public:
  void add(double samples) { samples_ += samples; }
  double read() {
    const double speed = samples_ / std::max(seconds_since(start_), 1e-9);
    restart();
    return speed;
  }
  void restart() {
    samples_ = 0;
    start_ = Clock::now();
  }

 private:
  double samples_ = 0;
  Clock::time_point start_ = Clock::now();
};

class Trainer {
 public:
  Trainer(const Plan& plan, const RankEnvironment& place, const StopRequest& stop, EventFile& events);
  Ending run();

 private:
  // What one optimizer step did, over all ranks.
  struct StepResult {
    double loss = 0;  // sum over its samples
    double samples = 0;
    double lr = 0;
    bool stop = false;  // some rank was asked to stop
  };

  void resume();
  void settle();
  void announce_start();
  StepResult make_step(BatchPipeline& batches);
  void report_step(const StepResult& result);
  bool epoch_is_over() const { return loop_.position == steps_per_epoch_ || loop_.step == total_steps_; }
  void end_epoch();
  Tally evaluate();
  void save();
  Ending end(Ending ending);

  bool is_main() const { return group_.rank() == 0; }
  std::int64_t micro_batches_per_epoch() const { return divide_up(sampler_.samples_per_rank(), options_.micro_batch_size); }
  BatchPipeline pipeline(Split split, const std::vector<std::int64_t>& indices, std::int64_t first, std::int64_t last) const;
  Batch on_device(Batch batch) const;

  const Clock::time_point start_ = Clock::now();
  const Plan& plan_;
  const Train<Resolved>& options_;
  const RankEnvironment& place_;
  const StopRequest& stop_;
  EventFile& events_;
  const at::Device device_;
  const std::string checkpoints_;

  // Reading data takes longest at the start and needs nobody, so it goes on while the ranks find each other.
  std::future<std::unique_ptr<Task>> task_in_making_;
  RankGroup group_;
  const std::unique_ptr<Task> task_;
  const DistributedSampler sampler_;
  const std::int64_t steps_per_epoch_;
  const std::int64_t total_steps_;
  std::unique_ptr<UpdateRule> rule_;
  std::unique_ptr<ParallelStrategy> strategy_;
  std::optional<MetricsFiles> metrics_;  // rank 0

  LoopState loop_;
  std::optional<LoopState> saved_;  // what the newest checkpoint holds
  Speedometer step_speed_, row_speed_, epoch_speed_;
  Clock::time_point last_step_event_{};
  bool first_step_ = true;
};

at::Device device_of(const Plan& plan, const RankEnvironment& place) {
  return plan.job.accelerator == Accelerator::cuda ? take_cuda_device(place.local_rank) : at::Device(at::kCPU);
}

Trainer::Trainer(const Plan& plan, const RankEnvironment& place, const StopRequest& stop, EventFile& events)
    : plan_(plan),
      options_(*plan.job.train),
      place_(place),
      stop_(stop),
      events_(events),
      device_(device_of(plan, place)),
      checkpoints_(place.run_directory + "/checkpoints"),
      task_in_making_(std::async(std::launch::async,
                                 [this] {
                                   at::manual_seed(static_cast<std::uint64_t>(plan_.job.seed));
                                   return make_task(options_, weight_type(plan_.job.precision), device_);
                                 })),
      group_(place, device_, plan.job.process_group.timeout),
      task_(task_in_making_.get()),
      sampler_(task_->sample_count(Split::train), group_.size(), group_.rank(), plan.job.seed),
      steps_per_epoch_(divide_up(sampler_.samples_per_rank(), options_.micro_batch_size * options_.accumulation)),
      total_steps_(options_.steps ? *options_.steps : *options_.epochs * steps_per_epoch_),
      rule_(make_update_rule(options_.optimizer, task_->parameters())) {
  if (options_.initial_weights && !place.resume_from) load_initial_weights(*options_.initial_weights, task_->parameters());
  if (options_.schedule.warmup_steps > 0 && options_.schedule.warmup_steps >= total_steps_)
    throw Failure(FailureClass::plan, "the warm-up of " + std::to_string(options_.schedule.warmup_steps) +
                                          " steps does not end within the " + std::to_string(total_steps_) +
                                          " steps of this training; lower train.schedule.warmup_steps");
  resume();
  strategy_ = make_strategy(plan.job.strategy, task_->parameters(), group_);
  settle();
  if (is_main())
    metrics_.emplace(place.run_directory, place.resume_from ? std::optional(MetricsPosition{loop_.step, loop_.epoch}) : std::nullopt);
}

void Trainer::resume() {
  if (!place_.resume_from) return;
  loop_ = restore(read_checkpoint(*place_.resume_from), *place_.resume_from, plan_, task_->parameters(), *rule_);
  if (loop_.step > total_steps_ || loop_.position > steps_per_epoch_)
    throw Failure(FailureClass::checkpoint, *place_.resume_from + ": it is of step " + std::to_string(loop_.step) +
                                                ", beyond the end of this run; was it made with other data?");
  saved_ = loop_;
}

void Trainer::settle() {
  if (!strategy_->needs_settling()) return;
  const std::int64_t any_sample[] = {0};
  strategy_->before_forward(true);
  strategy_->backward(task_->loss(on_device(task_->batch(Split::train, any_sample))), true);
  rule_->forget_gradients();
}

Ending Trainer::run() {
  announce_start();
  while (loop_.step < total_steps_ || (loop_.position > 0 && epoch_is_over())) {
    const std::int64_t first = loop_.position * options_.accumulation;
    const std::int64_t last = std::min(micro_batches_per_epoch(), first + (total_steps_ - loop_.step) * options_.accumulation);
    const std::vector<std::int64_t> order = sampler_.indices(loop_.epoch);
    BatchPipeline batches = pipeline(Split::train, order, first, std::max(first, last));
    step_speed_.restart();
    row_speed_.restart();
    epoch_speed_.restart();
    while (!epoch_is_over()) {
      const StepResult result = make_step(batches);
      report_step(result);
      if (result.stop) return end(Ending::stopped);
      const Interval& every = plan_.job.checkpoint.every;
      if (every.unit == Interval::Unit::steps && loop_.step % every.count == 0 && !epoch_is_over()) save();
    }
    end_epoch();
  }
  return end(Ending::finished);
}

void Trainer::announce_start() {
  std::int64_t parameters = 0;
  for (const NamedTensor& parameter : task_->parameters()) parameters += parameter.tensor.numel();
  if (!is_main()) return;
  const std::int64_t epochs = divide_up(total_steps_, steps_per_epoch_);
  events_.write("start", detail("steps", total_steps_, "epochs", epochs, "steps_per_epoch", steps_per_epoch_, "samples",
                                task_->sample_count(Split::train), "parameters", parameters, "resumed_step", loop_.step));
  log_line(std::string(name_of(options_.model.name)) + " with " + std::to_string(parameters) + " parameters, " +
           std::to_string(task_->sample_count(Split::train)) + " samples, " + std::to_string(total_steps_) + " steps in " +
           std::to_string(epochs) + " epochs, " + std::to_string(group_.size()) + " ranks" +
           (place_.resume_from ? ", resumed after step " + std::to_string(loop_.step) + " from " + *place_.resume_from : ""));
}

Trainer::StepResult Trainer::make_step(BatchPipeline& batches) {
  const std::int64_t taken = loop_.position * options_.accumulation * options_.micro_batch_size;
  const std::int64_t mine = std::min(options_.accumulation * options_.micro_batch_size, sampler_.samples_per_rank() - taken);
  const std::int64_t micro_batches = divide_up(mine, options_.micro_batch_size);
  StepResult result;
  result.lr = learning_rate(options_.schedule, options_.optimizer.lr, loop_.step, total_steps_);

  double loss_sum = 0;
  at::Tensor tally;
  PendingSum pending;
  for (std::int64_t micro = 0; micro < micro_batches; ++micro) {
    const bool last = micro + 1 == micro_batches;
    const Batch batch = on_device(*batches.next());
    strategy_->before_forward(last);
    at::Tensor loss;
    {
      const ForwardPrecision forward(plan_.job.precision, device_.type());
      loss = task_->loss(batch);
    }
    const std::int64_t samples = batch.targets.size(0);
    loss_sum += loss.item<double>() * static_cast<double>(samples);
    if (last) {
      // Travels while the backward pass computes: the loss of all ranks, and whether any was asked to stop, so that all stop
      // after the same step.
      tally =
          at::tensor({loss_sum, static_cast<double>(mine), stop_.asked() ? 1.0 : 0.0}, at::TensorOptions().dtype(at::kDouble)).to(device_);
      pending = group_.begin_sum(tally);
    }
    // A micro-batch counts as its share of the step's samples.
    strategy_->backward(micro_batches == 1 ? loss : loss.mul(static_cast<double>(samples) / static_cast<double>(mine)), last);
  }
  rule_->step(result.lr);
  pending.wait();

  tally = tally.to(at::kCPU);
  const double* sums = tally.const_data_ptr<double>();
  result.loss = sums[0];
  result.samples = sums[1];
  result.stop = sums[2] > 0;
  ++loop_.step;
  ++loop_.position;
  loop_.epoch_loss += result.loss;
  loop_.epoch_samples += result.samples;
  return result;
}

void Trainer::report_step(const StepResult& result) {
  const double loss = result.loss / result.samples;
  for (Speedometer* speed : {&step_speed_, &row_speed_, &epoch_speed_}) speed->add(result.samples);
  if (std::exchange(first_step_, false) && is_main())
    events_.write("first_step", detail("step", loop_.step, "seconds", seconds_since(start_)));

  // Rank 0 speaks for all; the others show now and then that they live.
  constexpr double often = 0.1, seldom = 5;
  if (seconds_since(last_step_event_) >= (is_main() ? often : seldom)) {
    last_step_event_ = Clock::now();
    events_.write("step",
                  detail("step", loop_.step, "epoch", loop_.epoch + 1, "loss", loss, "lr", result.lr, "samples_per_s", step_speed_.read()));
  }
  if (is_main() && loop_.step % options_.log_every == 0)
    metrics_->write({.step = loop_.step, .epoch = loop_.epoch + 1, .loss = loss, .lr = result.lr, .samples_per_s = row_speed_.read()});
}

// The epoch that the last step ended, or that the end of training cut short.
void Trainer::end_epoch() {
  const double speed = epoch_speed_.read();
  const Tally test = evaluate();
  const double train_loss = loop_.epoch_loss / loop_.epoch_samples;
  if (is_main()) {
    MetricsRow row{.step = loop_.step, .epoch = loop_.epoch + 1, .train_loss = train_loss};
    row.test_loss = test.loss / test.samples;
    row.accuracy = test.correct / test.samples;
    row.samples_per_s = speed;
    metrics_->write(row);
    events_.write("epoch", detail("epoch", row.epoch, "train_loss", train_loss, "test_loss", *row.test_loss, "accuracy", *row.accuracy,
                                  "samples_per_s", speed));
    char text[160];
    std::snprintf(text, sizeof text, "epoch %lld: training loss %.4f, test loss %.4f, accuracy %.4f, %.0f samples/s",
                  static_cast<long long>(row.epoch), train_loss, *row.test_loss, *row.accuracy, speed);
    log_line(text);
  }
  ++loop_.epoch;
  loop_.position = 0;
  loop_.epoch_loss = loop_.epoch_samples = 0;
  const Interval& every = plan_.job.checkpoint.every;
  const bool due = every.unit == Interval::Unit::epochs ? loop_.epoch % every.count == 0 : loop_.step % every.count == 0;
  if (due && loop_.step < total_steps_) save();
}

Tally Trainer::evaluate() {
  const c10::InferenceMode no_gradients;
  const std::vector<std::int64_t> mine = evaluation_indices(task_->sample_count(Split::test), group_.size(), group_.rank());
  BatchPipeline batches = pipeline(Split::test, mine, 0, divide_up(static_cast<std::int64_t>(mine.size()), options_.micro_batch_size));
  Tally sum;
  while (std::optional<Batch> batch = batches.next()) {
    const ForwardPrecision forward(plan_.job.precision, device_.type());
    const Tally part = task_->evaluate(on_device(std::move(*batch)));
    sum.loss += part.loss;
    sum.correct += part.correct;
    sum.samples += part.samples;
  }
  at::Tensor sums = at::tensor({sum.loss, sum.correct, sum.samples}, at::TensorOptions().dtype(at::kDouble)).to(device_);
  group_.sum(sums);
  sums = sums.to(at::kCPU);
  const double* total = sums.const_data_ptr<double>();
  return {total[0], total[1], total[2]};
}

void Trainer::save() {
  saved_ = loop_;
  if (!is_main()) return;
  const std::string path = checkpoint_path(checkpoints_, loop_.step);
  write_checkpoint(path, capture(plan_, loop_, task_->parameters(), *rule_));
  keep_newest_checkpoints(path, plan_.job.checkpoint.keep);
  events_.write("checkpoint", detail("path", path, "step", loop_.step));
  log_line("checkpoint " + path);
}

Ending Trainer::end(Ending ending) {
  if (saved_ != loop_) save();  // equal: resumed with nothing left to do
  group_.leave();
  if (is_main() && ending == Ending::finished) events_.write("finished", detail("steps", loop_.step, "seconds", seconds_since(start_)));
  if (is_main()) log_line(ending == Ending::finished ? "finished" : "stopped after step " + std::to_string(loop_.step));
  return ending;
}

BatchPipeline Trainer::pipeline(Split split, const std::vector<std::int64_t>& indices, std::int64_t first, std::int64_t last) const {
  const int workers = static_cast<int>(options_.data_workers);
  return BatchPipeline(
      first, last,
      [this, split, indices](std::int64_t index) {
        const std::size_t begin = static_cast<std::size_t>(index * options_.micro_batch_size);
        const std::size_t size = std::min(static_cast<std::size_t>(options_.micro_batch_size), indices.size() - begin);
        return task_->batch(split, std::span(indices).subspan(begin, size));
      },
      workers, 2 * workers);
}

Batch Trainer::on_device(Batch batch) const {
  if (device_.is_cpu()) return batch;
  return {batch.inputs.to(device_), batch.targets.to(device_)};
}

}  // namespace

Ending train(const Plan& plan, const RankEnvironment& place, const StopRequest& stop, EventFile& events) {
  return Trainer(plan, place, stop, events).run();
}

}  // namespace fabric
