// A rank is told the same, and finds the same around it, whichever backend starts it. What differs is in the table of docs/agreement.md,
// which is read here: each difference needs its row, and each row a difference.
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "tests/clusters/slurm_cluster.hpp"
#include "tests/clusters/ssh_hosts.hpp"
#include "tests/slurm/applied_job.hpp"

using namespace fabric;
using namespace fabric::testing;

namespace {

SlurmCluster::Options two_nodes() { return {.nodes = 2, .gpus = 0}; }
using Slurm = ForSuite<SlurmCluster, two_nodes>;
SshHosts::Options two_hosts() { return {.hosts = 2}; }
using Ssh = ForSuite<SshHosts, two_hosts>;

// A way to start four ranks on two nodes of a cluster.
struct Backend {
  const char* name;
  const char* lines;  // of the job
  const Cluster& (*cluster)();
  bool (*left_out)();
};
const Cluster& slurm_cluster() { return Slurm::cluster(); }
const Cluster& ssh_cluster() { return Ssh::cluster(); }
const Backend backends[] = {
    {"slurm-agent", "backend: slurm\nnum_nodes: 2\ndevices: 2\n", slurm_cluster, Slurm::left_out},
    {"slurm-srun", "backend: slurm\nnum_nodes: 2\ndevices: 2\nslurm: {shape: srun}\n", slurm_cluster, Slurm::left_out},
    // Variables of the caller travel by name alone: these are all.
    {"ssh", "backend: ssh\nnum_nodes: 2\ndevices: 2\nssh: {hosts: [h1, h2], send: [C*, D*, E*, H*, L*, N*, O*, P*, R*, T*, U*]}\n",
     ssh_cluster, Ssh::left_out},
};

// Who calls `fabric apply`: a shell as it is, and one that has changed whatever a process inherits.
struct Caller {
  const char* name;
  const char* lines;
};
const Caller callers[] = {
    {"plain", ""},
    {"odd",
     "umask 027; ulimit -Sc 4096; ulimit -n 3000; ulimit -Sn 500; ulimit -Ss 4096\n"
     "trap '' USR2 PIPE HUP QUIT CHLD; exec 9</etc/passwd 11>/dev/null </etc/hosts\n"
     "export HOSTNAME=login ENVIRONMENT=production TMPDIR=/var/tmp SLURM_PROCID=3 RANK=9 LT_DEVICES=4 ODD=$'a\\nb' PWD=/nowhere\n"
     "echo 100 >/proc/$$/oom_score_adj\n"
     "set -- setpriv --groups 0,5 nice -n 3 ionice -c2 -n7 \"$@\"\n"},
};

const std::string program =
    "env: {DECLARED: 'a  b', EMPTY: '', PLACE: '$RANK'}\n"
    "program:\n  command: [" FABRIC_BINARY_DIR
    "/tests/rank_report, 'a b', '', '$HOME', \"\\n\"]\n  cwd: /var/tmp\n  env: {OF_PROGRAM: '*'}\n";

using Facts = std::map<std::string, std::string>;  // env.RANK -> 3

// What one rank reported. The folder and the number of its run, and that of its node in paths, stand as words.
Facts facts_of(const std::filesystem::path& run, int node, int rank) {
  std::string text = replaced(rank_log(run, node, rank), run.string(), "RUN");
  text = replaced(text, run.filename().string(), "ID");
  text = replaced(text, "RUN/nodes/" + std::to_string(node) + '/', "RUN/nodes/NODE/");
  const std::optional<Value> report = read_json(text);
  BOOST_REQUIRE_MESSAGE(report, "rank " << rank << " said " << text);
  Facts facts;
  for (const Member& part : report->as_object()) {
    if (part.value.is_string()) facts[part.key] = part.value.as_string();
    if (part.value.is_array())
      for (std::size_t i = 0; i < part.value.as_array().size(); ++i)
        facts[part.key + '.' + std::to_string(i)] = part.value.as_array()[i].as_string();
    if (part.value.is_object())
      for (const Member& fact : part.value.as_object()) facts[part.key + '.' + fact.key] = fact.value.as_string();
  }
  return facts;
}

struct Difference {
  std::string what, here, there;
};

std::vector<Difference> differences(const Facts& here, const Facts& there) {
  std::set<std::string> names;
  for (const Facts* facts : {&here, &there})
    for (const auto& [name, value] : *facts) names.insert(name);
  const auto value = [](const Facts& facts, const std::string& name) {
    return facts.contains(name) ? "'" + facts.at(name) + "'" : "absent";
  };
  std::vector<Difference> all;
  for (const std::string& name : names)
    if (value(here, name) != value(there, name)) all.push_back({name, value(here, name), value(there, name)});
  return all;
}

// A row of docs/agreement.md: what may differ, and under which backends, by the beginnings of their names.
struct Pattern {
  std::string what;
  std::vector<std::string> under;

