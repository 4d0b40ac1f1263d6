#include "compiler/choose_hosts.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>

#include "compiler/front_ends/hostfile.hpp"
#include "schema/sha256.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

// One word of include or exclude: a host, perhaps some of its devices.
struct HostFilter {
  std::string host;
  std::vector<std::int64_t> devices;  // empty: all
};

// Of ada@gpu1 both that and gpu1 are its name.
bool is_called(const SshHost& host, const std::string& name) {
  const std::size_t at = host.host.rfind('@');
  return host.host == name || (at != std::string::npos && host.host.substr(at + 1) == name);
}

class HostChooser {
 public:
  HostChooser(Ssh& ssh, const Outside& outside, Sources& sources, std::vector<Input>& inputs, std::vector<Decision>& decisions,
              Diagnostics& diagnostics)
      : ssh_(ssh), outside_(outside), sources_(sources), inputs_(inputs), decisions_(decisions), diagnostics_(diagnostics) {}

  void run() {
    if (ssh_.hosts && ssh_.hostfile) {
      Diagnostic d{.code = "FAB3302",
                   .message = "the hosts stand in the job or in a hostfile, not in both",
                   .at = Place("ssh.hostfile", true),
                   .label = "the second list",
                   .help = "keep one; a profile or --set takes the other back with null, as in `--set ssh.hosts=null`"};
      d.notes.push_back({"the first one is here", Place("ssh.hosts", true)});
      diagnostics_.add(std::move(d));
      return;
    }
    if (ssh_.hostfile && !read_file()) return;
    if (!ssh_.hosts) {
      diagnostics_.add({.code = "FAB3301",
                        .message = "backend `ssh` needs hosts, and the job names none",
                        .at = Place("backend"),
                        .label = "on which machines?",
                        .help = "add `ssh: {hosts: [gpu1, gpu2]}`, or `ssh: {hostfile: hosts.txt}`"});
      return;
    }
    refuse_repeated();
    filter();
  }

 private:
  const char* list() const { return ssh_.hostfile ? "ssh.hostfile" : "ssh.hosts"; }

  bool read_file() {
    const ReadFile file = outside_.read_file(*ssh_.hostfile);
    if (!file.text) {
      diagnostics_.add({.code = "FAB3303",
                        .message = "cannot read the hostfile " + *ssh_.hostfile + ": " + file.error,
                        .at = Place("ssh.hostfile"),
                        .label = "not readable",
                        .help = "write the path of a file with a host a line; a relative path counts from the job file's folder"});
      return false;
    }
    inputs_.push_back({*ssh_.hostfile, sha256_hex(*file.text)});
    const std::filesystem::path path(*ssh_.hostfile);
    const std::string shown = path.lexically_proximate(outside_.working_directory).string();
    const std::uint32_t source = sources_.add({shown.starts_with("../..") ? path.string() : shown, *file.text, Source::Kind::file});
    ssh_.hosts.emplace();
    for (HostfileEntry& entry : read_hostfile(sources_, source, diagnostics_)) {
      places_.push_back(entry.place);
      ssh_.hosts->push_back({std::move(entry.host), std::nullopt, entry.slots});
    }
    if (diagnostics_.has_errors()) return false;
    if (ssh_.hosts->empty()) {
      diagnostics_.add({.code = "FAB3301",
                        .message = "the hostfile " + shown + " names no host",
                        .at = Place("ssh.hostfile"),
                        .label = "nothing in it",
                        .help = "write a host a line, with `slots=N` behind it or alone"});
      return false;
    }
    return true;
  }

  Place place_of(std::size_t host) const {
    return host < places_.size() ? Place(places_[host]) : Place(Path("ssh") / "hosts" / host / "host");
  }

