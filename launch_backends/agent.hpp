// One supervisor a node: `fabric agent`. It speaks protocol frames over stdin and stdout, starts the ranks of its node, and
// promises that none of them, nor anything that they started, outlives it or its controller.
#pragma once

namespace fabric {

// The main of `fabric agent`: becomes keeper and agent proper. Returns the exit code.
int agent_main(int argc, char** argv);

}  // namespace fabric
