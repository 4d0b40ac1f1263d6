// The job of configs/fashion_mnist.yaml on four nodes of a cluster gives the numbers that it gives as four ranks of one machine.
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "schema/json.hpp"
#include "tests/clusters/cluster.hpp"

namespace fabric::testing {

inline std::vector<double> losses_in(const std::string& metrics) {
  std::vector<double> all;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);)
    if (const std::optional<Value> row = read_json(line))
      if (const Value* loss = row->find("loss"); loss && loss->is_number()) all.push_back(loss->as_real());
  return all;
}

// on_nodes: the words that put it there.
template <class Job>
void trains_on_four_nodes_as_on_one_machine(const Job& job, const std::vector<std::string>& on_nodes) {
  if (!std::filesystem::exists(FABRIC_BINARY_DIR "/bin/fabric-worker")) {
    BOOST_TEST_MESSAGE("left out: this build has no runtime");
    BOOST_TEST(true);
    return;
  }
  job.write("train.yaml", read_text(std::string(FABRIC_SOURCE_DIR) + "/configs/fashion_mnist.yaml"));
  const auto losses_of = [&job](const std::string& runs, std::vector<std::string> place) {
    std::vector<std::string> words = {"apply", "train.yaml", "--runs", runs};
    words.insert(words.end(), place.begin(), place.end());
    for (const char* set :
         {"threads=1", "accelerator=cpu", "train.epochs=null", "train.steps=20", "train.log_every=1", "train.data_workers=1"})
      words.insert(words.end(), {"--set", set});
    const ProgramResult result = job.fabric(words);
    BOOST_REQUIRE_MESSAGE(result.status.shell_code() == 0, result.output + result.errors);
    return losses_in(read_text(job.folder() / runs / "fashion-mnist/latest/metrics.jsonl"));
  };
  std::vector<std::string> place = {"--set", "num_nodes=4", "--set", "devices=1"};
  place.insert(place.end(), on_nodes.begin(), on_nodes.end());
  const std::vector<double> spread = losses_of("nodes", place), here = losses_of("here", {"--set", "devices=4"});
  BOOST_TEST(spread == here, boost::test_tools::per_element());
  BOOST_TEST(spread.size() >= 20);
}

}  // namespace fabric::testing
