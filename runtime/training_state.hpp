// What a training run must remember to go on as if it had never stopped, and its way into a checkpoint and back.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/checkpoint.hpp"
#include "runtime/optimizer.hpp"
#include "schema/plan.hpp"

namespace fabric {

// Where the loop stands. An epoch whose position is at its end still owes its evaluation.
struct LoopState {
  std::int64_t step = 0;      // optimizer steps made
  std::int64_t epoch = 0;     // epochs finished, so the 0-based one in work
  std::int64_t position = 0;  // steps made of the epoch in work
  double epoch_loss = 0;      // sum of losses over the samples of the epoch in work, over all ranks
  double epoch_samples = 0;
  friend bool operator==(const LoopState&, const LoopState&) = default;
};

// Everything: parameters, what the optimizer remembers, the loop, the CPU's default generator (all ranks draw alike: rank 0's counts).
// Tensors share their memory with those in use.
Checkpoint capture(const Plan& plan, const LoopState& loop, const std::vector<NamedTensor>& parameters, UpdateRule& rule);

// Puts a checkpoint of the same job back. path is for messages. Throws Failure(checkpoint), with nothing changed yet, naming the first
// thing that does not fit: another model, optimizer, seed, number of ranks or batch; a tensor that is missing, unknown or of another shape.
LoopState restore(const Checkpoint& checkpoint, const std::string& path, const Plan& plan, const std::vector<NamedTensor>& parameters,
                  UpdateRule& rule);

// Takes the parameters from a safetensors file and lets everything else in it be. Throws Failure(checkpoint) as restore does.
void load_initial_weights(const std::string& path, const std::vector<NamedTensor>& parameters);

}  // namespace fabric
