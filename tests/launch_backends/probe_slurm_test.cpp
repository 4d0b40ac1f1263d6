// Asking SLURM: a `scontrol` on PATH that answers as a recorded one, fails, hangs or is not there.
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "launch_backends/probe_slurm.hpp"

namespace {

using namespace fabric;
namespace fs = std::filesystem;
using std::chrono::milliseconds;

const std::string recorded = FABRIC_SOURCE_DIR "/tests/launch_backends/probes/recorded/slurm-22.05";

// A folder that is all of PATH in front of the system's own, as long as this lives.
class Programs {
 public:
  explicit Programs(const std::string& scontrol = "", const std::string& path_behind = ":/usr/bin:/bin") {
    std::string name = (fs::temp_directory_path() / "fabric-slurm-XXXXXX").string();
    BOOST_TEST_REQUIRE(mkdtemp(name.data()));
    folder_ = name;
    if (!scontrol.empty()) {
      std::ofstream(folder_ / "scontrol") << "#!/bin/sh\n" << scontrol;
      chmod((folder_ / "scontrol").c_str(), 0755);
    }
    setenv("PATH", (folder_.string() + path_behind).c_str(), 1);
  }
  ~Programs() {
    setenv("PATH", before_.c_str(), 1);
    fs::remove_all(folder_);
  }
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;
  const fs::path& folder() const { return folder_; }

 private:
  std::string before_ = std::getenv("PATH");
  fs::path folder_;
};

// What scontrol answers by what it is asked to show; instead: shell text for one of partition, node and config.
std::string answers(const std::string& what = "", const std::string& instead = "") {
  std::string text = "for last; do :; done\ncase $last in\n";
  for (const auto& [asked, file] : {std::pair{"partition", "partitions.txt"}, {"node", "nodes.txt"}, {"config", "config.txt"}})
    text += std::string(asked) + ") " + (what == asked ? instead : "cat " + recorded + '/' + file) + ";;\n";
  return text + "esac\n";
}

struct Asked {
  std::optional<SlurmCluster> cluster;
  Diagnostics diagnostics;
  double seconds = 0;

