// The training loop: one rank's part of a run, from its data to its last checkpoint.
#pragma once

#include "runtime/events.hpp"
#include "runtime/rank_environment.hpp"
#include "runtime/stop_request.hpp"
#include "schema/plan.hpp"

namespace fabric {

enum class Ending {
  finished,  // all steps are made; also of a resumed run that had nothing left to do
  stopped    // asked to, after a checkpoint
};

// Trains what plan.job.train says; the plan must have it. Resumes from place.resume_from. All ranks of the run must call it; all
// return after the same step. Rank 0 writes metrics, checkpoints and events below place.run_directory.
//
// An epoch is ceil(samples per rank / (micro_batch_size x accumulation)) steps; its last step takes what is left, and its gradient
// is the mean over the samples that it has. Throws Failure, or what LibTorch throws.
Ending train(const Plan& plan, const RankEnvironment& place, const StopRequest& stop, EventFile& events);

}  // namespace fabric
