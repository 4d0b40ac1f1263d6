#include "launch_backends/ssh_preflight.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>

#include "launch_backends/answer_question.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/protocol.hpp"
#include "schema/joined.hpp"

namespace fabric {
namespace {

constexpr double clock_tolerance = 2;  // seconds, of two hosts that keep time by the network

// Of two machines, that they differ in nothing that a plan is made from.
bool are_alike(Host a, Host b) {
  for (Host* host : {&a, &b}) {
    host->hostname.clear();
    host->interfaces.clear();
    for (Gpu& gpu : host->gpus) gpu.uuid.clear();
    // Firmware and kernel take some of it, and not as much on each.
    host->memory_bytes >>= 28;
    for (NumaNode& node : host->numa_nodes) node.memory_bytes >>= 28;
  }
  return a == b;
}

std::string shortened_number(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 10 ? "%.1f" : "%.0f", seconds);
  return text;
}

// Where ranks would rather talk: InfiniBand first, what containers and virtual machines use among themselves last.
int preference_of(const NetworkInterface& interface) {
  const std::string_view name = interface.name;
  if (name.starts_with("ib") || name.starts_with("hsi") || name.starts_with("hsn")) return 0;
  for (const std::string_view bridge : {"docker", "virbr", "br-", "veth", "cni", "flannel", "podman", "lxc", "tun", "tap"})
    if (name.starts_with(bridge)) return 2;
  return 1;
}

std::vector<std::string> addresses_to_try(const Plan& plan, const std::vector<NetworkInterface>& interfaces) {
  if (plan.job.main_address) return {*plan.job.main_address};
  const std::string& wanted = plan.job.ssh->interface;
  std::vector<const NetworkInterface*> found;
  for (const NetworkInterface& interface : interfaces)
    if (wanted == "auto" ? !interface.loopback : interface.name == wanted) found.push_back(&interface);
  const auto rank = [](const NetworkInterface* i) { return std::pair(preference_of(*i), i->address.find(':') != std::string::npos); };
  std::stable_sort(found.begin(), found.end(), [&](auto* a, auto* b) { return rank(a) < rank(b); });
  std::vector<std::string> addresses;
  for (const NetworkInterface* interface : found) addresses.push_back(interface->address);
  return addresses;
}

std::string interface_with(const std::string& address, const std::vector<NetworkInterface>& interfaces) {
  for (const NetworkInterface& interface : interfaces)
    if (interface.address == address) return interface.name;
  return "";
}

class Preflight {
 public:
  Preflight(SshFleet& fleet, const Plan& plan, const std::string& runs, const std::string& place, bool moved, Diagnostics& diagnostics)
      : fleet_(fleet), plan_(plan), runs_(runs), place_(place), moved_(moved), diagnostics_(diagnostics) {}

  SshStart run() {
    start_.nodes.resize(fleet_.size());
    for (std::size_t i = 0; i < fleet_.size(); ++i) start_.nodes[i].host = fleet_.host(i);
    look();
    if (fleet_.size() > 1) choose_address();
    tell();
    return std::move(start_);
  }

