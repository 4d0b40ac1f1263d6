// `fabric host`: answers what another fabric asks of this machine, over stdin and stdout. It starts nothing, but for the controller of a
// run whose first host this is, and ends with its stdin or when it hears nothing for its lease.
#pragma once

#include <string>

namespace fabric {

// The main of `fabric host --nonce TEXT --lease SECONDS`. build: version and commit. Returns the exit code.
int host_main(int argc, char** argv, const std::string& build);

}  // namespace fabric
