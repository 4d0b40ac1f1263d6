#include "launch_backends/local.hpp"

#include "launch_backends/answer_question.hpp"
#include "launch_backends/controller.hpp"
#include "launch_backends/probes/host.hpp"

namespace fabric {
namespace {

void complain(Diagnostics& diagnostics, const char* code, std::string message, const char* field, std::string label, std::string help,
              Severity severity = Severity::error) {
  Diagnostic d;
  d.severity = severity;
  d.code = code;
  d.message = std::move(message);
  if (*field) d.at = Path::parse(field).value_or(Path());
  d.label = std::move(label);
  d.help = std::move(help);
  diagnostics.add(std::move(d));
}

// This machine is one node; of several it starts the one that it is told to be.
void check_nodes(const ResolvedJob& job, std::optional<std::int64_t> node_rank, Diagnostics& diagnostics) {
  const std::string nodes = std::to_string(job.num_nodes);
  if (!node_rank) {
    if (job.num_nodes != 1)
      complain(diagnostics, "FAB5020", "this machine is one node, and the job asks for " + nodes, "num_nodes", "one at most",
               "leave num_nodes out, and ask for more devices; or start the part of each node on its machine: --node-rank 0 on the "
               "first, --node-rank 1 on the next");
    return;
  }
  if (*node_rank < 0 || *node_rank >= job.num_nodes)
    return complain(diagnostics, "FAB5021", "there is no node " + std::to_string(*node_rank) + ": the job asks for " + nodes, "num_nodes",
                    job.num_nodes == 1 ? "node 0 alone" : "nodes 0 to " + std::to_string(job.num_nodes - 1),
                    "give --node-rank one of these, or write how many nodes there are");
  if (job.num_nodes == 1) return;
  if (!job.main_address || !job.main_port)
    complain(diagnostics, "FAB5022",
             std::string("nodes that are started by hand have to agree on ") +
                 (job.main_address ? "main_port"
                  : job.main_port  ? "main_address"
                                   : "main_address and main_port") +
                 ", and each would choose its own",
             "num_nodes", "started one by one",
             "give --main-address, by which all reach the machine of node 0, and --main-port, a port that is free there; in a job they are "
             "main_address and main_port");
  if (job.train)
    complain(diagnostics, "FAB5023", "fabric's own runtime on several nodes is not in this version", "num_nodes", "one for `train`",
             "leave num_nodes out; a `program` may run on several");
  if (job.restart.max > 0)
    complain(diagnostics, "FAB5024",
             "`restart` has no effect on nodes that are started by hand: nobody could start the ranks of all of them again", "restart",
             "will not happen", "leave it out, and start each node again by hand", Severity::warning);
}

class LocalBackend : public LaunchBackend {
 public:
  explicit LocalBackend(std::string self) : self_(std::move(self)) {}

  Hardware probe(const JobSpec&, Diagnostics& diagnostics) override { return probe_this_host(ProbeRoot{}, diagnostics); }

  std::vector<std::string> answer(const std::vector<Question>& questions) override {
    std::vector<std::string> answers;
    for (const Question& question : questions) answers.push_back(answer_here(question));
    return answers;
  }

  Submission render(const Plan& plan, std::optional<std::int64_t> node_rank, Diagnostics& diagnostics) const override {
    check_nodes(plan.job, node_rank, diagnostics);
    Submission submission;
    if (!diagnostics.has_errors()) submission.commands = {{self_, "agent"}};
    return submission;
  }

  std::optional<Outcome> submit(const Plan& plan, const Submission& submission, const RunOptions& options, RunObserver& observer) override {
    std::vector<Carrier> agents;
    for (const std::vector<std::string>& command : submission.commands) agents.push_back({command});
    return conduct(plan, options, agents, observer);
  }

 private:
  std::string self_;
};

}  // namespace

std::unique_ptr<LaunchBackend> make_local_backend(const std::string& self) { return std::make_unique<LocalBackend>(self); }

}  // namespace fabric
