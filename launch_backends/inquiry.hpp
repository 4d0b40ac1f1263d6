// What a fabric asks of hosts before it starts anything there, and how `fabric host`, its other end on such a host, answers. They talk in
// the frames of protocol.hpp: a Greet and a HostHello first, then a Report for each Inquiry and a Pong for each Ping.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch_backends/inquiry_run.hpp"
#include "schema/binding.hpp"
#include "schema/hardware.hpp"
#include "schema/plan.hpp"

namespace fabric::messages {

struct HostHello {
  static constexpr std::string_view type = "host_hello";
  std::string nonce;
  std::string build;                   // version and commit of the fabric that answers
  std::string digest;                  // of its program
  std::optional<std::string> program;  // where that is; an older one does not say it
  static constexpr auto fields() {
    return listed(field("nonce", &HostHello::nonce), field("build", &HostHello::build), field("digest", &HostHello::digest),
                  field("program", &HostHello::program));
  }
};

struct Endpoint {
  std::string address;
  std::int64_t port = 0;
  static constexpr auto fields() { return listed(field("address", &Endpoint::address), field("port", &Endpoint::port)); }
};

// Which agent a host's end of the conversation becomes.
struct AgentPart {
  std::int64_t node = 0;
  std::int64_t generation = 0;
  std::string nonce;
  static constexpr auto fields() {
    return listed(field("node", &AgentPart::node), field("generation", &AgentPart::generation), field("nonce", &AgentPart::nonce));
  }
};

// Everything in it may be left out; what is asked for is answered.
struct Inquiry {
  static constexpr std::string_view type = "inquiry";
  bool hardware = false;            // the facts of the host
  std::vector<Question> questions;  // of a plan
  std::optional<Plan> plan;         // of which the host looks for what may hinder it there, and who holds the GPUs
  std::optional<std::string> runs;  // a folder that is to be there and writable
  std::string mark;                 // a file in it that whoever asks has written
  std::vector<std::string> listen;  // addresses on which to accept connections until the next inquiry
  std::int64_t port = 0;            // there; 0: a free one
  std::vector<Endpoint> connect;    // to which connections are to be tried
  std::optional<AgentPart> become;  // once it has answered; what follows is for the agent
  std::optional<RunInquiry> run;    // one that is conducted there
  std::optional<ConductInquiry> conduct;
  static constexpr auto fields() {
    return listed(field("hardware", &Inquiry::hardware), field("questions", &Inquiry::questions), field("plan", &Inquiry::plan),
                  field("runs", &Inquiry::runs), field("mark", &Inquiry::mark), field("listen", &Inquiry::listen),
                  field("port", &Inquiry::port), field("connect", &Inquiry::connect), field("run", &Inquiry::run),
                  field("conduct", &Inquiry::conduct), field("become", &Inquiry::become));
  }
};

struct FolderReport {
  bool shared = false;  // the mark is there
  std::string problem;  // why it cannot be used; empty: it can
  static constexpr auto fields() { return listed(field("shared", &FolderReport::shared), field("problem", &FolderReport::problem)); }
};

struct ListenReport {
  std::int64_t port = 0;
  std::string problem;
  static constexpr auto fields() { return listed(field("port", &ListenReport::port), field("problem", &ListenReport::problem)); }
};

struct ConnectReport {
  std::string interface;  // by which it came about
  std::string problem;
  static constexpr auto fields() {
    return listed(field("interface", &ConnectReport::interface), field("problem", &ConnectReport::problem));
  }
};

struct GpuReport {
  std::int64_t gpu = 0;
  std::vector<std::string> holders;  // in words; empty: idle
  static constexpr auto fields() { return listed(field("gpu", &GpuReport::gpu), field("holders", &GpuReport::holders)); }
};

struct Report {
  static constexpr std::string_view type = "report";
  double time = 0;  // seconds since the epoch, by the host's clock
  std::optional<Host> host;
  std::vector<std::string> warnings;         // of looking at the hardware, or what may hinder the plan
  std::vector<std::string> answers;          // one a question; empty for yes
  std::vector<GpuReport> gpus;               // of a plan on GPUs, those whose driver tells
  std::vector<NetworkInterface> interfaces;  // asked for with a plan
  std::optional<FolderReport> runs;
  std::vector<ListenReport> listening;   // one an address
  std::vector<ConnectReport> connected;  // one an endpoint
  std::optional<RunReport> run;
  std::optional<ConductReport> conduct;
  static constexpr auto fields() {
    return listed(field("time", &Report::time), field("host", &Report::host), field("warnings", &Report::warnings),
                  field("answers", &Report::answers), field("gpus", &Report::gpus), field("interfaces", &Report::interfaces),
                  field("runs", &Report::runs), field("listening", &Report::listening), field("connected", &Report::connected),
                  field("run", &Report::run), field("conduct", &Report::conduct));
  }
};

}  // namespace fabric::messages