 private:
  void look() {
    messages::Inquiry inquiry;
    inquiry.plan = plan_;
    inquiry.runs = runs_;
    inquiry.mark = ".fabric-" + make_nonce();
    const std::string mark = runs_ + '/' + inquiry.mark;
    std::error_code error;
    std::filesystem::create_directories(runs_, error);
    const FileDescriptor file(open(mark.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    std::vector<bool> asked;
    for (std::size_t i = 0; i < fleet_.size(); ++i) asked.push_back(fleet_.problem(i).empty());
    answers_ = fleet_.ask_all(inquiry);
    std::filesystem::remove(mark, error);
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      const auto& answer = answers_[i];
      const std::string& host = fleet_.host(i);
      if (!answer.report) {
        if (asked[i]) problems_.add(host, fleet_.problem(i));
        continue;
      }
      const messages::Report& report = *answer.report;
      // Whether a folder would be shared that it cannot make is not known.
      if (!report.runs->problem.empty()) problems_.add(host, report.runs->problem);
      else start_.nodes[i].own_disk = !report.runs->shared;
      for (const std::string& warning : report.warnings) warnings_.add(host, warning);
      look_at_clock(host, answer);
      if (plan_.job.accelerator == Accelerator::cuda) choose_gpus(i, report);
    }
    const auto seen_from_here = start_.nodes.begin() + (moved_ ? 1 : static_cast<std::ptrdiff_t>(start_.nodes.size()));
    const bool apart = std::any_of(start_.nodes.begin(), seen_from_here, [](const NodeOptions& n) { return n.own_disk; });
    const bool copied = plan_.job.code.take == CodeTake::snapshot;
    if (plan_.job.code.take == CodeTake::sync && apart) look_for_rsync();
    if (((plan_.job.train && !moved_) || copied) && apart) {
      HostTable table;
      for (const NodeOptions& node : start_.nodes)
        if (node.own_disk) table.add(node.host, "does not see what was just written into " + runs_);
      Diagnostic d{.code = "FAB5307"};
      d.message = std::string(copied ? "a copy of the code" : "fabric's own runtime") + " needs a folder of runs that all hosts share";
      d.at = copied ? Place(Path("code") / "take", true) : Place("train", true);
      d.label = copied ? "is made there" : "keeps its checkpoints there";
      d.help = std::string("give a folder that all of them have: `fabric apply --runs /shared/runs`") +
               (copied ? ", or write `code: none`" : "");
      d.notes = table.notes();
      diagnostics_.add(std::move(d));
    }
  }

  void look_for_rsync() {
    messages::Inquiry inquiry;
    inquiry.questions = {{QuestionKind::is_program, "rsync", "code.sync"}};
    std::vector<std::optional<messages::Inquiry>> inquiries(fleet_.size());
    for (std::size_t i = 0; i < fleet_.size(); ++i)
      if (start_.nodes[i].own_disk && (i == 0 || !moved_)) inquiries[i] = inquiry;
    HostTable table;
    if (const std::string here = answer_here(inquiry.questions.front()); !here.empty()) table.add("this machine", here);
    const std::vector<SshFleet::Answer> answers = fleet_.ask(std::move(inquiries));
    for (std::size_t i = 0; i < answers.size(); ++i)
      if (answers[i].report && !answers[i].report->answers.front().empty()) table.add(fleet_.host(i), answers[i].report->answers.front());
    if (table.empty()) return;
    Diagnostic d{.code = "FAB5308", .message = "the code cannot be brought to hosts that do not see " + runs_};
    d.at = Place("code");
    d.label = "is brought by rsync";
    d.help = "install rsync there (`apt install rsync`), or give a folder of runs that all hosts share: `fabric apply --runs /shared/runs`";
    d.notes = table.notes();
    diagnostics_.add(std::move(d));
  }

  void look_at_clock(const std::string& host, const SshFleet::Answer& answer) {
    const double offset = answer.report->time - (answer.asked + answer.heard) / 2;
    const double error = (answer.heard - answer.asked) / 2;
    if (std::abs(offset) <= clock_tolerance + error) return;
    warnings_.add(host, "its clock is " + shortened_number(std::abs(offset)) + " s " + (offset > 0 ? "ahead of" : "behind") +
                            " the one here: times in logs will not fit together, and make or certificates may be misled");
  }

  void choose_gpus(std::size_t i, const messages::Report& report) {
    const NodeGroup& group = group_of(i);
    const auto needed = static_cast<std::size_t>(group.ranks_per_node);
    std::string held;
    std::vector<std::int64_t> idle;
    for (const messages::GpuReport& gpu : report.gpus) {
      if (gpu.holders.empty()) idle.push_back(gpu.gpu);
      const bool named = std::find(group.device_ids.begin(), group.device_ids.end(), gpu.gpu) != group.device_ids.end();
      for (const std::string& holder : gpu.holders)
        if (group.device_ids.empty() || named) held += (held.empty() ? "GPU " : "; GPU ") + std::to_string(gpu.gpu) + ": " + holder;
    }
    if (!group.device_ids.empty()) {
      if (!held.empty()) warnings_.add(fleet_.host(i), "a GPU that the job names is in use: " + held);
      return;
    }
    // Contract none: its one process has all of them.
    const std::size_t take =
        plan_.job.program && plan_.job.program->contract == Contract::none ? static_cast<std::size_t>(plan_.job.devices.count) : needed;
    if (report.gpus.empty()) {
      warnings_.add(fleet_.host(i), "its driver does not tell who uses the GPUs: the first of them are taken, idle or not");
      for (std::size_t k = 0; k < take; ++k) idle.push_back(static_cast<std::int64_t>(k));
    }
    std::sort(idle.begin(), idle.end());
    if (idle.size() < take)
      problems_.add(fleet_.host(i), "the job takes " + std::to_string(take) + " of its GPUs, and " + std::to_string(idle.size()) + " of " +
                                        std::to_string(report.gpus.size()) + (idle.size() == 1 ? " is idle: " : " are idle: ") + held);
    else idle.resize(take);
    start_.nodes[i].device_ids = std::move(idle);
  }

  const NodeGroup& group_of(std::size_t node) const {
    for (const NodeGroup& group : plan_.groups)
      if (static_cast<std::int64_t>(node) < group.first_node + group.nodes) return group;
    return plan_.groups.back();
  }

  const std::vector<NetworkInterface>& interfaces_of(std::size_t i) const { return answers_[i].report->interfaces; }

  // Of the hosts that have answered, those that have the interface.
  std::vector<bool> with_interface() {
    const std::string& wanted = plan_.job.ssh->interface;
    std::vector<bool> have(fleet_.size(), false);
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      if (!answers_[i].report) continue;
      const auto& all = interfaces_of(i);
      have[i] = wanted == "auto" || std::any_of(all.begin(), all.end(), [&](const auto& n) { return n.name == wanted; });
      if (!have[i])
        problems_.add(fleet_.host(i), "it has no interface " + wanted + " that is up and has an address; it has " + names_of(all));
    }
    return have;
  }

