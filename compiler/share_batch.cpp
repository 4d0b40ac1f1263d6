#include "compiler/share_batch.hpp"

#include <algorithm>
#include <string>

namespace fabric {

std::optional<BatchShares> share_batch(const Train<Spec>& train, std::int64_t world_size, Diagnostics& diagnostics) {
  const std::int64_t whole = train.batch_size;
  const std::string ranks = std::to_string(world_size) + (world_size == 1 ? " rank" : " ranks");
  const auto indivisible = [&](std::int64_t parts, const std::string& of) {
    const std::int64_t below = whole / parts * parts;
    diagnostics.add({.code = "FAB3020",
                     .message = "batch_size " + std::to_string(whole) + " cannot be shared out equally over " + of,
                     .at = Place("train.batch_size"),
                     .label = "not a multiple of " + std::to_string(parts),
                     .help = "write " + (below > 0 ? std::to_string(below) + " or " : "") + std::to_string(below + parts) +
                             "; batch_size = micro_batch_size x accumulation x ranks"});
    return std::nullopt;
  };
  const bool micro_open = is_auto(train.micro_batch_size), times_open = is_auto(train.accumulation);
  BatchShares shares;
  if (!times_open) shares.accumulation = std::get<std::int64_t>(train.accumulation);
  if (micro_open) {
    const std::int64_t parts = world_size * shares.accumulation;
    if (whole % parts != 0)
      return indivisible(parts, ranks + (shares.accumulation == 1 ? "" : " x accumulation " + std::to_string(shares.accumulation)));
    shares.micro_batch_size = whole / parts;
    return shares;
  }
  shares.micro_batch_size = std::get<std::int64_t>(train.micro_batch_size);
  const std::int64_t a_pass = world_size * shares.micro_batch_size;
  if (times_open) {
    if (whole % a_pass != 0) return indivisible(a_pass, ranks + " x micro_batch_size " + std::to_string(shares.micro_batch_size));
    shares.accumulation = whole / a_pass;
    return shares;
  }
  if (a_pass * shares.accumulation == whole) return shares;
  diagnostics.add({.code = "FAB3023",
                   .message = "batch_size is " + std::to_string(whole) + ", but micro_batch_size " +
                              std::to_string(shares.micro_batch_size) + " x accumulation " + std::to_string(shares.accumulation) + " x " +
                              ranks + " = " + std::to_string(a_pass * shares.accumulation),
                   .at = Place("train.batch_size"),
                   .label = "does not agree",
                   .help = "leave micro_batch_size or accumulation to `auto`"});
  return std::nullopt;
}

std::optional<std::int64_t> written_world_size(const JobSpec& job) {
  const bool named = job.backend == BackendName::ssh && job.ssh && job.ssh->hosts;
  std::optional<std::int64_t> nodes;
  if (!is_auto(job.num_nodes)) nodes = std::get<std::int64_t>(job.num_nodes);
  else if (named) nodes = static_cast<std::int64_t>(job.ssh->hosts->size());
  else if (job.backend == BackendName::local) nodes = 1;
  if (job.program && job.program->contract == Contract::none) return nodes ? nodes : std::optional<std::int64_t>(1);
  if (!nodes || is_auto(job.devices) || std::get<Devices>(job.devices).all) return std::nullopt;
  // A host may have a number of its own.
  if (named && std::any_of(job.ssh->hosts->begin(), job.ssh->hosts->end(), [](const SshHost& h) { return h.devices.has_value(); }))
    return std::nullopt;
  return std::get<Devices>(job.devices).count * *nodes;
}

}  // namespace fabric
