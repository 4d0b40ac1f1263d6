// fabric comes to hosts that lack it: who gets a copy, where it is run from, and what keeps it from getting there.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

#include "tests/ssh/applied_over_ssh.hpp"

using namespace fabric;
using namespace fabric::testing;

BOOST_AUTO_TEST_SUITE(ssh_stage, *boost::unit_test::fixture<Hosts>())

// A cache on a disk of each host's own, as where homes are not shared.
class OwnCaches {
 public:
  OwnCaches() : login_(Hosts::cluster().home() / ".bashrc") { std::ofstream(login_) << "export XDG_CACHE_HOME=/var/tmp/cache\n"; }
  ~OwnCaches() { fs::remove(login_); }
  OwnCaches(const OwnCaches&) = delete;
  OwnCaches& operator=(const OwnCaches&) = delete;

 private:
  fs::path login_;
};

const std::string elsewhere = "ssh: {hosts: [h1, h2, h3], fabric: /var/tmp/own/fabric}\nprogram: [bash, -c, 'echo $RANK']\n";

std::string on(const std::string& host, const std::string& line) { return Hosts::cluster().output(line, {.node = host}); }

BOOST_AUTO_TEST_CASE(fabric_is_copied_to_the_hosts_that_lack_it_and_used_there) {
  if (Hosts::left_out()) return;
  const OwnCaches caches;
  for (const std::string host : {"h1", "h3"}) on(host, "mkdir -p /var/tmp/own && cp " + fabric_program + " /var/tmp/own/fabric");
  on("h3", "echo >>/var/tmp/own/fabric");
  const Job job(elsewhere);

  const ProgramResult refused = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(refused.status.shell_code() == 125, said(refused));
  BOOST_TEST(has(refused.errors, "FAB5301]: 2 of 3 hosts cannot be used"), said(refused));
  BOOST_TEST(has(refused.errors, "`--stage` copies it into ~/.cache/fabric/builds of those that lack it"), said(refused));

  const ProgramResult result = job.fabric({"apply", "job.yaml", "--stage"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(has(result.output, " MiB) was copied into ~/.cache/fabric/builds of h2, h3\n"), said(result));
  for (int rank = 0; rank < 3; ++rank) BOOST_TEST(job.log(rank, rank) == std::to_string(rank) + '\n');
  const std::string digest = Hosts::cluster().output("sha256sum <" + fabric_program + " | cut -c1-64");
  BOOST_TEST(on("h1", "ls /var/tmp/cache 2>&1 || true") == "ls: cannot access '/var/tmp/cache': No such file or directory");
  for (const std::string host : {"h2", "h3"}) {
    BOOST_TEST(on(host, "find /var/tmp/cache -type f | wc -l") == "1");
    BOOST_TEST(on(host, "sha256sum </var/tmp/cache/fabric/builds/*/fabric | cut -c1-64") == digest);
  }
  // What is there is not copied again, and is found without being asked for.
  for (const std::vector<std::string>& line : {std::vector<std::string>{"apply", "job.yaml", "--stage"}, {"apply", "job.yaml"}}) {
    const ProgramResult again = job.fabric(line);
    BOOST_TEST(again.status.shell_code() == 0, said(again));
    BOOST_TEST(!has(again.output, "was copied"), said(again));
  }
  for (const std::string host : {"h1", "h2", "h3"}) on(host, "rm -rf /var/tmp/own /var/tmp/cache");
}

// All hosts and both calls write into one folder, that of the home that they share.
BOOST_AUTO_TEST_CASE(copies_that_are_made_at_once_do_not_clash) {
  if (Hosts::left_out()) return;
  const Job job(elsewhere);
  const Job other(elsewhere);
  const fs::path builds = Hosts::cluster().home() / ".cache/fabric/builds";
  for (int round = 0; round < 3; ++round) {
    fs::remove_all(builds);
    RunningCommand one(Hosts::cluster(), Job::line({"apply", "job.yaml", "--stage"}), job.inside());
    RunningCommand two(Hosts::cluster(), Job::line({"apply", "job.yaml", "--stage"}), other.inside());
    for (RunningCommand* command : {&one, &two}) {
      const ProgramResult result = command->wait(seconds(60));
      BOOST_TEST(result.status.shell_code() == 0, said(result));
    }
    const auto files = std::count_if(fs::recursive_directory_iterator(builds), fs::recursive_directory_iterator(),
                                     [](const fs::directory_entry& entry) { return entry.is_regular_file(); });
    BOOST_TEST(files == 1);
  }
  fs::remove_all(builds);
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_a_row_of_the_table) {
  if (Hosts::left_out()) return;
  const OwnCaches caches;
  on("h2", "mkdir -p /var/tmp/cache && mount -t tmpfs -o size=2m tmpfs /var/tmp/cache");
  on("h3", "rm -rf /var/tmp/cache && touch /var/tmp/cache");
  const Job job(elsewhere);
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--stage"});
  BOOST_TEST(on("h2", "find /var/tmp/cache -type f") == "");
  on("h2", "umount /var/tmp/cache && rm -rf /var/tmp/cache");
  on("h3", "rm /var/tmp/cache");
  on("h1", "rm -rf /var/tmp/cache");
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "FAB5301]: 2 of 3 hosts cannot be used"), said(result));
  BOOST_TEST(has(result.errors,
                 "h2: fabric could not be copied into ~/.cache/fabric/builds there: head: error writing 'standard output': No "
                 "space left on device"),
             said(result));
  BOOST_TEST(has(result.errors, "h3: fabric could not be copied into ~/.cache/fabric/builds there: mkdir: "), said(result));
}

BOOST_AUTO_TEST_CASE(the_worker_is_not_copied_and_that_is_said) {
  if (Hosts::left_out()) return;
  const Job job(
      "ssh: {hosts: [h1, h2]}\ntrain: {task: image_classifier, model: mlp, data: /usr/share/datasets/fashion-mnist, "
      "optimizer: {name: sgd, lr: 0.1}, batch_size: 64, steps: 2}\n");
  // A fabric whose worker is not beside it.
  on("h1", "mkdir -p " + job.folder().string() + "/alone && cp " + fabric_program + ' ' + job.folder().string() + "/alone");
  const ProgramResult result =
      Hosts::cluster().exec({job.folder().string() + "/alone/fabric", "plan", "job.yaml", "--stage"}, job.inside());
  BOOST_TEST(result.status.shell_code() == 5, said(result));
  BOOST_TEST(has(result.errors, "FAB5003]: h1, h2: "), said(result));
  BOOST_TEST(has(result.errors, "`--stage` copies fabric alone"), said(result));
}

BOOST_AUTO_TEST_CASE(where_no_host_is_reached_there_is_nothing_to_copy_to) {
  if (Hosts::left_out()) return;
  const Job job("ssh: {hosts: [h1]}\nprogram: [hostname]\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml", "--stage", "--set", "backend=local"});
  BOOST_TEST(result.status.shell_code() == 125, said(result));
  BOOST_TEST(has(result.errors, "`--stage` copies fabric to hosts that ssh reaches, and the backend of this job is local"), said(result));
}

BOOST_AUTO_TEST_SUITE_END()