  void refuse_repeated() {
    std::vector<SshHost>& hosts = *ssh_.hosts;
    for (std::size_t i = 0; i < hosts.size(); ++i) {
      const auto first = std::find_if(hosts.begin(), hosts.end(), [&](const SshHost& h) { return h.host == hosts[i].host; });
      const auto before = static_cast<std::size_t>(first - hosts.begin());
      if (before == i) continue;
      Diagnostic d{.code = "FAB3305",
                   .message = "the host " + hosts[i].host + " is named twice, and is one node",
                   .at = place_of(i),
                   .label = "once more",
                   .help = "name it once; `devices` says how many ranks it gets"};
      d.notes.push_back({"it is named first here", place_of(before)});
      diagnostics_.add(std::move(d));
    }
  }

  void filter() {
    if (ssh_.include && ssh_.exclude) {
      Diagnostic d{.code = "FAB3306",
                   .message = "hosts are chosen by `include` or by `exclude`, not by both",
                   .at = Place("ssh.exclude", true),
                   .label = "the second one",
                   .help = "remove one of the two"};
      d.notes.push_back({"the first one is here", Place("ssh.include", true)});
      diagnostics_.add(std::move(d));
      return;
    }
    const std::size_t before = ssh_.hosts->size();
    if (ssh_.include) include(*ssh_.include);
    if (ssh_.exclude) exclude(*ssh_.exclude);
    if (diagnostics_.has_errors()) return;
    if (ssh_.hosts->empty()) {
      diagnostics_.add({.code = "FAB3301",
                        .message = "no host is left",
                        .at = Place("ssh.exclude"),
                        .label = "leaves out all of them",
                        .help = "leave out fewer, or name more hosts"});
      return;
    }
    if (!ssh_.hostfile && !ssh_.include && !ssh_.exclude) return;
    std::vector<std::string> names;
    for (const SshHost& host : *ssh_.hosts) names.push_back(host.host);
    Decision d{.field = "ssh.hosts", .value = to_value(names)};
    d.rule = ssh_.include ? "included" : ssh_.exclude ? "not-excluded" : "all-of-the-hostfile";
    d.because = names_in_words(names);
    if (ssh_.include || ssh_.exclude)
      d.because += ": of " + std::to_string(before) + " hosts those that `" + (ssh_.include ? "include" : "exclude") + "` leaves";
    else d.because += ": all of the hostfile";
    if (ssh_.hostfile) d.inputs.push_back({"ssh.hostfile", *ssh_.hostfile});
    if (ssh_.include) d.inputs.push_back({"ssh.include", *ssh_.include});
    if (ssh_.exclude) d.inputs.push_back({"ssh.exclude", *ssh_.exclude});
    decisions_.push_back(std::move(d));
  }

  void refuse_filter(const char* field, std::string message, std::string help) {
    diagnostics_.add({.code = "FAB3307",
                      .message = std::move(message),
                      .at = Place(field),
                      .label = "names no part of the hosts",
                      .help = std::move(help)});
  }

