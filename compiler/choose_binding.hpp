// What `binding: auto` becomes on a machine: whether it is known which CPUs suit each of its ranks, and whether a rank has enough of them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "compiler/bind_cpus.hpp"
#include "compiler/machines.hpp"
#include "schema/hardware.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"

namespace fabric {

// numa or none; d receives the rule, why, and what was read. threads: the job's own.
CpuBinding choose_binding(const RanksToBind& ranks, const Machine& machine, const std::variant<Auto, std::int64_t>& threads, Decision& d);

// How many CPUs' worth of time a job may use on a machine.
std::int64_t usable_cpus(const Host& host);

// The same, with that in words, and host.cpus.count and host.cpu_quota among what d has read.
std::int64_t cpu_budget(const Machine& machine, Decision& d, std::string& words);

}  // namespace fabric
