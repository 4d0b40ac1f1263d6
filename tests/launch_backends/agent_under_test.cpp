// The agent alone, so that the tests of supervision do not need the whole of fabric.
#include "launch_backends/agent.hpp"

int main(int argc, char** argv) { return fabric::agent_main(argc - 1, argv + 1); }
