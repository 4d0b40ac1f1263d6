// Jobs on hosts that are named: which are taken, what each of them gets, and what follows where they are not alike.
#include <boost/test/unit_test.hpp>

#include "tests/compiler/compile_text.hpp"

using namespace fabric;
using namespace fabric::test;

namespace {

// Machines in the order of the hosts.
Hardware in_order(const std::vector<Hardware>& machines) {
  Hardware all;
  for (const Hardware& one : machines) all.groups.push_back(one.groups.front());
  return all;
}

Compilation over_ssh(const std::string& section, const std::string& more, const Hardware& hardware, const std::string& hostfile = "") {
  Request request;
  request.job = "/jobs/job.yaml";
  const std::string text = "fabric: 1\nbackend: ssh\nprogram: {command: [hostname]}\nssh: " + section + '\n' + more;
  Files files{{{"/jobs/job.yaml", text}}};
  if (!hostfile.empty()) files.texts["/jobs/hosts.txt"] = hostfile;
  return compile(request, files.outside(), [&](const JobSpec&, Diagnostics&) { return hardware; });
}

struct Shape {
  std::vector<std::string> hosts;
  std::int64_t first_node, first_rank, ranks;
  std::vector<std::int64_t> ids{};
  friend bool operator==(const Shape&, const Shape&) = default;
};
std::vector<Shape> shapes(const Compilation& c) {
  std::vector<Shape> all;
  BOOST_REQUIRE_MESSAGE(c.plan, codes(c));
  for (const NodeGroup& g : c.plan->groups) {
    BOOST_TEST(g.nodes == static_cast<std::int64_t>(g.hosts.size()));
    all.push_back({g.hosts, g.first_node, g.first_rank, g.ranks_per_node, g.device_ids});
  }
  return all;
}

const Decision& decided(const Compilation& c, const std::string& field) {
  for (const Decision& d : c.plan->decisions)
    if (d.field == field) return d;
  BOOST_FAIL("nothing was decided of " + field);
  return c.plan->decisions.front();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(named_hosts)

BOOST_AUTO_TEST_CASE(each_host_is_a_node) {
  const Compilation c = over_ssh("{hosts: [a, b, c]}", "", machine(8, 4));
  BOOST_TEST((shapes(c) == std::vector<Shape>{{{"a", "b", "c"}, 0, 0, 4}}));
  BOOST_TEST(c.plan->world_size == 12);
  BOOST_TEST(c.plan->job.num_nodes == 3);
  BOOST_TEST(decided(c, "num_nodes").rule == "all-hosts");
  BOOST_TEST(c.plan->groups[0].rank.env.at("WORLD_SIZE").str() == "12");
  BOOST_TEST(c.plan->groups[0].rank.env.at("GROUP_WORLD_SIZE").str() == "3");
}

BOOST_AUTO_TEST_CASE(a_number_takes_the_first_of_them) {
  const Compilation c = over_ssh("{hosts: [a, b, c]}", "num_nodes: 2\naccelerator: cpu\n", machine(8));
  BOOST_TEST((shapes(c) == std::vector<Shape>{{{"a", "b"}, 0, 0, 1}}));
  BOOST_TEST(codes(over_ssh("{hosts: [a, b]}", "num_nodes: 3\n", machine(8))) == "FAB4010");
}

BOOST_AUTO_TEST_CASE(hosts_that_differ_are_groups) {
  const Compilation c = over_ssh("{hosts: [a, b, c, d]}", "", in_order({machine(16, 4), machine(16, 4), machine(8, 2), machine(16, 4)}));
  BOOST_TEST((shapes(c) == std::vector<Shape>{{{"a"}, 0, 0, 4}, {{"b"}, 1, 4, 4}, {{"c"}, 2, 8, 2}, {{"d"}, 3, 10, 4}}));
  BOOST_TEST(c.plan->world_size == 14);
  BOOST_TEST(c.plan->groups[2].rank.env.at("LOCAL_WORLD_SIZE").str() == "2");
  BOOST_TEST(c.plan->groups[2].rank.env.at("WORLD_SIZE").str() == "14");
  BOOST_TEST(canonical_json(decided(c, "devices").value) == "[4,4,2,4]");
  BOOST_TEST(decided(c, "devices").because.ends_with(": a 4, b 4, c 2, d 4"));
}

BOOST_AUTO_TEST_CASE(threads_are_those_of_the_tightest_host) {
  const Compilation c = over_ssh("{hosts: [a, b]}", "devices: 2\naccelerator: cpu\n", in_order({machine(16), machine(6)}));
  BOOST_TEST(c.plan->job.threads == 3);
  BOOST_TEST(decided(c, "threads").because.starts_with("b has the least: 6 CPUs"));
}

BOOST_AUTO_TEST_CASE(precision_is_what_every_gpu_has) {
  Hardware old = machine(8, 1, 7);
  const Compilation c = over_ssh("{hosts: [a, b]}", "", in_order({machine(8, 1), old}));
  BOOST_TEST((c.plan->job.precision == Precision::fp32_true));
}

BOOST_AUTO_TEST_CASE(a_host_has_devices_of_its_own) {
  const Compilation c = over_ssh("{hosts: [a, {host: b, devices: 3}, {host: c, devices: [0, 2]}, {host: d, slots: 2}]}", "", machine(8, 4));
  BOOST_TEST((shapes(c) == std::vector<Shape>{{{"a"}, 0, 0, 4}, {{"b"}, 1, 4, 3}, {{"c"}, 2, 7, 2, {0, 2}}, {{"d"}, 3, 9, 2}}));
  // What is written for all is less than what is written for one, and more than a number of slots.
  const Compilation written = over_ssh("{hosts: [a, {host: b, devices: 3}, {host: c, slots: 2}]}", "devices: 1\n", machine(8, 4));
  BOOST_TEST((shapes(written) == std::vector<Shape>{{{"a"}, 0, 0, 1}, {{"b"}, 1, 1, 3}, {{"c"}, 2, 4, 1}}));
}

BOOST_AUTO_TEST_CASE(more_than_a_host_has_is_refused_by_its_name) {
  const auto refused = [](const Compilation& c) { return c.diagnostics.all().empty() ? "" : c.diagnostics.all().front().message; };
  const Hardware different = in_order({machine(8, 4), machine(8, 2)});
  BOOST_TEST(refused(over_ssh("{hosts: [a, b]}", "devices: 4\n", different)) == "4 devices asked for, and b shows 2 GPUs");
  BOOST_TEST(refused(over_ssh("{hosts: [a, {host: b, devices: [0, 3]}]}", "", different)) ==
             "device 3 does not exist: b shows 2 GPUs (0, 1)");
  BOOST_TEST(refused(over_ssh("{hosts: [a, {host: b, slots: 4}]}", "", different)) == "4 slots asked for, and b shows 2 GPUs");
  BOOST_TEST(refused(over_ssh("{hosts: [a, b]}", "accelerator: cuda\n", in_order({machine(8, 4), machine(8)}))) ==
             "accelerator `cuda` needs an NVIDIA GPU, and b shows none");
}

BOOST_AUTO_TEST_CASE(hosts_of_two_kinds_are_refused) {
  const Compilation c = over_ssh("{hosts: [a, b]}", "", in_order({machine(8), machine(8, 2)}));
  BOOST_TEST(codes(c) == "FAB4009");
  BOOST_TEST(c.diagnostics.all().front().message == "the hosts differ: b shows 2 GPUs, and a none");
  BOOST_TEST((shapes(over_ssh("{hosts: [a, b]}", "accelerator: cpu\n", in_order({machine(8), machine(8, 2)}))).size() == 2u));
}

BOOST_AUTO_TEST_CASE(one_process_a_host_has_the_same_on_each) {
  const std::string alone = "program: {command: [hostname], contract: none}\n";
  const auto plan = [&](const Hardware& hardware) {
    Request request;
    request.job = "/jobs/job.yaml";
    const Files files{{{"/jobs/job.yaml", "fabric: 1\nbackend: ssh\nssh: {hosts: [a, b]}\n" + alone}}};
    return compile(request, files.outside(), [&](const JobSpec&, Diagnostics&) { return hardware; });
  };
  BOOST_TEST(codes(plan(in_order({machine(8, 4), machine(8, 2)}))) == "FAB4011");
  const Compilation c = plan(machine(8, 4));
  BOOST_TEST(c.plan->world_size == 2);
}

BOOST_AUTO_TEST_CASE(a_hostfile_in_the_words_of_others) {
  const std::string file = "# made by a tool\nworker-0 slots=2\n\tada@worker-1   slots = 4 max_slots=8 # more\r\n\nworker-2\n";
  const Compilation c = over_ssh("{hostfile: hosts.txt}", "", machine(8, 4), file);
  BOOST_TEST((shapes(c) == std::vector<Shape>{{{"worker-0"}, 0, 0, 2}, {{"ada@worker-1"}, 1, 2, 4}, {{"worker-2"}, 2, 6, 4}}));
  BOOST_TEST(c.plan->inputs.back().path == "/jobs/hosts.txt");
  BOOST_TEST(decided(c, "ssh.hosts").because == "worker-0, ada@worker-1 and worker-2: all of the hostfile");
}

BOOST_AUTO_TEST_CASE(hosts_are_chosen_in_the_words_of_deepspeed) {
  const std::string file = "worker-0 slots=4\nada@worker-1 slots=4\nworker-2 slots=4\n";
  const auto chosen = [&](const std::string& words) {
    return shapes(over_ssh("{hostfile: hosts.txt, " + words + '}', "", machine(8, 4), file));
  };
  BOOST_TEST((chosen("include: worker-1") == std::vector<Shape>{{{"ada@worker-1"}, 0, 0, 4}}));
  // In the order of the list.
  BOOST_TEST((chosen("include: 'worker-2:0,2@worker-0'") == std::vector<Shape>{{{"worker-0"}, 0, 0, 4}, {{"worker-2"}, 1, 4, 2, {0, 2}}}));
  BOOST_TEST(
      (chosen("exclude: 'worker-0@worker-2:1'") == std::vector<Shape>{{{"ada@worker-1"}, 0, 0, 4}, {{"worker-2"}, 1, 4, 3, {0, 2, 3}}}));
  BOOST_TEST((chosen("exclude: 'worker-2:0,1,2,3'").size() == 1u));
  BOOST_TEST(codes(over_ssh("{hostfile: hosts.txt, include: 'worker-1:7'}", "", machine(8, 4), file)) == "FAB3307");
}

BOOST_AUTO_TEST_CASE(the_interface_is_left_to_the_start) {
  const Compilation c = over_ssh("{hosts: [a, b]}", "accelerator: cpu\n", machine(8));
  BOOST_TEST(c.plan->groups[0].rank.defaults.at("GLOO_SOCKET_IFNAME").str() == "<network_interface>");
  BOOST_TEST(c.plan->groups[0].rank.defaults.at("NCCL_SOCKET_IFNAME").str() == "<network_interface>");
  BOOST_TEST(over_ssh("{hosts: [a]}", "accelerator: cpu\n", machine(8)).plan->groups[0].rank.defaults.empty());
  BOOST_TEST(compile_yaml("fabric: 1\naccelerator: cpu\nprogram: {command: [hostname]}\n").plan->groups[0].rank.defaults.empty());
}

// What stands in a section that is not in use changes nothing.
BOOST_AUTO_TEST_CASE(hosts_of_another_backend_are_not_looked_at) {
  const Compilation c =
      compile_yaml("fabric: 1\naccelerator: cpu\nprogram: {command: [hostname]}\nssh: {hostfile: nowhere.txt, include: nobody}\n");
  BOOST_REQUIRE_MESSAGE(c.plan, codes(c));
  BOOST_TEST(!c.plan->job.ssh);
  BOOST_TEST(c.plan->groups[0].hosts.empty());
}

// Hosts that were not seen are taken to be like others: there is a plan to look at the rest with, and nothing is said of what they might
// lack.
BOOST_AUTO_TEST_CASE(a_plan_over_hosts_that_are_partly_seen_is_provisional) {
  const auto planned = [](const std::string& devices, const std::string& source) {
    const std::string text =
        "fabric: 1\naccelerator: cuda\nbackend: ssh\nprogram: {command: [hostname]}\nssh: {hosts: [a, b]}\ndevices: " + devices;
    const Files files{{{"/jobs/job.yaml", text}}};
    return compile({.job = "/jobs/job.yaml"}, files.outside(), [&](const JobSpec&, Diagnostics& diagnostics) {
      diagnostics.add({.code = "FAB5301", .message = "1 of 2 hosts cannot be used"});
      Hardware hardware = machine(8, 2);
      hardware.source = source;
      return hardware;
    });
  };
  const Compilation some = planned("2", partly_seen_hardware);
  BOOST_TEST(some.provisional);
  BOOST_TEST(some.plan.has_value(), codes(some));
  BOOST_TEST(codes(some) == "FAB5301");
  const Compilation too_many = planned("4", partly_seen_hardware);
  BOOST_TEST(!too_many.plan.has_value());
  BOOST_TEST(codes(too_many) == "FAB5301");
  BOOST_TEST(!planned("2", "this host").plan.has_value());
}

BOOST_AUTO_TEST_SUITE_END()
