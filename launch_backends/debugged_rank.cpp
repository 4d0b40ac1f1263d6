#include "launch_backends/debugged_rank.hpp"

#include <fcntl.h>

#include <cerrno>
#include <system_error>

namespace fabric {

FileDescriptor give_terminal(ProcessStart& process, const std::string& path) {
  FileDescriptor terminal(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) throw std::system_error(errno, std::generic_category(), "cannot open the terminal " + path);
  process.descriptors = {{terminal.get(), 0}, {terminal.get(), 1}, {terminal.get(), 2}};
  process.controlling_terminal = true;
  return terminal;
}

void without_breakpoints(ProcessStart& process) {
  std::erase_if(process.env, [](const std::string& variable) { return variable.starts_with("PYTHONBREAKPOINT="); });
  process.env.emplace_back("PYTHONBREAKPOINT=0");
}

}  // namespace fabric
