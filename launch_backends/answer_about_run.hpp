// What the host where a run is conducted says of it to those who watch it from elsewhere.
#pragma once

#include "launch_backends/inquiry_run.hpp"

namespace fabric {

// Files that tell of the end of a run are sent when all others were.
messages::RunReport answer_about_run(const messages::RunInquiry& inquiry);

}  // namespace fabric
