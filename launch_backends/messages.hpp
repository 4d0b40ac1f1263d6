// What controller, agent and keeper say to each other. Each message is a map of its fields and its "type".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch_backends/protocol.hpp"
#include "schema/binding.hpp"
#include "schema/event.hpp"
#include "schema/plan.hpp"

namespace fabric::messages {

// ---- controller to agent

// The first of all.
struct Greet {
  static constexpr std::string_view type = "greet";
  std::string nonce;
  static constexpr auto fields() { return listed(field("nonce", &Greet::nonce)); }
};

// What to run, and what can be bound before the port is known. One is for all nodes of a group that share a carrier: each knows its number.
// The agent of node 0 binds main_port (any free one if absent) at main_address before anything starts.
struct Prepare {
  static constexpr std::string_view type = "prepare";
  std::string run_id;
  std::string run_directory;
  std::int64_t attempt = 0;
  NodeGroup group;
  std::vector<std::int64_t> device_ids;
  std::optional<std::string> resume_path;
  bool expects_meeting = false;  // the ranks are a program's and should meet at main_port: say so if nobody was seen there
  std::string main_address;
  std::optional<std::int64_t> main_port;
  std::string stop_signal;                 // the job's own, should the agent itself be told to end
  double stop_grace = 0;                   // seconds
  double stall = 0;                        // seconds of silence of all ranks that are told of; 0: none
  std::optional<std::int64_t> debug_rank;  // which has the terminal debug_terminal
  std::optional<std::string> debug_terminal;
  bool passes_lines = true;  // that ranks print, to the controller
  bool closes_run = false;   // whatever its number, the node is alone in the run's folder, and writes the end if the controller is lost
  std::optional<std::string> network_interface;  // of this node, by which it reaches the others
  std::vector<std::string> variables;            // NAME=value, over those of the node; as text_of_bytes
  std::optional<std::string> plan;               // plan.json, for a node that does not see the controller's
  double lease = 0;                              // seconds without a word from the controller after which it counts as lost; 0: forever
  static constexpr auto fields() {
    return listed(field("run_id", &Prepare::run_id), field("run_directory", &Prepare::run_directory), field("attempt", &Prepare::attempt),
                  field("group", &Prepare::group), field("device_ids", &Prepare::device_ids), field("resume_path", &Prepare::resume_path),
                  field("expects_meeting", &Prepare::expects_meeting), field("main_address", &Prepare::main_address),
                  field("main_port", &Prepare::main_port), field("stop_signal", &Prepare::stop_signal),
                  field("stop_grace", &Prepare::stop_grace), field("stall", &Prepare::stall), field("debug_rank", &Prepare::debug_rank),
                  field("debug_terminal", &Prepare::debug_terminal), field("passes_lines", &Prepare::passes_lines),
                  field("closes_run", &Prepare::closes_run), field("network_interface", &Prepare::network_interface),
                  field("variables", &Prepare::variables), field("plan", &Prepare::plan), field("lease", &Prepare::lease));
  }
};

// Start the ranks; the port is that which the agent of node 0 has bound.
struct Start {
  static constexpr std::string_view type = "start";
  std::int64_t main_port = 0;
  static constexpr auto fields() { return listed(field("main_port", &Start::main_port)); }
};

// End the ranks: the signal, then after grace seconds KILL. A second Stop may shorten the grace, never lengthen it.
struct StopRanks {
  static constexpr std::string_view type = "stop";
  std::string signal;
  double grace = 0;
  static constexpr auto fields() { return listed(field("signal", &StopRanks::signal), field("grace", &StopRanks::grace)); }
};

struct Ping {
  static constexpr std::string_view type = "ping";
  double time = 0;  // seconds since the epoch, by the controller's clock
  static constexpr auto fields() { return listed(field("time", &Ping::time)); }
};

// ---- agent to controller

struct Hello {
  static constexpr std::string_view type = "hello";
  std::string nonce;
  std::string host;
  std::int64_t agent_pid = 0;
  std::int64_t keeper_pid = 0;
  static constexpr auto fields() {
    return listed(field("nonce", &Hello::nonce), field("host", &Hello::host), field("agent_pid", &Hello::agent_pid),
                  field("keeper_pid", &Hello::keeper_pid));
  }
};

// Prepared; on the node that binds it, with the port.
struct Ready {
  static constexpr std::string_view type = "ready";
  std::optional<std::int64_t> main_port;
  std::vector<std::string> scrubbed;  // names of inherited variables that the ranks will not see
  Inherited inherited;                // those that they will; of node 0 alone
  static constexpr auto fields() {
    return listed(field("main_port", &Ready::main_port), field("scrubbed", &Ready::scrubbed), field("inherited", &Ready::inherited));
  }
};

struct RankStarted {
  static constexpr std::string_view type = "rank_started";
  std::int64_t rank = 0;
  std::int64_t pid = 0;
  double time = 0;             // of the agent's clock, as in all that follows
  std::int64_t log_begin = 0;  // bytes of its log that earlier attempts wrote
  static constexpr auto fields() {
    return listed(field("rank", &RankStarted::rank), field("pid", &RankStarted::pid), field("time", &RankStarted::time),
                  field("log_begin", &RankStarted::log_begin));
  }
};

struct RankExited {
  static constexpr std::string_view type = "rank_exited";
  std::int64_t rank = 0;
  double time = 0;
  std::optional<std::int64_t> code;  // one of these two
  std::optional<std::int64_t> signal;
  bool out_of_memory = false;  // the kernel killed it for memory
  std::string core;            // where its memory was dumped, in words; empty: it was not
  bool by_us = false;          // it had been told to end, and ended by a code or by a signal that it was sent
  std::string error_class;     // what it said of itself before: communication, data, ...; empty: nothing
  std::string error_message;
  static constexpr auto fields() {
    return listed(field("rank", &RankExited::rank), field("time", &RankExited::time), field("code", &RankExited::code),
                  field("signal", &RankExited::signal), field("out_of_memory", &RankExited::out_of_memory),
                  field("core", &RankExited::core), field("by_us", &RankExited::by_us), field("error_class", &RankExited::error_class),
                  field("error_message", &RankExited::error_message));
  }
};

// What a rank said through FABRIC_EVENTS, or the agent about one.
struct Happened {
  static constexpr std::string_view type = "event";
  Event event;
  static constexpr auto fields() { return listed(field("event", &Happened::event)); }
};

// Lines that a rank printed. dropped: how many before them were passed over because the way was full.
struct View {
  static constexpr std::string_view type = "view";
  std::int64_t rank = 0;
  std::int64_t dropped = 0;
  std::vector<std::string> lines;
  static constexpr auto fields() {
    return listed(field("rank", &View::rank), field("dropped", &View::dropped), field("lines", &View::lines));
  }
};

// The line that a rank has not ended yet, as it stands now. redraws: with carriage returns, as progress is shown.
struct Unfinished {
  static constexpr std::string_view type = "unfinished";
  std::int64_t rank = 0;
  std::string text;
  bool redraws = false;
  static constexpr auto fields() {
    return listed(field("rank", &Unfinished::rank), field("text", &Unfinished::text), field("redraws", &Unfinished::redraws));
  }
};

struct Pong {
  static constexpr std::string_view type = "pong";
  double ping = 0;  // the time that the ping brought
  double time = 0;
  static constexpr auto fields() { return listed(field("ping", &Pong::ping), field("time", &Pong::time)); }
};

// The agent cannot do its part; nothing runs on its node any more when Done follows.
struct Failed {
  static constexpr std::string_view type = "failed";
  std::string message;
  static constexpr auto fields() { return listed(field("message", &Failed::message)); }
};

// The agent was itself told to end by a signal, and stops its ranks.
struct Interrupted {
  static constexpr std::string_view type = "interrupted";
  std::int64_t signal = 0;
  static constexpr auto fields() { return listed(field("signal", &Interrupted::signal)); }
};

// One of the pair is gone, said by the other; carries the nonce since it may be the keeper's only word.
struct Lost {
  static constexpr std::string_view type = "lost";
  std::string nonce;
  std::string who;                   // agent, keeper
  std::optional<std::int64_t> code;  // how it ended, if that is known
  std::optional<std::int64_t> signal;
  static constexpr auto fields() {
    return listed(field("nonce", &Lost::nonce), field("who", &Lost::who), field("code", &Lost::code), field("signal", &Lost::signal));
  }
};

// The last word of an agent: all ranks have ended and so has everything that they started.
struct Done {
  static constexpr std::string_view type = "done";
  std::vector<std::string> left_behind;  // "pid name" of what could not be ended
  static constexpr auto fields() { return listed(field("left_behind", &Done::left_behind)); }
};

template <class M>
Value message_of(const M& m) {
  Value body = to_value(m);
  body.set("type", M::type);
  return body;
}

// Where several agents hear it, a message may be for those of some nodes alone: "to" is the first and the last of them.
template <class M>
Value message_to(const M& m, std::int64_t first, std::int64_t last) {
  Value body = message_of(m);
  Value to = Value::array();
  to.as_array() = {Value(first), Value(last)};
  body.set("to", std::move(to));
  return body;
}
inline bool is_for(const Value& body, std::int64_t node) {
  const Value* to = body.find("to");
  if (!to) return true;
  const bool formed = to->is_array() && to->as_array().size() == 2 && to->as_array()[0].is_integer() && to->as_array()[1].is_integer();
  if (!formed) throw ProtocolError("'to' is no range of nodes");
  return node >= to->as_array()[0].as_integer() && node <= to->as_array()[1].as_integer();
}

}  // namespace fabric::messages
