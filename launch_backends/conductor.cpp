#include "launch_backends/conductor.hpp"

#include <unistd.h>

#include "launch_backends/kept_record.hpp"
#include "launch_backends/protocol.hpp"
#include "launch_backends/replace_file.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

std::string path_in(const std::string& run) { return run + "/conductor.json"; }

}  // namespace

Conductor new_conductor(std::string what, std::string job, Conductor::Aim aim) {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return {.name = make_nonce(), .host = host, .pid = getpid(), .what = std::move(what), .job = std::move(job), .aim = aim};
}

std::optional<Conductor> conductor_of(const std::string& run) { return kept_record<Conductor>(path_in(run)); }

void name_conductor(const std::string& run, const Conductor& conductor) {
  replace_file(path_in(run), canonical_json(to_value(conductor)) + '\n');
}

std::optional<Overruling> overruling_of(const std::string& run, const Conductor& own) {
  const std::optional<Conductor> now = conductor_of(run);
  if (!now || now->name == own.name) return std::nullopt;
  if (now->aim == Conductor::Aim::conducts)
    return Overruling{.why = now->what + " on " + now->host + " carries the run out now", .grace = Overruling::Grace::short_one};
  return Overruling{.why = now->what, .grace = now->aim == Conductor::Aim::kills ? Overruling::Grace::none : Overruling::Grace::of_job};
}

}  // namespace fabric
