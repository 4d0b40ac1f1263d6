// How `fabric import` reads the lines of a batch script, beside how sbatch does.
#include <boost/test/unit_test.hpp>

#include "cli/import/sbatch_directives.hpp"
#include "cli/import/sbatch_needs.hpp"
#include "tests/slurm/directive_lines.hpp"

namespace fabric::testing {

BOOST_AUTO_TEST_CASE(directives_are_read_as_sbatch_reads_them) {
  for (const DirectiveLines& row : directive_lines) {
    const std::string text = "#!/bin/bash\n" + row.lines + "true\n";
    Diagnostics diagnostics;
    std::vector<std::string> found;
    for (const SbatchDirective& d : read_sbatch_directives(text, 0, diagnostics).list)
      found.push_back(d.name + (d.value ? '=' + *d.value : ""));
    BOOST_TEST_CONTEXT(row.lines) {
      BOOST_TEST(found == row.options, boost::test_tools::per_element());
      bool refused = false;
      for (const Diagnostic& d : diagnostics.all()) refused = refused || d.code == "FAB6103";
      // Of "--nodes = 2" it is the 2 that is refused; sbatch stumbles over the = before.
      BOOST_TEST(refused == row.refused);
    }
  }
}

BOOST_AUTO_TEST_CASE(times_and_memory_are_slurms) {
  BOOST_TEST(sbatch_seconds("15").value() == 900);
  BOOST_TEST(sbatch_seconds("15:30").value() == 930);
  BOOST_TEST(sbatch_seconds("1:00:30").value() == 3630);
  BOOST_TEST(sbatch_seconds("1-2").value() == 93600);
  BOOST_TEST(sbatch_seconds("1-2:03").value() == 93780);
  BOOST_TEST(sbatch_seconds("0-0:0:30").value() == 30);
  for (const char* none : {"infinite", "UNLIMITED", "0", "1:2:3:4", "15m", "", "-", "1-"}) BOOST_TEST(!sbatch_seconds(none), none);
  BOOST_TEST(sbatch_mebibytes("500").value() == 500);
  BOOST_TEST(sbatch_mebibytes("64G").value() == 65536);
  BOOST_TEST(sbatch_mebibytes("64gb").value() == 65536);
  BOOST_TEST(sbatch_mebibytes("1500K").value() == 2);
  BOOST_TEST(sbatch_mebibytes("2T").value() == 2097152);
  BOOST_TEST(sbatch_mebibytes("0").value() == 0);
  for (const char* none : {"", "G", "64X", "-1", "64GiB"}) BOOST_TEST(!sbatch_mebibytes(none), none);
}

BOOST_AUTO_TEST_CASE(what_is_asked_for_is_counted_by_the_node) {
  SbatchNeeds needs =
      sbatch_needs({{"nodes", "2-4"}, {"ntasks", "8"}, {"gres", "shard:1,gpu:h100:4"}, {"cpus-per-task", "6"}, {"mem-per-cpu", "2G"}});
  BOOST_TEST(needs.node_count() == 2);
  BOOST_TEST(needs.tasks_on_a_node() == 4);
  BOOST_TEST(needs.gpus_per_node.value() == 4);
  BOOST_TEST(needs.gpu_type == "h100");
  BOOST_TEST(needs.memory.value() == 2048 * 24);
  needs = sbatch_needs({{"ntasks-per-node", "4"}, {"nodes", "2"}, {"gpus-per-task", "a100:1"}, {"cpus-per-gpu", "8"}});
  BOOST_TEST(needs.gpus_per_node.value() == 4);
  BOOST_TEST(needs.gpu_type == "a100");
  BOOST_TEST(needs.cpus_per_task.value() == 8);
  needs = sbatch_needs({{"gpus", "8"}, {"nodes", "2"}, {"mem-per-gpu", "10G"}});
  BOOST_TEST(needs.gpus_per_node.value() == 4);
  BOOST_TEST(needs.memory.value() == 40960);
  needs = sbatch_needs({{"gres", "gpu"}, {"ntasks-per-gpu", "2"}});
  BOOST_TEST(needs.tasks_on_a_node() == 2);
  BOOST_TEST(!sbatch_needs({{"gres", "gpu:0"}}).gpus_per_node);
}

BOOST_AUTO_TEST_CASE(nodes_of_a_range_are_as_many_as_tasks_need) {
  const auto counted = [](const std::string& nodes, const std::string& tasks, const std::string& of_a_node) {
    const SbatchNeeds needs = sbatch_needs({{"nodes", nodes}, {"ntasks", tasks}, {"ntasks-per-node", of_a_node}});
    return std::to_string(needs.node_count()) + " of " + std::to_string(needs.tasks_on_a_node()) + (needs.nodes_may_vary ? ", varies" : "");
  };
  BOOST_TEST(counted("1-4", "16", "4") == "4 of 4, varies");
  BOOST_TEST(counted("2-4", "4", "4") == "2 of 2, varies");
  BOOST_TEST(counted("2-16:2", "", "4") == "2 of 4, varies");
  BOOST_TEST(counted("2,4,8", "8", "") == "2 of 4, varies");
  BOOST_TEST(counted("2-2", "8", "4") == "2 of 4");
  BOOST_TEST(counted("", "16", "4") == "4 of 4");
  BOOST_TEST(counted("", "4", "8") == "1 of 4");
  BOOST_TEST(counted("4", "8", "4") == "4 of 2");
}

BOOST_AUTO_TEST_CASE(resources_beside_gpus_are_told_apart) {
  const std::vector<std::string> expected = {"nvme:100", "shard:a100:2"};
  BOOST_TEST(resources_that_are_no_gpus("gpu:a100:4,nvme:100,gpu,shard:a100:2,none") == expected, boost::test_tools::per_element());
  BOOST_TEST(resources_that_are_no_gpus("").empty());
}

}  // namespace fabric::testing
