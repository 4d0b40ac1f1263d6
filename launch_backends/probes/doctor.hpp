// What may be wrong with this machine for a run, found before a run finds it: each check is one Finding, with what to do about it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "launch_backends/probes/probe_root.hpp"
#include "schema/plan.hpp"

namespace fabric {

enum class Health {
  ok,
  warn,  // runs work, or most do, and some may fail or be slow
  bad,   // a run of some kind cannot work: no worker, no driver for the GPU that is there
};

struct Finding {
  std::string name;  // a short stable word: cpus, memory, shared-memory
  Health health = Health::ok;
  std::string what;  // what was found, one clause
  std::string help;  // the way out; empty if all is well
};

// How a program that was started to see whether it works came out.
struct ProgramAnswer {
  bool started = false;
  int exit_code = 0;   // 128 + n for a signal
  std::string output;  // what it said; if it could not be started, why
};

struct DiskSpace {
  std::int64_t total_bytes = 0;
  std::int64_t free_bytes = 0;  // for this user
};
std::optional<DiskSpace> disk_space(const std::string& path);  // by statvfs; nullopt where there is no such path

// dlopen's error text, or empty if the library opens.
std::string try_library(const std::string& name);

// What is examined. The functions are how a test shows a sick machine.
struct DoctorSubject {
  ProbeRoot root;
  std::string self;    // absolute path of the running fabric
  std::string worker;  // absolute path of fabric-worker
  std::string path;    // PATH
  std::string runs;    // absolute path of the folder that holds or would hold runs/
  double now = 0;      // seconds since the epoch
  std::function<ProgramAnswer(const std::vector<std::string>& argv)> run_program;
  std::function<std::optional<DiskSpace>(const std::string& path)> space = disk_space;
  std::function<std::string(const std::string& name)> library = try_library;
};

// In a fixed order, the same checks each time: cpus, memory, shared-memory, open-files, processes, locked-memory, core-files, nvidia,
// jsonnet, worker, path, clock, disk.
std::vector<Finding> diagnose_host(const DoctorSubject& subject);

// Of these, what may end or hinder a run of this plan, and is quick to look at: shared memory for Python's data loaders and NCCL, open
// files, processes, locked memory for GPUs, disk. Only what is not well.
std::vector<Finding> hindrances_of(const Plan& plan, const DoctorSubject& subject);

}  // namespace fabric
