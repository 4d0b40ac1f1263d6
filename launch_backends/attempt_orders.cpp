// What an attempt says to its agents: what to run, when to start, and that somebody is there.
#include <algorithm>
#include <utility>

#include "launch_backends/attempt.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/protocol.hpp"

namespace fabric {

void Attempt::greeted(AgentLink& link, const messages::Hello& hello) {
  const bool first = !std::exchange(link.greeted, true);
  if (first) ++greeted_;
  link.agent_pid = static_cast<pid_t>(hello.agent_pid);
  link.wardens.meet(link.carrier->pid, static_cast<pid_t>(hello.keeper_pid), link.agent_pid);
  if (link.wardens.are_here()) here_.push_back(&link);
  Event event;
  event.kind = "node_ready";
  event.time = now_seconds();
  event.node = link.node;
  event.detail = Value::object();
  event.detail.set("host", hello.host);
  event.detail.set("agent_pid", hello.agent_pid);
  event.detail.set("keeper_pid", hello.keeper_pid);
  record_.event(event);

  CarrierLink& carrier = *link.carrier;
  if (!first || ++carrier.greeted < carrier.agents || stopping_) return;
  if (!carrier.shared()) return carrier.pipe->send(order_for(link));
  // Not before all have come: it acknowledges to each what it said, without which the next that it says would wait, as below.
  const std::int64_t first_node = links_[carrier.first].node, last_node = first_node + carrier.agents - 1;
  for (const NodeGroup& group : plan_.groups) {
    const std::int64_t from = std::max(group.first_node, first_node), to = std::min(group.first_node + group.nodes - 1, last_node);
    if (from > to) continue;
    const AgentLink& one = links_[carrier.first + static_cast<std::size_t>(from - first_node)];
    carrier.pipe->send_body(messages::message_to(order_for(one), from, to));
  }
}

// For all nodes of its group, where they share a carrier.
messages::Prepare Attempt::order_for(const AgentLink& link) const {
  messages::Prepare prepare;
  prepare.run_id = record_.directory().id();
  prepare.run_directory = record_.directory().path();
  prepare.attempt = options_.attempt;
  prepare.group = group_of(link.node);
  prepare.group.hosts.clear();
  prepare.group.rank.argv.insert(prepare.group.rank.argv.begin(), options_.wrapper.begin(), options_.wrapper.end());
  prepare.device_ids = devices_of(link.node);
  prepare.resume_path = options_.resume_path;
  if (const NodeOptions* own = own_options_of(link.node)) {
    prepare.network_interface = own->network_interface;
    if (own->own_disk) prepare.plan = record_.directory().plan_text();
  }
  // On one machine its table says it; of several, that of each one for itself.
  const std::optional<Program>& program = plan_.job.program;
  prepare.expects_meeting =
      program && (program->script || program->module) && program->contract != Contract::none && plan_.world_size > 1 && links_.size() == 1;
  for (const std::string& variable : options_.variables) prepare.variables.push_back(text_of_bytes(variable));
  prepare.main_address = main_address_;
  prepare.main_port = plan_.job.main_port;
  prepare.passes_lines = options_.passes_lines;
  prepare.closes_run = options_.node_rank.has_value();
  prepare.stop_signal = plan_.job.stop.signal;
  prepare.stop_grace = plan_.job.stop.grace.seconds;
  prepare.lease = options_.lease;
  if (stall_) prepare.stall = stall_->seconds;
  prepare.debug_rank = options_.debug_rank;
  if (prepare.debug_rank) prepare.debug_terminal = options_.debug_terminal;
  return prepare;
}

// What one says in parts, as node 0 that it is ready, comes by srun's TCP, which keeps the second part for 40 ms unless something is said
// that acknowledges the first.
void Attempt::nudge(CarrierLink& carrier) const {
  if (!carrier.shared() || begun_ || carrier.greeted < carrier.agents || !carrier.pipe->reader().waits_for_a_part()) return;
  if (!std::exchange(carrier.nudged, true)) carrier.pipe->send(messages::Ping{now_seconds()});
}

void Attempt::begin() {
  if (stopping_ || std::exchange(begun_, true)) return;
  Value bound = Value::object();
  bound.set("main_address", main_address_);
  bound.set("main_port", main_port_);
  bound.set("device_ids", to_value(devices_of(links_.front().node)));
  if (!options_.nodes.empty()) {
    Value nodes = Value::array();
    for (const AgentLink& link : links_) {
      const NodeOptions* own = own_options_of(link.node);
      Value node = Value::object();
      node.set("host", own->host);
      node.set("device_ids", to_value(devices_of(link.node)));
      node.set("network_interface", own->network_interface ? Value(*own->network_interface) : Value());
      nodes.as_array().push_back(std::move(node));
    }
    bound.set("nodes", std::move(nodes));
  }
  bound.set("attempt", options_.attempt);
  bound.set("resume_path", options_.resume_path ? Value(*options_.resume_path) : Value());
  bound.set("inherited", to_value(inherited_));
  record_.event("bound", std::move(bound));
  for (const auto& carrier : carrier_links_) {
    // Clocks are compared here, before ranks tell times, and not while an agent makes ready: its answer would hold up what it says next.
    carrier->pipe->send(messages::Ping{now_seconds()});
    carrier->pipe->send(messages::Start{main_port_});
  }
}

// Of whom nothing is heard for the lease an agent takes itself to be alone.
void Attempt::ping(CarrierLink& carrier, Clock::time_point now) {
  double every = options_.lease;
  if (stall_ && begun_ && !stopping_ && (every == 0 || stall_->seconds < every)) every = stall_->seconds;
  if (every == 0 || carrier.greeted == 0 || carrier.ended() || now - carrier.pinged < std::chrono::duration<double>(every / 4)) return;
  carrier.pinged = now;
  carrier.pipe->send(messages::Ping{now_seconds()});
}

}  // namespace fabric