  // The first address of node 0 that all others have reached, and by which interface each did.
  void choose_address() {
    const std::string& wanted = plan_.job.ssh->interface;
    const std::vector<bool> takes_part = with_interface();
    if (!takes_part.front()) return;  // nobody could reach it, and why was said

    std::vector<std::string> addresses = addresses_to_try(plan_, interfaces_of(0));
    messages::Inquiry listen;
    listen.listen = addresses;
    listen.port = plan_.job.main_port.value_or(0);
    const std::vector<SshFleet::Answer> listening = fleet_.ask_first(listen);
    std::vector<messages::Endpoint> endpoints;
    HostTable untried;
    for (std::size_t k = 0; k < addresses.size() && listening.front().report; ++k) {
      const messages::ListenReport& listener = listening.front().report->listening[k];
      if (listener.problem.empty()) endpoints.push_back({addresses[k], listener.port});
      else untried.add(fleet_.host(0), "cannot listen at " + listener.problem);
    }
    if (!listening.front().report) untried.add(fleet_.host(0), fleet_.problem(0));
    else if (addresses.empty()) untried.add(fleet_.host(0), "it has no address but that of the loopback");
    if (endpoints.empty()) return refuse_address(untried);

    messages::Inquiry connect;
    connect.connect = endpoints;
    std::vector<std::optional<messages::Inquiry>> inquiries(fleet_.size());
    for (std::size_t i = 1; i < fleet_.size(); ++i)
      if (takes_part[i]) inquiries[i] = connect;
    const std::vector<SshFleet::Answer> tried = fleet_.ask(std::move(inquiries));
    fleet_.ask_first({});  // no longer listens

    std::size_t best = 0, fewest = fleet_.size() + 1;
    for (std::size_t k = 0; k < endpoints.size(); ++k) {
      std::size_t failed = 0;
      for (std::size_t i = 1; i < fleet_.size(); ++i)
        failed += takes_part[i] && (!tried[i].report || !tried[i].report->connected[k].problem.empty());
      if (failed < fewest) best = k, fewest = failed;
    }
    if (fewest > 0) {
      HostTable table;
      for (std::size_t i = 1; i < fleet_.size(); ++i) {
        if (!takes_part[i]) continue;
        if (!tried[i].report) table.add(fleet_.host(i), fleet_.problem(i));
        else if (const std::string& why = tried[i].report->connected[best].problem; !why.empty())
          table.add(fleet_.host(i), "cannot reach " + fleet_.host(0) + " at " + endpoints[best].address + ':' +
                                        std::to_string(endpoints[best].port) + ": " + why);
      }
      return refuse_address(table);
    }
    start_.main_address = endpoints[best].address;
    for (std::size_t i = 0; i < fleet_.size(); ++i) {
      if (!takes_part[i]) continue;
      const std::string found = i == 0 ? interface_with(start_.main_address, interfaces_of(0)) : tried[i].report->connected[best].interface;
      const std::string name = wanted == "auto" ? found : wanted;
      if (!name.empty()) start_.nodes[i].network_interface = name;
    }
  }