  explicit Asked(milliseconds limit = slurm_time_limit) {
    const auto begin = std::chrono::steady_clock::now();
    cluster = ask_slurm(diagnostics, limit);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  // Code, message, notes and help of the one error.
  std::string told() const {
    std::string text;
    for (const Diagnostic& d : diagnostics.all()) {
      text += d.code + ' ' + d.message + '\n';
      for (const Note& note : d.notes) text += note.message + '\n';
      text += d.help + '\n';
    }
    return text;
  }
  bool tells(const std::string& part) const { return told().find(part) != std::string::npos; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(asking_slurm)

BOOST_AUTO_TEST_CASE(a_cluster_is_what_scontrol_says) {
  const Programs programs(answers());
  const Asked asked;
  BOOST_TEST(asked.told() == "");
  BOOST_REQUIRE(asked.cluster);
  BOOST_TEST(asked.cluster->name == "fabric");
  BOOST_TEST(asked.cluster->nodes.size() == 14u);
  Diagnostics diagnostics;
  const std::optional<SlurmCluster> cluster = ask_slurm(diagnostics);
  BOOST_REQUIRE(cluster);
  const Hardware hardware = hardware_of(*cluster, {.partition = "gpu", .constraint = "h100"}, diagnostics);
  BOOST_TEST(hardware.groups.size() == 1u);
  BOOST_TEST(hardware.groups.at(0).host.gpus.size() == 8u);
  BOOST_TEST(hardware.source == "scheduler: SLURM 22.05.8, cluster fabric, partition gpu, constraint h100");
}

BOOST_AUTO_TEST_CASE(it_is_asked_in_its_own_words_and_with_the_users_variables) {
  const Programs programs("echo \"$@\" >>\"$ASKED\"; echo \"$SLURM_CONF $SCONTROL_LOCAL $SLURM_TIME_FORMAT $LC_ALL\" >>\"$ASKED.env\"\n" +
                          answers());
  setenv("ASKED", (programs.folder() / "asked").c_str(), 1);
  setenv("SLURM_CONF", "/here/slurm.conf", 1);
  setenv("SCONTROL_LOCAL", "1", 1);
  setenv("SLURM_TIME_FORMAT", "relative", 1);
  BOOST_TEST(Asked().cluster.has_value());
  for (const char* name : {"ASKED", "SLURM_CONF", "SCONTROL_LOCAL", "SLURM_TIME_FORMAT"}) unsetenv(name);
  std::ifstream in(programs.folder() / "asked");
  std::string first, second, third;
  std::getline(in, first);
  std::getline(in, second);
  std::getline(in, third);
  BOOST_TEST(first == "--all --oneliner show partition");
  BOOST_TEST(second == "--all --oneliner show node");
  BOOST_TEST(third == "show config");
  std::ifstream variables(programs.folder() / "asked.env");
  std::getline(variables, first);
  BOOST_TEST(first == "/here/slurm.conf   C");
}

BOOST_AUTO_TEST_CASE(without_scontrol_there_is_no_cluster_and_no_login_node) {
  const Programs programs("", "");
  const Asked asked;
  BOOST_TEST(!asked.cluster);
  BOOST_TEST(asked.tells("FAB4041"), asked.told());
  BOOST_TEST(asked.tells("--hardware FILE"), asked.told());
  Diagnostics diagnostics;
  BOOST_TEST(!ask_slurm(diagnostics));
  BOOST_TEST(diagnostics.has_errors());
}

BOOST_AUTO_TEST_CASE(a_failure_is_told_in_its_own_words) {
  const Programs programs(
      answers("node", "echo 'slurm_load_node error: Unable to contact slurm controller (connect failure)' >&2; exit 1"));
  const Asked asked;
  BOOST_TEST(!asked.cluster);
  BOOST_TEST(asked.tells("FAB4040 `scontrol --all --oneliner show node` exited with code 1"), asked.told());
  BOOST_TEST(asked.tells("it said: slurm_load_node error: Unable to contact slurm controller (connect failure)"), asked.told());
  BOOST_TEST(asked.tells("--hardware node.json"), asked.told());
  BOOST_TEST(asked.tells("write the fields that are auto"), asked.told());
}

BOOST_AUTO_TEST_CASE(of_much_that_is_said_the_end_counts) {
  const Programs programs("i=0; while [ $i -lt 500 ]; do echo \"line $i\" >&2; i=$((i+1)); done; kill -9 $$");
  const Asked asked;
  BOOST_TEST(asked.tells("was killed by signal 9 (KILL)"), asked.told());
  BOOST_TEST(asked.tells("it said: line 496\nline 497\nline 498\nline 499"), asked.told());
  BOOST_TEST(!asked.tells("line 495"), asked.told());
}

// What hangs may have begun to answer, be deaf to SIGTERM and have children.
BOOST_AUTO_TEST_CASE(one_that_hangs_is_ended_in_time) {
  const std::string hang = "trap '' TERM INT; echo 'retrying' >&2; sleep 60 & sleep 60; sleep 60";
  for (const char* what : {"partition", "node"}) {
    const Programs programs(answers(what, hang));
    const Asked asked(milliseconds{700});
    BOOST_TEST(!asked.cluster);
    BOOST_TEST(asked.seconds < 2.0);
    BOOST_TEST(
        asked.tells("FAB4040 SLURM did not answer within 0.7 s: `scontrol --all --oneliner show " + std::string(what) + "` was ended"),
        asked.told());
    BOOST_TEST(asked.tells("it said: retrying"), asked.told());
  }
  // The time is that of all commands together.
  const Programs slow(answers("node", "sleep 0.4; cat " + recorded + "/nodes.txt"));
  const Asked together(milliseconds{700});
  BOOST_TEST(together.cluster.has_value());
  const Programs slower("sleep 0.4\n" + answers());
  const Asked late(milliseconds{700});
  BOOST_TEST(!late.cluster);
  BOOST_TEST(late.tells("show node` was ended"), late.told());
}

BOOST_AUTO_TEST_CASE(the_limit_leaves_a_word_within_five_seconds) {
  // SLURM 22.05's programs give up on a controller that is not there after 4.02 s.
  const Programs programs(
      answers("partition", "sleep 4.05; echo 'slurm_load_partitions error: Unable to contact slurm controller' >&2; exit 1"));
  const Asked gave_up;
  BOOST_TEST(gave_up.tells("it said: slurm_load_partitions error"), gave_up.told());
  BOOST_TEST(gave_up.seconds < 5.0);
}

BOOST_AUTO_TEST_CASE(what_is_not_needed_is_not_missed) {
  for (const char* config : {"exit 1", "sleep 60"}) {
    const Programs programs(answers("config", config));
    const Asked asked(milliseconds{700});
    BOOST_TEST(asked.told() == "");
    BOOST_REQUIRE(asked.cluster);
    BOOST_TEST(asked.cluster->nodes.size() == 14u);
    BOOST_TEST(asked.cluster->name == "");
    Diagnostics diagnostics;
    BOOST_TEST(hardware_of(*asked.cluster, {}, diagnostics).source == "scheduler: SLURM, partition gpu");
  }
}

BOOST_AUTO_TEST_CASE(another_program_of_that_name_is_not_believed) {
  for (const char* what : {"partition", "node"}) {
    const Programs programs(answers(what, "echo 'usage: scontrol'"));
    const Asked asked;
    BOOST_TEST(!asked.cluster);
    BOOST_TEST(asked.tells("FAB4042"), asked.told());
  }
}

BOOST_AUTO_TEST_SUITE_END()
