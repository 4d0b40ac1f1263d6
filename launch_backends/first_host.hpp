// The first host of a job, where somebody else has asked for the run: says whether it could conduct it, and does so, in a process of its
// own that nothing ties to whoever asked.
#pragma once

#include <memory>
#include <string>

#include "launch_backends/inquiry_run.hpp"
#include "launch_backends/launch_backend.hpp"

namespace fabric {

class FirstHost {
 public:
  // self: absolute path of this program.
  explicit FirstHost(std::string self) : self_(std::move(self)) {}

  // An order is carried out by a copy of this process, which has one thread. It holds the lock of the run on return.
  messages::ConductReport answer(const messages::ConductInquiry& inquiry);

 private:
  void look(const messages::ConductInquiry& inquiry, messages::ConductReport& report);
  void begin(const messages::RunOrder& order, messages::ConductReport& report);

  const std::string self_;
  std::unique_ptr<LaunchBackend> backend_;
};

}  // namespace fabric
