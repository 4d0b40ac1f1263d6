// The code of a job on hosts that do not see where it is: what of it comes there, where ranks find it, what is recorded, and what keeps it
// from coming.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "schema/json.hpp"
#include "tests/ssh/applied_over_ssh.hpp"

using namespace fabric;
using namespace fabric::testing;

namespace {

// The line of a shell on a host, whose /var/tmp is its own.
std::string on_host(const std::string& host, const std::string& line) { return Hosts::cluster().output(line, {.node = host}); }

// A project on the disk of head alone.
class Project {
 public:
  explicit Project(const std::string& text) {
    Hosts::cluster().output("rm -rf /var/tmp/project /var/tmp/runs && mkdir -p /var/tmp/project/pkg /var/tmp/project/data");
    write("job.yaml", "fabric: 1\nname: job\naccelerator: cpu\nbackend: ssh\n" + text);
    write("pkg/which.py", "version = 1\n");
    write("data/large.bin", "0123456789");
    write("show.py",
          "import os, sys\nfrom pkg.which import version\n"
          "print(version, os.getcwd(), os.path.abspath(__file__), sorted(os.listdir('.')), sys.argv[1:])\n");
  }
  void write(const std::string& name, const std::string& content) const {
    const ProgramResult result = Hosts::cluster().exec({"tee", "/var/tmp/project/" + name}, {.input = content});
    BOOST_REQUIRE(result.status.good());
  }
  std::string at(const std::string& line) const { return Hosts::cluster().output("cd /var/tmp/project && " + line); }
  ProgramResult apply(const std::string& path = "/usr/local/bin:/usr/bin:/bin") const {
    return Hosts::cluster().exec({"env", "PATH=" + path, fabric_program, "apply", "/var/tmp/project/job.yaml", "--runs", runs},
                                 {.variables = {"NO_COLOR=1", "COLUMNS=200"}, .limit = seconds(90)});
  }
  std::string run() const {
    const ProgramResult result = Hosts::cluster().exec({"readlink", "-f", runs + "/job/latest"});
    return result.output.substr(0, result.output.size() - 1);
  }
  std::string log(int rank) const {
    const std::string number = std::to_string(rank);
    return Hosts::cluster().exec({"cat", run() + "/nodes/" + number + "/rank-" + number + ".log"}).output;
  }
  std::string runs = "/var/tmp/runs";
};

const std::string synced =
    "ssh: {hosts: [h1, h2]}\ncode: {sync: ., exclude: [data/]}\nprogram: {script: show.py, python: /usr/bin/python3, args: [--lr, '0.1']}\n";

}  // namespace

BOOST_AUTO_TEST_SUITE(ssh_sync, *boost::unit_test::fixture<Hosts>())

BOOST_AUTO_TEST_CASE(code_is_brought_to_hosts_with_disks_of_their_own) {
  if (Hosts::left_out()) return;
  const Project project(synced);
  project.at("git init -q . && git -c user.name=a -c user.email=a@b add . && git -c user.name=a -c user.email=a@b commit -qm one");
  project.write("pkg/which.py", "version = 2\n");
  const ProgramResult result = project.apply();
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(has(result.output, "a copy of /var/tmp/project, brought to hosts with a disk of their own\n"), said(result));
  BOOST_TEST(has(result.output, "the code (3 files, "), said(result));
  BOOST_TEST(has(result.output, " with 1 change) was brought to h1, h2\n"), said(result));
  const std::string run = project.run();
  for (int rank = 0; rank < 2; ++rank)
    BOOST_TEST(project.log(rank) == "2 " + run + "/code " + run + "/code/show.py ['job.yaml', 'pkg', 'show.py'] ['--lr', '0.1']\n");
  BOOST_TEST(on_host("h1", "ls -d /var/tmp/project 2>&1 || true") == "ls: cannot access '/var/tmp/project': No such file or directory");

  const std::optional<Value> code = read_json(Hosts::cluster().output("cat " + run + "/code.json"));
  BOOST_REQUIRE(code);
  BOOST_TEST(code->find("folder")->as_string() == "/var/tmp/project");
  BOOST_TEST(code->find("git_commit")->as_string() == project.at("git rev-parse HEAD"));
  BOOST_TEST((code->find("dirty")->as_array() == Value::Array{"pkg/which.py"}));
  BOOST_TEST(code->find("files")->as_integer() == 3);
  BOOST_TEST(code->find("bytes")->as_integer() == std::stoll(project.at("cat job.yaml pkg/which.py show.py | wc -c")));

  // The next run has the code of its own time, and leaves that of this one.
  project.write("pkg/which.py", "version = 3\n");
  BOOST_TEST(project.apply().status.shell_code() == 0);
  BOOST_TEST(project.log(1).starts_with("3 "));
  BOOST_TEST(on_host("h2", "cat " + run + "/code/pkg/which.py") == "version = 2");
  // Resumed, it has its own, even on a host that has lost it.
  project.write("show.py", "import os, sys\nsys.exit(9 if os.environ['FABRIC_ATTEMPT'] == '0' else 0)\n");
  BOOST_TEST(project.apply().status.shell_code() == 9);
  on_host("h2", "rm -r " + project.run() + "/code");
  const Inside inside{.variables = {"NO_COLOR=1"}, .limit = seconds(60)};
  const ProgramResult resumed = Hosts::cluster().exec(Job::line({"resume", project.run()}), inside);
  BOOST_TEST(resumed.status.shell_code() == 0, said(resumed));
}