  static std::string names_of(const std::vector<NetworkInterface>& interfaces) {
    std::set<std::string> names;
    for (const NetworkInterface& interface : interfaces)
      if (!interface.loopback) names.insert(interface.name);
    return names.empty() ? "none" : joined({names.begin(), names.end()});
  }

  void refuse_address(const HostTable& table) {
    Diagnostic d{.code = "FAB5305",
                 .message = "ranks would not find each other: no address of " + fleet_.host(0) + " is reached by all other hosts"};
    d.at = plan_.job.main_address ? Place("main_address") : Place(Path::parse(place_).value_or(Path()));
    d.label = "tried now";
    d.help = "open the ports between the hosts (a firewall?), or say which network they share: `ssh: {interface: ib0}`, or `main_address`";
    d.notes = table.notes();
    diagnostics_.add(std::move(d));
  }

  void tell() {
    const auto of = [this](const HostTable& table) {
      return std::to_string(table.hosts()) + " of " + std::to_string(fleet_.size()) + (fleet_.size() == 1 ? " host" : " hosts");
    };
    if (!problems_.empty()) {
      Diagnostic d{.code = "FAB5303", .message = of(problems_) + " cannot start their part"};
      d.at = Path::parse(place_).value_or(Path());
      d.help = "mend it there, or leave them out: `ssh: {exclude: HOST}`";
      d.notes = problems_.notes();
      diagnostics_.add(std::move(d));
    }
    if (warnings_.empty()) return;
    Diagnostic d{.severity = Severity::warning, .code = "FAB5304", .message = "something may hinder the run on " + of(warnings_)};
    d.at = Path::parse(place_).value_or(Path());
    d.notes = warnings_.notes();
    diagnostics_.add(std::move(d));
  }

  SshFleet& fleet_;
  const Plan& plan_;
  const std::string& runs_;
  const std::string& place_;
  const bool moved_;
  Diagnostics& diagnostics_;
  SshStart start_;
  std::vector<SshFleet::Answer> answers_;
  HostTable problems_, warnings_;
};

}  // namespace

void HostTable::add(const std::string& host, const std::string& what) {
  const auto line = std::find_if(lines_.begin(), lines_.end(), [&](const auto& l) { return l.first == what; });
  if (line == lines_.end()) lines_.push_back({what, {host}});
  else line->second.push_back(host);
}

std::size_t HostTable::hosts() const {
  std::set<std::string> names;
  for (const auto& [what, hosts] : lines_) names.insert(hosts.begin(), hosts.end());
  return names.size();
}

