#include "launch_backends/bind_ranks.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "launch_backends/descriptor.hpp"

namespace fabric::test {

RankPlace place() {
  RankPlace p;
  p.main_address = "10.0.0.1";
  p.main_port = 4711;
  p.devices = {"2", "0"};
  p.node_name = "n7";
  p.rank = 5;
  p.local_rank = 1;
  p.node_rank = 2;
  p.attempt = 3;
  p.resume_path = "/run/checkpoints/step-9.safetensors";
  p.role_address = "10.0.0.2";
  p.run_id = "job/1";
  p.run_directory = "/run";
  p.events_file = "/run/nodes/2/rank-5.events.jsonl";
  p.error_file = "/run/nodes/2/rank-5.error.json";
  p.stop_file = "/run/nodes/2/stop";
  p.store_fd = 3;
  p.network_interface = "ib0";
  return p;
}

BOOST_AUTO_TEST_CASE(a_rank_has_the_cpus_of_its_place) {
  NodeGroup group;
  BOOST_TEST(cpus_of(group, 0, {}).empty());
  group.cpus = {{0, "0-1"}, {1, "2,4"}};
  BOOST_TEST(cpus_of(group, 1, {7, 7}) == (std::vector<std::int64_t>{2, 4}), boost::test_tools::per_element());
  BOOST_CHECK_THROW(cpus_of(group, 2, {}), std::runtime_error);
  group.accelerator = Accelerator::cuda;
  BOOST_TEST(cpus_of(group, 1, {1, 0}) == (std::vector<std::int64_t>{0, 1}), boost::test_tools::per_element());
  BOOST_CHECK_THROW(cpus_of(group, 1, {0}), std::runtime_error);
  BOOST_CHECK_THROW(cpus_of(group, 0, {5}), std::runtime_error);
}

struct Row {
  Binding binding;
  std::string value;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << name_of(row.binding); }

const Row rows[] = {
    {Binding::main_address, "10.0.0.1"},
    {Binding::main_port, "4711"},
    {Binding::device_ids, "2,0"},
    {Binding::own_device, "0"},
    {Binding::node_name, "n7"},
    {Binding::rank, "5"},
    {Binding::local_rank, "1"},
    {Binding::node_rank, "2"},
    {Binding::attempt, "3"},
    {Binding::resume_path, "/run/checkpoints/step-9.safetensors"},
    {Binding::role_address, "10.0.0.2"},
    {Binding::run_id, "job/1"},
    {Binding::run_directory, "/run"},
    {Binding::events_file, "/run/nodes/2/rank-5.events.jsonl"},
    {Binding::error_file, "/run/nodes/2/rank-5.error.json"},
    {Binding::stop_file, "/run/nodes/2/stop"},
    {Binding::store_fd, "3"},
    {Binding::network_interface, "ib0"},
};

BOOST_DATA_TEST_CASE(each_placeholder_has_its_value, rows, row) {
  BOOST_TEST(bind_text(Text(row.binding), place()).value() == row.value);
  BOOST_TEST(bind_text(Text(row.binding, "/x"), place()).value() == row.value + "/x");
}

BOOST_AUTO_TEST_CASE(the_table_holds_every_placeholder) { BOOST_TEST(std::size(rows) == Names<Binding>::table.size()); }

RankTemplate echo() {
  RankTemplate rank;
  rank.argv = {Text("echo"), Text(Binding::rank), Text("$HOME; rm -rf \"x\"")};
  rank.env["RANK"] = Binding::rank;
  rank.env["FABRIC_RESUME_FROM"] = Binding::resume_path;
  rank.env["FABRIC_STORE_FD"] = Binding::store_fd;
  rank.env["CUDA_VISIBLE_DEVICES"] = Binding::device_ids;
  rank.env["FABRIC_PLAN"] = Text(Binding::run_directory, "/plan.json");
  rank.scrub = {"RANK", "LT_*", "FABRIC_*", "SLURM_STEP_*"};
  rank.cwd = Text("/data");
  return rank;
}

BOOST_AUTO_TEST_CASE(inherited_variables_pass_except_those_of_other_launchers) {
  const BoundRank bound = bind_rank(echo(), place(),
                                    {"HOME=/root", "RANK=9", "RANKS=9", "LT_DEVICES=4", "LT=1", "FABRIC_ATTEMPT=8", "SLURM_STEP_ID=0",
                                     "SLURM_JOB_ID=1", "EMPTY=", "EQUAL=a=b"});
  // clang-format off
  const std::vector<std::string> expected = {"CUDA_VISIBLE_DEVICES=2,0", "EMPTY=", "EQUAL=a=b", "FABRIC_PLAN=/run/plan.json",
                                             "FABRIC_RESUME_FROM=/run/checkpoints/step-9.safetensors", "FABRIC_STORE_FD=3", "HOME=/root", "LT=1",
                                             "RANK=5", "RANKS=9", "SLURM_JOB_ID=1"};
  // clang-format on
  BOOST_TEST(bound.env == expected, boost::test_tools::per_element());
  const std::vector<std::string> argv = {"echo", "5", "$HOME; rm -rf \"x\""};
  BOOST_TEST(bound.argv == argv, boost::test_tools::per_element());
  BOOST_TEST(bound.cwd == "/data");
}

BOOST_AUTO_TEST_CASE(a_default_gives_way_to_whatever_else_sets_it) {
  RankTemplate rank = echo();
  rank.env.clear();
  rank.env["OWN"] = Text("job");
  for (const char* name : {"FREE", "INHERITED", "FILED", "OWN", "SCRUBBED"}) rank.defaults[name] = Binding::network_interface;
  rank.scrub = {"SCRUBBED"};
  const std::vector<std::string> inherited = {"INHERITED=site", "SCRUBBED=stale"};
  const std::vector<std::string> expected = {"FILED=file", "FREE=ib0", "INHERITED=site", "OWN=job", "SCRUBBED=ib0"};
  BOOST_TEST(bind_rank(rank, place(), inherited, {{"FILED", "file", 0, 0}}).env == expected, boost::test_tools::per_element());
  RankPlace nowhere = place();
  nowhere.network_interface.reset();
  const std::vector<std::string> without = {"FILED=file", "INHERITED=site", "OWN=job"};
  BOOST_TEST(bind_rank(rank, nowhere, inherited, {{"FILED", "file", 0, 0}}).env == without, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_rank_is_not_told_where_a_shell_stands) {
  RankTemplate rank = echo();
  rank.env.clear();
  const auto check = [&](const std::vector<std::string>& expected) {
    BOOST_TEST(bind_rank(rank, place(), {"OLDPWD=/old", "PWD=/home", "_=/bin/fabric"}).env == expected, boost::test_tools::per_element());
  };
  check({"PWD=/data"});
  rank.env["PWD"] = Text("/asked");
  check({"PWD=/asked"});
  rank.env.clear();
  rank.cwd = Text(Binding::resume_path);
  RankPlace first = place();
  first.resume_path.reset();
  BOOST_TEST(bind_rank(rank, first, {"PWD=/home"}).env == std::vector<std::string>{"PWD=/home"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_has_no_value_is_not_set_and_not_inherited) {
  RankPlace first = place();
  first.resume_path.reset();
  first.store_fd.reset();
  first.devices.clear();
  RankTemplate rank = echo();
  rank.argv.push_back(Binding::resume_path);
  const BoundRank bound = bind_rank(rank, first, {"CUDA_VISIBLE_DEVICES=7", "FABRIC_RESUME_FROM=/stale", "HOME=/root"});
  const std::vector<std::string> expected = {"FABRIC_PLAN=/run/plan.json", "HOME=/root", "RANK=5"};
  BOOST_TEST(bound.env == expected, boost::test_tools::per_element());
  BOOST_TEST(bound.argv.size() == 3u);
}

BOOST_AUTO_TEST_CASE(devices_count_within_what_is_visible) {
  const std::vector<std::int64_t> ids = {2, 0};
  const auto check = [&](const std::vector<std::string>& inherited, const std::vector<std::string>& expected) {
    BOOST_TEST(device_names(ids, inherited) == expected, boost::test_tools::per_element());
  };
  check({"HOME=/root"}, {"2", "0"});
  check({"CUDA_VISIBLE_DEVICES=6,5,4"}, {"4", "6"});
  check({"CUDA_VISIBLE_DEVICES=GPU-11, GPU-22 , GPU-33"}, {"GPU-33", "GPU-11"});
  check({"CUDA_VISIBLE_DEVICES=MIG-1,MIG-2,MIG-3", "CUDA_VISIBLE_DEVICES=9"}, {"MIG-3", "MIG-1"});
  BOOST_CHECK_EXCEPTION(device_names(ids, {"CUDA_VISIBLE_DEVICES=6,5"}), std::runtime_error, [](const std::runtime_error& error) {
    return error.what() == std::string("there is no GPU 2 under CUDA_VISIBLE_DEVICES=6,5");
  });
  BOOST_CHECK_THROW(device_names(ids, {"CUDA_VISIBLE_DEVICES="}), std::runtime_error);
  BOOST_TEST(device_names({}, {"CUDA_VISIBLE_DEVICES="}).empty());
}

BOOST_AUTO_TEST_CASE(a_variable_given_twice_is_the_first) {
  const BoundRank bound = bind_rank(echo(), place(), {"A=1", "A=2", "no variable", "=odd"});
  BOOST_TEST(std::count(bound.env.begin(), bound.env.end(), "A=1") == 1);
  BOOST_TEST(std::count(bound.env.begin(), bound.env.end(), "A=2") == 0);
  BOOST_TEST(std::count(bound.env.begin(), bound.env.end(), "no variable") == 0);
}

BOOST_AUTO_TEST_CASE(scrubbing_is_reported_by_name) {
  const std::vector<std::string> expected = {"FABRIC_ATTEMPT", "LT_DEVICES", "RANK"};
  BOOST_TEST(scrubbed_names(echo(), {"RANK=9", "HOME=/", "LT_DEVICES=4", "FABRIC_ATTEMPT=8"}) == expected,
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_what_a_pattern_names_is_inherited) {
  RankTemplate rank = echo();
  rank.env.clear();
  const std::vector<std::string> shell = {"HOME=/root", "CUDA_HOME=/cuda", "CUDA=1", "RANK=7", "PATH=/bin"};
  const auto check = [&](std::vector<std::string> patterns, const std::vector<std::string>& expected) {
    rank.inherit = std::move(patterns);
    BOOST_TEST(bind_rank(rank, place(), shell).env == expected, boost::test_tools::per_element());
  };
  check({}, {});
  check({"HOME", "CUDA_*"}, {"CUDA_HOME=/cuda", "HOME=/root"});
  check({"*"}, {"CUDA=1", "CUDA_HOME=/cuda", "HOME=/root", "PATH=/bin"});
  check({"RANK"}, {});  // scrubbed all the same
}

// Above what is inherited, below what the plan sets.
BOOST_AUTO_TEST_CASE(a_file_of_variables_is_read_at_start) {
  RankTemplate rank = echo();
  rank.env = {{"OURS", Text("plan")}};
  BOOST_TEST(variables_of_file(rank).empty());
  char name[] = "/tmp/fabric-env-XXXXXX";
  FileDescriptor file(mkstemp(name));
  rank.env_file = name;
  BOOST_TEST(variables_of_file(rank).empty());
  std::ofstream(name) << "TOKEN=a b\nHOME=/file\nOURS=file\n";
  const std::vector<std::string> expected = {"HOME=/file", "OURS=plan", "TOKEN=a b"};
  BOOST_TEST(bind_rank(rank, place(), {"HOME=/root"}, variables_of_file(rank)).env == expected, boost::test_tools::per_element());
  std::ofstream(name) << "no variable\n";
  BOOST_CHECK_THROW(variables_of_file(rank), std::runtime_error);
  unlink(name);
  BOOST_CHECK_THROW(variables_of_file(rank), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(who_uses_a_placeholder) {
  BOOST_TEST(uses(echo(), Binding::store_fd));
  BOOST_TEST(uses(echo(), Binding::rank));
  BOOST_TEST(!uses(echo(), Binding::main_port));
}

}  // namespace fabric::test
