// How ranks are started when one of them is debugged: it has a terminal, and the others have none to ask.
#pragma once

#include <string>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/process.hpp"

namespace fabric {

// The terminal at path becomes the process's standard streams and that of its session; what is returned has to live until it is started.
// Throws std::system_error.
FileDescriptor give_terminal(ProcessStart& process, const std::string& path);

// Python's breakpoint() does nothing in it.
void without_breakpoints(ProcessStart& process);

}  // namespace fabric