  bool names(const Backend& backend, const std::string& fact) const {
    const auto begins = [&](const std::string& name) { return std::string_view(backend.name).starts_with(name); };
    return std::any_of(under.begin(), under.end(), begins) && std::regex_match(fact, std::regex(what));
  }
};

std::vector<Pattern> allowed() {
  const std::regex row("\\| `(.*)` \\| ([a-z, -]+) \\| .* \\|");
  std::vector<Pattern> patterns;
  std::istringstream in(read_text(FABRIC_SOURCE_DIR "/docs/agreement.md"));
  for (std::string line; std::getline(in, line);) {
    std::smatch parts;
    if (!std::regex_match(line, parts, row)) continue;
    Pattern& pattern = patterns.emplace_back(Pattern{replaced(parts[1], "\\|", "|"), {}});
    std::istringstream names(replaced(parts[2], ",", " "));
    for (std::string name; names >> name;) pattern.under.push_back(name);
  }
  return patterns;
}

// Applies it here and there; what differs and is in no row is an error.
void compare(const Backend& backend, const Caller& caller, const std::vector<Pattern>& patterns, std::set<std::string>& used) {
  AppliedJob job(backend.cluster(), std::string(backend.name) + '-' + caller.name, program);
  job.write("there.yaml", std::string("extends: job.yaml\n") + backend.lines);
  job.as_called_by(caller.lines);
  const ProgramResult here = job.fabric({"apply", "job.yaml", "--set", "devices=4", "--runs", "here"});
  BOOST_REQUIRE_MESSAGE(here.status.good(), said(here));
  const ProgramResult there = job.fabric({"apply", "there.yaml", "--runs", "there"});
  BOOST_REQUIRE_MESSAGE(there.status.good(), said(there));
  for (int rank = 0; rank < 4; ++rank)
    for (const Difference& found : differences(facts_of(job.run("here"), 0, rank), facts_of(job.run("there"), rank / 2, rank))) {
      const auto names_it = [&](const Pattern& pattern) { return pattern.names(backend, found.what); };
      const auto pattern = std::find_if(patterns.begin(), patterns.end(), names_it);
      BOOST_TEST(bool(pattern != patterns.end()),
                 "rank " << rank << ": " << found.what << " is " << found.here << " locally and " << found.there << " there");
      if (pattern != patterns.end()) used.insert(pattern->what);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(agreement, *boost::unit_test::fixture<Slurm>() * boost::unit_test::fixture<Ssh>())

BOOST_AUTO_TEST_CASE(ranks_find_the_same_under_each_backend) {
  const std::vector<Pattern> patterns = allowed();
  BOOST_TEST(patterns.size() <= 10);
  std::set<std::string> used;
  bool all = true;
  for (const Backend& backend : backends) {
    if (backend.left_out()) {
      all = false;
      continue;
    }
    for (const Caller& caller : callers) BOOST_TEST_CONTEXT(backend.name << ", called by a shell that is " << caller.name) {
        compare(backend, caller, patterns, used);
      }
  }
  for (const Pattern& pattern : patterns)
    BOOST_TEST((!all || used.contains(pattern.what)), "nothing differs that `" << pattern.what << "` names");
}

// Equal on both sides, and as it should be.
BOOST_AUTO_TEST_CASE(what_the_caller_has_changed_arrives_or_is_kept_away) {
  if (Slurm::left_out()) return;
  for (const Backend& backend : backends) BOOST_TEST_CONTEXT(backend.name) {
      const std::filesystem::path run =
          std::filesystem::canonical(backend.cluster().home() / (std::string(backend.name) + "-odd") / "there/job/latest");
      const Facts facts = facts_of(run, 1, 3);
      const std::vector<Pattern> patterns = allowed();
      const auto is_allowed = [&](const std::string& name) {
        return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& pattern) { return pattern.names(backend, name); });
      };
      const auto fact = [&](const std::string& name) { return facts.contains(name) ? facts.at(name) : "absent"; };
      const Facts expected = {{"argv.1", "a b"},
                              {"argv.2", ""},
                              {"argv.3", "$HOME"},
                              {"argv.4", "\n"},
                              {"cwd", "/var/tmp"},
                              {"env.PWD", "/var/tmp"},
                              {"env.DECLARED", "a  b"},
                              {"env.EMPTY", ""},
                              {"env.PLACE", "$RANK"},
                              {"env.OF_PROGRAM", "*"},
                              {"env.ODD", "a\nb"},
                              {"env.RANK", "3"},
                              {"env.LOCAL_RANK", "1"},
                              {"fd.0", "/dev/null rw"},
                              {"fd.1", "RUN/nodes/NODE/rank-3.log w append"},
                              {"limit.core", "4194304"},
                              {"limit.nofile", "500"},
                              {"limit.stack", "4194304"},
                              {"process.Umask", "0027"},
                              {"process.SigIgn", "0000000000000000"},
                              {"process.SigBlk", "0000000000000000"},
                              {"process.session", "its own"}};
      for (const auto& [name, value] : expected)
        if (!is_allowed(name)) BOOST_TEST(fact(name) == value, name << " is " << fact(name));
      if (backend.cluster == slurm_cluster) BOOST_TEST(fact("env.HOSTNAME") == "n2");
      for (const char* name : {"env.OLDPWD", "env._", "env.SLURM_PROCID", "env.LT_DEVICES", "fd.3", "fd.9", "fd.11"})
        BOOST_TEST(fact(name) == "absent", name << " is " << fact(name));
    }
}

BOOST_AUTO_TEST_SUITE_END()
