// The backend ssh: hosts that `ssh HOST` reaches, each with an agent behind one connection. This process conducts the run.
#pragma once

#include <memory>
#include <string>

#include "launch_backends/launch_backend.hpp"

namespace fabric {

// self: absolute path of the running fabric. stage: it is copied to hosts that lack it.
std::unique_ptr<LaunchBackend> make_ssh_backend(const std::string& self, bool stage);

// The same on the first host of the job, which conducts what others have asked for; variables of its own are not sent.
// installed: the path of fabric on the other hosts, if it is installed there.
std::unique_ptr<LaunchBackend> make_ssh_backend_of_first_host(const std::string& self, const std::string& installed);

// Whether the first host conducts a run of the plan. detach: nobody waits for its end.
bool is_conducted_on_first_host(const Plan& plan, bool detach);

// For whoever follows a run that was handed over, once it has its own way with SIGINT and SIGTERM: those that came while the run was handed
// over have been kept for it.
void take_signals_kept();

}  // namespace fabric
