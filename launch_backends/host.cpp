#include "launch_backends/host.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "launch_backends/answer_about_run.hpp"
#include "launch_backends/answer_question.hpp"
#include "launch_backends/first_host.hpp"
#include "launch_backends/frame_pipe.hpp"
#include "launch_backends/inquiry.hpp"
#include "launch_backends/messages.hpp"
#include "launch_backends/probes/doctor.hpp"
#include "launch_backends/probes/host.hpp"
#include "launch_backends/probes/network.hpp"
#include "launch_backends/probes/nvidia.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/process_tree.hpp"
#include "launch_backends/program_digest.hpp"
#include "launch_backends/try_connection.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> in_words(const Diagnostics& diagnostics) {
  std::vector<std::string> words;
  for (const Diagnostic& d : diagnostics.all()) words.push_back(d.message);
  return words;
}

std::string in_words(const GpuHolder& holder) {
  if (holder.pid == 0) return "a process that cannot be seen from there";
  return (holder.program.empty() ? "a program" : holder.program) + (holder.user.empty() ? "" : " of " + holder.user) + ", process " +
         std::to_string(holder.pid);
}

messages::FolderReport look_at_folder(const std::string& path, const std::string& mark) {
  messages::FolderReport report;
  std::error_code error;
  fs::create_directories(path, error);
  if (error) report.problem = "cannot make the folder of runs " + path + ": " + error.message();
  else if (access(path.c_str(), W_OK | X_OK) != 0) report.problem = "cannot write into the folder of runs " + path;
  report.shared = !mark.empty() && fs::exists(fs::path(path) / mark, error);
  return report;
}

class HostAnswers {
 public:
  explicit HostAnswers(std::string self) : first_host_(std::move(self)) {}

  messages::Report to(const messages::Inquiry& inquiry) {
    messages::Report report;
    listeners_.clear();
    for (const Question& question : inquiry.questions) report.answers.push_back(answer_here(question));
    if (inquiry.hardware) {
      Diagnostics diagnostics;
      report.host = probe_this_host(ProbeRoot{}, diagnostics).groups.front().host;
      report.warnings = in_words(diagnostics);
    }
    if (inquiry.runs) report.runs = look_at_folder(*inquiry.runs, inquiry.mark);
    if (inquiry.plan) look_for(*inquiry.plan, inquiry.runs.value_or("/"), report);
    for (const std::string& address : inquiry.listen) {
      Listener listener = listen_at(address, inquiry.port);
      report.listening.push_back({listener.port, listener.problem});
      listeners_.push_back(std::move(listener));
    }
    for (ConnectionTried& tried : try_connections(inquiry.connect)) report.connected.push_back({tried.interface, tried.problem});
    if (inquiry.run) report.run = answer_about_run(*inquiry.run);
    if (inquiry.conduct) report.conduct = first_host_.answer(*inquiry.conduct);
    report.time = now_seconds();
    return report;
  }

 private:
  static void look_for(const Plan& plan, const std::string& runs, messages::Report& report) {
    DoctorSubject subject;
    subject.runs = runs;
    for (const Finding& finding : hindrances_of(plan, subject))
      report.warnings.push_back(finding.name + ": " + finding.what + (finding.help.empty() ? "" : "; " + finding.help));
    Diagnostics diagnostics;
    report.interfaces = network_interfaces(ProbeRoot{}, diagnostics);
    if (plan.job.accelerator == Accelerator::cuda)
      for (const Occupancy& occupancy : gpu_occupancy(ProbeRoot{}, diagnostics)) {
        messages::GpuReport& gpu = report.gpus.emplace_back();
        gpu.gpu = occupancy.gpu;
        for (const GpuHolder& holder : occupancy.holders) gpu.holders.push_back(in_words(holder));
      }
    for (std::string& warning : in_words(diagnostics)) report.warnings.push_back(std::move(warning));
  }

  std::vector<Listener> listeners_;
  FirstHost first_host_;
};

// lease: in seconds.
[[noreturn]] void become_agent(const messages::AgentPart& part, double lease) {
  signal(SIGPIPE, SIG_DFL);
  start_over({fs::read_symlink("/proc/self/exe").string(), "agent", "--node", std::to_string(part.node), "--generation",
              std::to_string(part.generation), "--nonce", part.nonce, "--lease",
              std::to_string(static_cast<std::int64_t>(std::ceil(lease)))});
}

}  // namespace

int host_main(int argc, char** argv, const std::string& build) try {
  const bool good = argc == 5 && std::string_view(argv[1]) == "--nonce" && std::string_view(argv[3]) == "--lease";
  const std::string nonce = good ? argv[2] : "";
  const double lease = good ? std::atof(argv[4]) : 0;
  if (nonce.empty() || lease <= 0) {
    std::fputs("fabric host is started by fabric itself: fabric host --nonce TEXT --lease SECONDS\n", stderr);
    return 3;
  }
  signal(SIGPIPE, SIG_IGN);
  // One that is stopped does not see the end of its connection.
  wake_at_end_of_parent();
  FramePipe pipe(FileDescriptor(STDIN_FILENO), FileDescriptor(STDOUT_FILENO), "host", nonce, 0);
  const std::string self = fs::read_symlink("/proc/self/exe").string();
  pipe.send(messages::HostHello{nonce, build, digest_of_this_program(), self});
  HostAnswers answers(self);
  while (!pipe.ended() && pipe.out() >= 0) {
    pollfd watched[] = {{pipe.in(), POLLIN, 0}, {pipe.wants_to_write() ? pipe.out() : -1, POLLOUT, 0}};
    const int ready = poll(watched, 2, static_cast<int>(std::min(lease, 1e6) * 1000));
    if (ready == 0) return 1;  // whoever asks is gone
    pipe.flush();
    pipe.receive();
    while (const std::optional<Message> message = pipe.next()) {
      if (message->type() == messages::Ping::type) pipe.send(messages::Pong{from_value<messages::Ping>(message->body).time, now_seconds()});
      if (message->type() != messages::Inquiry::type) continue;
      const auto inquiry = from_value<messages::Inquiry>(message->body);
      pipe.send(answers.to(inquiry));
      if (!inquiry.become) continue;
      // Whoever asks says nothing more until it has the answer. An agent speaks first: not before somebody listens for it.
      const int patience = static_cast<int>(std::min(lease, 1e6) * 1000);
      pollfd writable{pipe.out(), POLLOUT, 0}, greeting{pipe.in(), POLLIN, 0};
      while (pipe.wants_to_write() && poll(&writable, 1, patience) > 0) pipe.flush();
      if (poll(&greeting, 1, patience) <= 0) return 1;
      become_agent(*inquiry.become, lease);
    }
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "fabric host: %s\n", error.what());
  return 1;
}

}  // namespace fabric