BOOST_AUTO_TEST_CASE(names_and_shells_that_are_hard_to_get_past) {
  if (Hosts::left_out()) return;
  Project project(synced);
  project.runs = "/var/tmp/a 'b' \"c\" $HOME; exit";
  project.at("printf x >'it'\\''s \"a\" *' && printf y >\"$(printf 'two\\nlines')\"");
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "echo Welcome to the cluster\necho to stderr >&2\nprintf 'half a line'\n";
  const ProgramResult result = project.apply();
  fs::remove(bashrc);
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(has(project.log(1), R"(['it\'s "a" *', 'job.yaml', 'pkg', 'show.py', 'two\nlines'])"), project.log(1));
}

BOOST_AUTO_TEST_CASE(a_folder_that_all_see_needs_no_rsync) {
  if (Hosts::left_out()) return;
  const Job job(synced);
  fs::create_directories(job.folder() / "pkg");
  job.write("pkg/which.py", "version = 1\n");
  job.write("show.py", "import os\nprint(os.getcwd())\n");
  Hosts::cluster().output("mkdir -p /var/tmp/without && ln -sf /usr/bin/* /var/tmp/without && rm -f /var/tmp/without/rsync");
  const ProgramResult result = Hosts::cluster().exec({"env", "PATH=/var/tmp/without", fabric_program, "apply", "job.yaml"}, job.inside());
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(!has(result.output, "was brought to"), said(result));
  BOOST_TEST(job.log(1, 1) == job.run().string() + "/code\n");
}

BOOST_AUTO_TEST_CASE(rsync_that_is_missing_is_told_with_the_hosts) {
  if (Hosts::left_out()) return;
  const Project project(synced);
  for (const std::string host : {"head", "h2"})
    on_host(host, "mkdir -p /var/tmp/without && ln -sf /usr/bin/* /var/tmp/without && rm -f /var/tmp/without/rsync");
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "[ $(hostname) != h2 ] || PATH=/var/tmp/without\n";
  const ProgramResult result = project.apply("/var/tmp/without");
  fs::remove(bashrc);
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "FAB5308]: the code cannot be brought to hosts that do not see /var/tmp/runs"), said(result));
  BOOST_TEST(has(result.errors, "job.yaml:6:7"), said(result));
  BOOST_TEST(has(result.errors, "this machine, h2: no program `rsync` is on PATH"), said(result));
  BOOST_TEST(has(result.errors, "apt install rsync"), said(result));
}

BOOST_AUTO_TEST_CASE(code_that_finds_no_room_starts_nothing) {
  if (Hosts::left_out()) return;
  const Project project(synced);
  project.at("head -c 3000000 /dev/urandom >weights.bin");
  on_host("h2", "mkdir -p /var/tmp/runs && mount -t tmpfs -o size=1m tmpfs /var/tmp/runs");
  // What a shell says there at a login is not why.
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "echo the modules are old >&2\n";
  const ProgramResult result = project.apply();
  fs::remove(bashrc);
  on_host("h2", "umount /var/tmp/runs");
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "the code could not be brought to all hosts: h2: rsync"), said(result));
  BOOST_TEST((has(result.errors, "No space left on device") || has(result.errors, "is its disk full?")), said(result));
  BOOST_TEST(!has(result.output, "[0:0]"), said(result));
}

BOOST_AUTO_TEST_CASE(ctrl_c_while_code_is_brought_ends_it) {
  if (Hosts::left_out()) return;
  const Project project(synced);
  // A rsync that gets nowhere.
  on_host("h2", "mkdir -p /var/tmp/slow && printf '#!/bin/sh\\nsleep 60\\n' >/var/tmp/slow/rsync && chmod +x /var/tmp/slow/rsync");
  const fs::path bashrc = Hosts::cluster().home() / ".bashrc";
  std::ofstream(bashrc) << "[ $(hostname) != h2 ] || PATH=/var/tmp/slow:$PATH\n";
  RunningCommand apply(Hosts::cluster(), Job::line({"apply", "/var/tmp/project/job.yaml", "--runs", "/var/tmp/runs"}),
                       {.variables = {"NO_COLOR=1"}, .limit = seconds(60)});
  BOOST_REQUIRE(eventually([] { return process_with("/var/tmp/slow/rsync") != 0; }));
  apply.signal(SIGINT);
  const ProgramResult result = apply.wait(seconds(20));
  fs::remove(bashrc);
  BOOST_TEST(result.status.shell_code() == 130, said(result));
  BOOST_TEST(has(result.errors, "stopped by SIGINT before its ranks had begun"), said(result));
  BOOST_TEST(has(Hosts::cluster().output("cat " + project.run() + "/status.json"), "\"stopped\""));
  BOOST_TEST(nothing_is_left());
}

BOOST_AUTO_TEST_SUITE_END()