  // host1@host2:0,2
  std::vector<HostFilter> filters(const std::string& text, const char* field) {
    std::vector<HostFilter> all;
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find('@', begin), text.size());
      const std::string word = text.substr(begin, end - begin);
      begin = end + 1;
      HostFilter filter;
      const std::size_t colon = word.rfind(':');
      const bool whole = find(word) != nullptr;
      filter.host = whole ? word : word.substr(0, colon);
      const SshHost* host = find(filter.host);
      if (!host) {
        std::vector<std::string> names;
        for (const SshHost& h : *ssh_.hosts) names.push_back(h.host.substr(h.host.rfind('@') + 1));
        const std::optional<std::string> meant = closest(filter.host, names);
        refuse_filter(field, "there is no host `" + filter.host + "` among the hosts of the job",
                      meant ? "did you mean `" + *meant + "`?" : "write names of the list, with @ between them: gpu1@gpu2:0,2");
        continue;
      }
      if (!whole && colon != std::string::npos && !devices(word.substr(colon + 1), *host, field, filter.devices)) continue;
      if (std::any_of(all.begin(), all.end(), [&](const HostFilter& f) { return is_called(*host, f.host); })) {
        refuse_filter(field, "the host `" + filter.host + "` stands twice",
                      "write it once, with all of its devices: " + filter.host + ":0,2");
        continue;
      }
      all.push_back(std::move(filter));
    }
    return all;
  }

  bool devices(const std::string& text, const SshHost& host, const char* field, std::vector<std::int64_t>& into) {
    Devices read;
    const std::optional<std::string> why = Devices::parse(Value(text + (text.find(',') == std::string::npos ? "," : "")), read);
    if (why || read.ids.empty()) {
      refuse_filter(field, "`" + text + "` are no devices of " + host.host, "write their numbers from 0 on: " + host.host + ":0,2");
      return false;
    }
    for (const std::int64_t id : read.ids)
      if (host.slots && id >= *host.slots) {
        refuse_filter(field, host.host + " has no device " + std::to_string(id) + ": it has " + std::to_string(*host.slots) + " slots",
                      "they are numbered from 0 to " + std::to_string(*host.slots - 1));
        return false;
      }
    into = read.ids;
    return true;
  }

  const SshHost* find(const std::string& name) const {
    for (const SshHost& host : *ssh_.hosts)
      if (is_called(host, name)) return &host;
    return nullptr;
  }

  void include(const std::string& text) {
    std::vector<SshHost> taken;
    const std::vector<HostFilter> wanted = filters(text, "ssh.include");
    for (SshHost host : *ssh_.hosts) {
      const auto filter = std::find_if(wanted.begin(), wanted.end(), [&](const HostFilter& f) { return is_called(host, f.host); });
      if (filter == wanted.end()) continue;
      if (!filter->devices.empty()) {
        host.devices = Devices{.count = static_cast<std::int64_t>(filter->devices.size()), .ids = filter->devices};
        host.slots.reset();
      }
      taken.push_back(std::move(host));
    }
    ssh_.hosts = std::move(taken);
  }

  void exclude(const std::string& text) {
    std::vector<SshHost> taken;
    const std::vector<HostFilter> unwanted = filters(text, "ssh.exclude");
    for (SshHost host : *ssh_.hosts) {
      const auto filter = std::find_if(unwanted.begin(), unwanted.end(), [&](const HostFilter& f) { return is_called(host, f.host); });
      if (filter != unwanted.end()) {
        if (filter->devices.empty()) continue;
        std::vector<std::int64_t> all = host.devices ? host.devices->ids : std::vector<std::int64_t>();
        if (const std::int64_t count = host.slots ? *host.slots : host.devices ? host.devices->count : 0; all.empty())
          for (std::int64_t i = 0; i < count; ++i) all.push_back(i);
        if (all.empty()) {
          refuse_filter("ssh.exclude", "it is not written how many devices " + host.host + " has, and so not which are left",
                        "write them: `{host: " + host.host + ", devices: 8}`, or `" + host.host + " slots=8` in a hostfile");
          continue;
        }
        std::erase_if(
            all, [&](std::int64_t id) { return std::find(filter->devices.begin(), filter->devices.end(), id) != filter->devices.end(); });
        if (all.empty()) continue;
        host.devices = Devices{.count = static_cast<std::int64_t>(all.size()), .ids = all};
        host.slots.reset();
      }
      taken.push_back(std::move(host));
    }
    ssh_.hosts = std::move(taken);
  }

  Ssh& ssh_;
  const Outside& outside_;
  Sources& sources_;
  std::vector<Input>& inputs_;
  std::vector<Decision>& decisions_;
  Diagnostics& diagnostics_;
  std::vector<Span> places_;  // of the hosts of a hostfile
};

}  // namespace

std::string names_in_words(const std::vector<std::string>& names) {
  constexpr std::size_t most = 8;
  std::string text;
  const std::size_t shown = names.size() > most ? most - 1 : names.size();
  for (std::size_t i = 0; i < shown; ++i) text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
  if (shown < names.size()) text += " and " + std::to_string(names.size() - shown) + " more";
  return text;
}

void choose_hosts(JobSpec& job, const Outside& outside, Sources& sources, std::vector<Input>& inputs, std::vector<Decision>& decisions,
                  Diagnostics& diagnostics) {
  if (job.backend == BackendName::ssh && job.ssh) HostChooser(*job.ssh, outside, sources, inputs, decisions, diagnostics).run();
}

}  // namespace fabric