std::vector<Note> HostTable::notes() const {
  std::vector<Note> notes;
  for (const auto& [what, hosts] : lines_) notes.push_back({joined(hosts) + ": " + what, {}});
  return notes;
}

void tell_who_cannot_be_asked(const SshFleet& fleet, const std::string& place, std::vector<bool>& told, Diagnostics& diagnostics) {
  HostTable table;
  bool lacking = false;
  told.resize(fleet.size());
  for (std::size_t i = 0; i < fleet.size(); ++i) {
    if (fleet.problem(i).empty() || told[i]) continue;
    table.add(fleet.host(i), fleet.problem(i));
    lacking |= fleet.lacks_fabric(i);
    told[i] = true;
  }
  if (table.empty()) return;
  Diagnostic d{.code = "FAB5301"};
  d.message =
      std::to_string(table.hosts()) + " of " + std::to_string(fleet.size()) + (fleet.size() == 1 ? " host" : " hosts") + " cannot be used";
  d.at = Path::parse(place).value_or(Path());
  d.label = "asked over ssh";
  d.help = "`ssh HOST " + fleet.fabric() + " version` must work for each, without a question, and be the fabric that runs here; " +
           (lacking ? std::string("`--stage` copies it into ") + folder_of_copies + " of those that lack it, and " : "") +
           "`ssh: {fabric: PATH}` says where else it is";
  d.notes = table.notes();
  diagnostics.add(std::move(d));
}

Hardware hardware_of(SshFleet& fleet, const std::string& place, std::vector<bool>& told, Diagnostics& diagnostics) {
  Hardware hardware{.version = 1, .source = "hosts over ssh", .groups = {}};
  messages::Inquiry inquiry;
  inquiry.hardware = true;
  HostTable warnings;
  const std::vector<SshFleet::Answer> answers = fleet.ask_all(inquiry);
  tell_who_cannot_be_asked(fleet, place, told, diagnostics);
  const auto first = std::find_if(answers.begin(), answers.end(), [](const auto& answer) { return answer.report.has_value(); });
  if (first == answers.end()) {
    hardware.source = partly_seen_hardware;
    return hardware;
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const std::optional<messages::Report>& report = answers[i].report;
    if (!report) hardware.source = partly_seen_hardware;
    else
      for (const std::string& warning : report->warnings) warnings.add(fleet.host(i), warning);
    const Host& host = report ? *report->host : hardware.groups.empty() ? *first->report->host : hardware.groups.back().host;
    if (!hardware.groups.empty() && are_alike(hardware.groups.back().host, host)) ++hardware.groups.back().count;
    else hardware.groups.push_back({1, Host(host)});
  }
  if (!warnings.empty()) {
    Diagnostic d{.severity = Severity::warning, .code = "FAB5304", .message = "not all is well on some hosts"};
    d.at = Path::parse(place).value_or(Path());
    d.notes = warnings.notes();
    diagnostics.add(std::move(d));
  }
  return hardware;
}

SshStart look_before_start(SshFleet& fleet, const Plan& plan, const std::string& runs, const std::string& place, bool moved,
                           Diagnostics& diagnostics) {
  return Preflight(fleet, plan, runs, place, moved, diagnostics).run();
}

std::vector<std::string> answers_of(SshFleet& fleet, const std::vector<Question>& questions) {
  std::vector<std::string> all(questions.size());
  if (questions.empty()) return all;
  messages::Inquiry inquiry;
  inquiry.questions = questions;
  const std::vector<SshFleet::Answer> answers = fleet.ask_all(inquiry);
  for (std::size_t q = 0; q < questions.size(); ++q) {
    HostTable table;
    for (std::size_t i = 0; i < answers.size(); ++i)
      if (answers[i].report && !answers[i].report->answers[q].empty()) table.add(fleet.host(i), answers[i].report->answers[q]);
    for (const Note& note : table.notes()) all[q] += (all[q].empty() ? "" : "; ") + note.message;
  }
  return all;
}

}  // namespace fabric
