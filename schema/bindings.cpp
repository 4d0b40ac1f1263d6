// The types that many sources read and write, compiled once.
#include "schema/event.hpp"
#include "schema/hardware.hpp"
#include "schema/job.hpp"
#include "schema/plan.hpp"

namespace fabric {

template Event from_value<Event>(const Value&, const Path&);
template Value to_value<Event>(const Event&);
template Hardware from_value<Hardware>(const Value&, const Path&);
template Value to_value<Hardware>(const Hardware&);
template JobSpec from_value<JobSpec>(const Value&, const Path&);
template Value to_value<JobSpec>(const JobSpec&);
template ResolvedJob from_value<ResolvedJob>(const Value&, const Path&);
template Value to_value<ResolvedJob>(const ResolvedJob&);
template NodeGroup from_value<NodeGroup>(const Value&, const Path&);
template Value to_value<NodeGroup>(const NodeGroup&);
template Plan from_value<Plan>(const Value&, const Path&);
template Value to_value<Plan>(const Plan&);

}  // namespace fabric
