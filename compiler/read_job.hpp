// From the checked tree to the typed job.
#pragma once

#include "schema/job.hpp"
#include "schema/value.hpp"

namespace fabric {

// job: valid against the schema, defaults filled in, without profiles. Other names of a choice (`gpu`, `bf16`, 32) become the one
// that this version uses. Throws BindingError if the schema let something through that the types do not take: a bug of ours.
JobSpec read_job(Value job);

}  // namespace fabric
