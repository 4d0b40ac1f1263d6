// What a job asks of SLURM, planned where there is none: the batch script, and what is refused before anything is submitted.
#include <boost/test/unit_test.hpp>

#include "launch_backends/slurm_limits.hpp"
#include "launch_backends/slurm_queue.hpp"
#include "schema/json.hpp"
#include "schema/json_write.hpp"
#include "tests/cli/program.hpp"

using namespace fabric;
using namespace fabric::testing;

namespace {

const std::string node = FABRIC_SOURCE_DIR "/tests/machines/server-8xh100/hardware.json";

ProgramRun render(const Folder& folder, const std::string& job) {
  folder.write("job.yaml", "fabric: 1\nname: job\nthreads: 2\nprogram: [python3, train.py]\n" + job);
  return run_fabric({"plan", "job.yaml", "--render", "slurm", "--hardware", node}, folder.path());
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_plans)

BOOST_AUTO_TEST_CASE(each_directive_names_the_line_that_caused_it) {
  const Folder folder;
  const ProgramRun run =
      render(folder,
             "devices: 4\nnum_nodes: 3\ntime_limit: 90m\n"
             "slurm:\n  partition: gpu\n  gpu_type: h100\n  mem: 64GiB\n  setup: [ulimit -l unlimited]\n  directives: {comment: a b}\n");
  BOOST_TEST(run.exit_code == 0, run.err);
  for (const char* line : {"#SBATCH --job-name=job ", "#SBATCH --partition=gpu ", "#SBATCH --nodes=3 ", "#SBATCH --cpus-per-task=8 ",
                           "#SBATCH --gres=gpu:h100:4 ", "#SBATCH --mem=64G ", "#SBATCH --time=0-01:30:00 ", "#SBATCH --signal=B:USR1@90 ",
                           "#SBATCH --comment=\"a b\" ", "\nulimit -l unlimited\n"})
    BOOST_TEST(has(run.out, line), line << " is not in\n" << run.out);
  for (const char* cause :
       {"# num_nodes, job.yaml:6\n", "# slurm.partition, job.yaml:9\n", "# threads, job.yaml:3\n", "# stop.grace, as by default\n"})
    BOOST_TEST(has(run.out, cause), cause << " is not in\n" << run.out);
}

BOOST_AUTO_TEST_CASE(what_slurm_would_do_otherwise_is_refused_with_a_way_out) {
  const Folder folder;
  for (const auto& [job, code, way] : {std::tuple{"devices: 1\ntime_limit: 1m\n", "FAB5201", "a shorter stop.grace"},
                                       {"devices: [0, 2]\n", "FAB5202", "devices: 2"},
                                       {"devices: 1\nslurm: {directives: {comment: \"a\\nb\"}}\n", "FAB5203", "write it in one"},
                                       {"devices: 1\naccelerator: cpu\nslurm: {gpu_type: h100}\n", "FAB5204", "leave it out"},
                                       {"devices: 2\naccelerator: cpu\nbinding: cores\n", "FAB5207", "leave it out"},
                                       {"devices: 1\nslurm: {directives: {nodes: 4}}\n", "FAB5205", "write num_nodes instead"},
                                       {"devices: 1\nslurm: {array: 0-3}\ncheckpoint: {path: saved-*}\n", "FAB5209", "FABRIC_EVENTS"}}) {
    const ProgramRun run = render(folder, job);
    BOOST_TEST(run.exit_code == 5, job << run.err);
    BOOST_TEST(has(run.err, std::string("error[") + code), job << run.err);
    BOOST_TEST(has(run.err, way), job << run.err);
    BOOST_TEST(has(run.err, "--> job.yaml:"), job << run.err);
  }
  folder.write(
      "job.yaml",
      "fabric: 1\nthreads: 1\naccelerator: cpu\nbackend: slurm\nslurm: {array: 0-3}\nprogram: {command: [hostname], inherit: none}\n");
  const ProgramRun blind = run_fabric({"plan", "job.yaml", "--render", "slurm", "--hardware", node}, folder.path());
  BOOST_TEST(has(blind.err, "FAB5208"), blind.err);
  folder.write("job.yaml", "fabric: 1\nthreads: 1\naccelerator: cpu\nbackend: slurm\nprogram: [hostname]\n");
  const ProgramRun by_hand = run_fabric({"plan", "job.yaml", "--node-rank", "0", "--hardware", node}, folder.path());
  BOOST_TEST(has(by_hand.err, "FAB5206"), by_hand.err);
}

BOOST_AUTO_TEST_CASE(what_is_recorded_is_what_a_job_gets) {
  const Folder folder;
  // Of a node with 128 CPUs two ranks have two each.
  folder.write("job.yaml", "fabric: 1\nname: job\naccelerator: cpu\ndevices: 2\nprogram: [python3, train.py]\nslurm: {cpus_per_rank: 2}\n");
  const ProgramRun run = run_fabric({"plan", "job.yaml", "--set", "backend=slurm", "--hardware", node}, folder.path());
  BOOST_TEST(has(run.out, "2 ranks on 1 node, 2 threads each"), run.out << run.err);
  const ProgramRun json = run_fabric({"plan", "job.yaml", "--render", "slurm", "--format", "json", "--hardware", node}, folder.path());
  BOOST_TEST(json.exit_code == 3, json.err);
}

BOOST_AUTO_TEST_CASE(without_a_scheduler_what_is_open_has_to_be_written) {
  const Folder folder;
  const auto plan = [&](const std::string& job) {
    folder.write("job.yaml", "fabric: 1\nbackend: slurm\nprogram: [/bin/true]\n" + job);
    return run_fabric({"plan", "job.yaml"}, folder.path(), {"PATH=/nowhere"});
  };
  const ProgramRun open = plan("accelerator: cpu\n");
  BOOST_TEST(open.exit_code == 5, open.err);
  BOOST_TEST(has(open.err, "FAB5210"), open.err);
  BOOST_TEST(has(open.err, "`threads` is auto"), open.err);
  const ProgramRun written = plan("accelerator: cpu\nthreads: 2\n");
  BOOST_TEST(written.exit_code == 0, written.err);
  BOOST_TEST(has(written.err, "warning[FAB4041]"), written.err);
  // Nothing is begun that cannot be submitted, and nobody's nodes are shown.
  const ProgramRun applied = run_fabric({"apply", "job.yaml"}, folder.path(), {"PATH=/nowhere"});
  BOOST_TEST(applied.exit_code == 125, applied.err);
  BOOST_TEST(has(applied.err, "error[FAB5244]"), applied.err);
  BOOST_TEST(has(applied.err, "--> job.yaml:2:"), applied.err);
  BOOST_TEST(!std::filesystem::exists(folder.path() / "runs"));
  const ProgramRun probed = run_fabric({"probe", "job.yaml"}, folder.path(), {"PATH=/nowhere"});
  BOOST_TEST(probed.exit_code == 5, probed.err);
  BOOST_TEST(probed.out.empty(), probed.out);
  // Rendered it is the same plan.
  const auto id_in = [](const std::string& text) {
    const std::size_t at = text.find("plan ");
    return at == std::string::npos ? text : text.substr(at + 5, 12);
  };
  const ProgramRun rendered = run_fabric({"plan", "job.yaml", "--render", "slurm"}, folder.path(), {"PATH=/nowhere"});
  BOOST_TEST(id_in(rendered.out) == id_in(written.out), rendered.out);
  const ProgramRun unknown = run_fabric({"plan", "job.yaml", "--render", "foo"}, folder.path());
  BOOST_TEST(unknown.exit_code == 3, unknown.err);
  BOOST_TEST(has(unknown.err, "the backends are local, slurm, ssh"), unknown.err);
}

BOOST_AUTO_TEST_CASE(a_disk_of_the_cluster_is_not_missed_on_another_machine) {
  const Folder folder;
  const auto plan = [&](const std::string& output) {
    folder.write(
        "job.yaml",
        "fabric: 1\naccelerator: cpu\nthreads: 1\ndevices: 1\nprogram: [/scratch_of_nobody/bin/train]\nslurm: {output: " + output + "}\n");
    return run_fabric({"plan", "job.yaml", "--render", "slurm"}, folder.path(), {"PATH=/nowhere"});
  };
  const ProgramRun away = plan("/scratch_of_nobody/logs/%j.out");
  BOOST_TEST(away.exit_code == 0, away.err);
  BOOST_TEST(has(away.out, "--output=/scratch_of_nobody/logs/%j.out"), away.out);
  // This one is here, and lacks the folder.
  const ProgramRun here = plan((folder.path() / "logs/%j.out").string());
  BOOST_TEST(here.exit_code == 5);
  BOOST_TEST(has(here.err, "FAB5001"), here.err);
}

BOOST_AUTO_TEST_CASE(who_binds_the_port_is_told_by_the_shape) {
  const Folder folder;
  const auto plan = [&](const std::string& shape) {
    folder.write(
        "job.yaml",
        "fabric: 1\nbackend: slurm\naccelerator: cpu\nthreads: 1\nnum_nodes: 2\nprogram: [/bin/true]\nslurm: {shape: " + shape + "}\n");
    return run_fabric({"plan", "job.yaml", "--format", "json", "--hardware", node}, folder.path()).out;
  };
  const std::string agents = plan("agent"), tasks = plan("srun");
  BOOST_TEST(has(agents, "bound at start by the agent of node 0, which holds a free port from before the ranks start"), agents);
  BOOST_TEST(has(agents, "bound at start by the controller; 2 nodes"), agents);
  BOOST_TEST(has(tasks, "bound at start by the batch script, which makes one of the job's number, and nobody holds it"), tasks);
  BOOST_TEST(has(tasks, "bound at start by the batch script; 2 nodes: the name of the first host"), tasks);
}

BOOST_AUTO_TEST_CASE(which_cpus_ranks_have_no_file_of_hardware_decides) {
  const Folder folder;
  const std::string job = "fabric: 1\nbackend: slurm\naccelerator: cpu\ndevices: 2\nthreads: 1\nprogram: [/bin/true]\n";
  for (const char* machine : {"cpu-64-numa2", "one-cpu"}) {
    const std::string file = FABRIC_SOURCE_DIR "/tests/machines/" + std::string(machine) + "/hardware.json";
    folder.write("job.yaml", job);
    const ProgramRun open = run_fabric({"plan", "job.yaml", "--hardware", file}, folder.path());
    BOOST_TEST(has(open.out, "SLURM chooses which CPUs of a node the job has"), open.out << open.err);
    for (const char* binding : {"numa", "cores"}) {
      folder.write("job.yaml", job + "binding: " + binding + "\n");
      const ProgramRun written = run_fabric({"plan", "job.yaml", "--hardware", file}, folder.path());
      BOOST_TEST(written.exit_code == 5);
      BOOST_TEST(has(written.err, "error[FAB5207]: SLURM chooses which CPUs of a node a job gets"), written.err);
      BOOST_TEST(has(written.err, "\n1 error"), written.err);
    }
  }
}

BOOST_AUTO_TEST_CASE(variables_of_sbatch_are_not_dropped_in_silence) {
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nbackend: slurm\naccelerator: cpu\nthreads: 1\nprogram: [/bin/true]\n");
  const auto plan = [&](const std::vector<std::string>& variables) {
    return run_fabric({"plan", "job.yaml", "--hardware", node}, folder.path(), variables);
  };
  BOOST_TEST(!has(plan({"SBATCHES=1"}).err, "FAB5229"));
  const ProgramRun told = plan({"SBATCH_TIMELIMIT=5", "SBATCH_PARTITION=gpu", "SBATCH_NOTHING=1"});
  BOOST_TEST(told.exit_code == 0, told.err);
  BOOST_TEST(has(told.err, "sbatch is not told of SBATCH_NOTHING, SBATCH_PARTITION, SBATCH_TIMELIMIT"), told.err);
  BOOST_TEST(has(told.err, "(slurm.partition, time_limit)"), told.err);
  folder.write("job.yaml", "fabric: 1\naccelerator: cpu\nthreads: 1\nprogram: [/bin/true]\n");
  BOOST_TEST(!has(plan({"SBATCH_PARTITION=gpu"}).err, "FAB5229"));
}

BOOST_AUTO_TEST_CASE(the_output_of_a_script_counts_from_the_job) {
  const Folder folder;
  std::filesystem::create_directories(folder.path() / "with 100%/logs");
  folder.write("with 100%/job.yaml",
               "fabric: 1\nbackend: slurm\naccelerator: cpu\nthreads: 1\nprogram: [/bin/true]\nslurm: {output: logs/%x-%j.out}\n");
  const ProgramRun run = run_fabric({"plan", "with 100%/job.yaml", "--render", "slurm"}, folder.path(), {"PATH=/nowhere"});
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(has(run.out, "--output=\"" + folder.path().string() + "/with 100%%/logs/%x-%j.out\""), run.out);
  std::filesystem::remove(folder.path() / "with 100%/logs");
  const ProgramRun missing = run_fabric({"plan", "with 100%/job.yaml", "--render", "slurm"}, folder.path(), {"PATH=/nowhere"});
  BOOST_TEST(has(missing.err, "error[FAB5001]: " + folder.path().string() + "/with 100%/logs"), missing.err);
}

BOOST_AUTO_TEST_CASE(a_script_is_written_into_a_new_folder_with_its_plan) {
  const Folder folder;
  folder.write("job.yaml", "fabric: 1\nthreads: 1\naccelerator: cpu\nprogram: [hostname]\n");
  const auto write = [&] { return run_fabric({"plan", "job.yaml", "--render", "slurm", "--hardware", node, "-o", "out"}, folder.path()); };
  const ProgramRun first = write();
  BOOST_TEST(first.exit_code == 0, first.err);
  BOOST_TEST(has(first.out, "cd out && sbatch --parsable job.sbatch"), first.out);
  BOOST_TEST(folder.read("out/job.sbatch").starts_with("#!/bin/bash\n"));
  BOOST_TEST(has(folder.read("out/plan.json"), "\"plan_id\""));
  const ProgramRun second = write();
  BOOST_TEST(second.exit_code == 3, second.err);
  BOOST_TEST(has(second.err, "one is for one run"), second.err);
}

BOOST_AUTO_TEST_CASE(a_cluster_is_compared_with_what_the_job_asks) {
  SlurmCluster cluster;
  cluster.partitions = {{.name = "short", .is_default = true, .state = "UP", .time_limit = 3600, .most_nodes = 4, .nodes = 8}};
  Hardware hardware;
  hardware.groups = {{.count = 8, .host = {}, .unavailable = 6}};
  JobSpec job;
  job.slurm.emplace();
  const auto codes = [&] {
    Diagnostics diagnostics;
    check_slurm_limits(cluster, job, hardware, diagnostics);
    std::string all;
    for (const Diagnostic& d : diagnostics.all()) all += d.code + (d.severity == Severity::error ? "! " : " ");
    return all;
  };
  job.num_nodes = std::int64_t{2};
  BOOST_TEST(codes() == "");
  job.num_nodes = std::int64_t{3};
  BOOST_TEST(codes() == "FAB5212 ");
  job.num_nodes = std::int64_t{5};
  BOOST_TEST(codes() == "FAB5211! ");
  job.num_nodes = std::int64_t{9};
  BOOST_TEST(codes() == "FAB5211! ");
  job.num_nodes = std::int64_t{1};
  job.time_limit = Duration{3601};
  BOOST_TEST(codes() == "FAB5213! ");
  job.time_limit = Duration{3600};
  job.slurm->account = "ml";
  BOOST_TEST(codes() == "");
  cluster.partitions[0].accounts = {"physics"};
  BOOST_TEST(codes() == "FAB5214! ");
  job.slurm->account = "physics";
  job.slurm->qos = "long";
  BOOST_TEST(codes() == "");
  cluster.partitions[0].qos_shut_out = {"long"};
  BOOST_TEST(codes() == "FAB5245! ");
  cluster.partitions[0].qos_shut_out = {};
  cluster.partitions[0].qos = {"normal", "high"};
  BOOST_TEST(codes() == "FAB5245! ");
}

// A cluster of a thousand nodes that were bought over the years: 64 kinds, which differ in GPUs, memory and names.
BOOST_AUTO_TEST_CASE(a_thousand_unlike_nodes_are_planned_by_their_first_kind) {
  const std::optional<Value> one = read_json(read_text(node));
  BOOST_REQUIRE(one);
  Value groups = Value::array();
  for (int kind = 0; kind < 64; ++kind) {
    Value group = one->find("groups")->as_array().front();
    group.set("count", kind < 40 ? 16 : 15);
    Value* host = group.find("host");
    host->set("hostname", "kind" + std::to_string(kind));
    host->set("memory_bytes", (std::int64_t{1} << 40) + (std::int64_t{kind} << 30));
    for (Value& gpu : host->find("gpus")->as_array()) {
      gpu.set("name", "NVIDIA H100 of " + std::to_string(1960 + kind));
      gpu.set("memory_bytes", (std::int64_t{80} << 30) + (std::int64_t{kind} << 20));
    }
    groups.as_array().push_back(std::move(group));
  }
  Value cluster = *one;
  cluster.set("groups", std::move(groups));
  const Folder folder;
  folder.write("cluster.json", canonical_json(cluster));
  folder.write("job.yaml", "fabric: 1\nname: wide\nnum_nodes: 1000\ndevices: 8\nthreads: 4\nprogram: [python3, train.py]\n");
  const auto plan = [&](std::vector<std::string> options) {
    options.insert(options.begin(), {"plan", "job.yaml", "--hardware", "cluster.json"});
    return run_fabric(options, folder.path());
  };
  const ProgramRun script = plan({"--render", "slurm"});
  BOOST_TEST(script.exit_code == 0, script.err);
  BOOST_TEST(has(script.out, "#SBATCH --nodes=1000 "), script.out);
  BOOST_TEST(has(script.out, "#SBATCH --gres=gpu:8 "), script.out);
  const ProgramRun saved = plan({"--set", "backend=slurm", "-o", "plan.json"});
  BOOST_TEST(saved.exit_code == 0, saved.err);
  const std::optional<Value> document = read_json(folder.read("plan.json"));
  BOOST_REQUIRE(document);
  BOOST_TEST((*document->find("plan")->find("world_size") == Value(8000)));
  // What is the same on all nodes is said once.
  BOOST_TEST(folder.read("plan.json").size() < 20'000u);
}

// As `scontrol show hostnames` has it.
BOOST_AUTO_TEST_CASE(the_first_of_a_list_of_nodes) {
  BOOST_TEST(first_slurm_host("n1") == "n1");
  BOOST_TEST(first_slurm_host("login,n[1-4]") == "login");
  BOOST_TEST(first_slurm_host("n[1-4,7],m1") == "n1");
  BOOST_TEST(first_slurm_host("n[7,9-12]") == "n7");
  BOOST_TEST(first_slurm_host("gpu-a[008-015]-ib") == "gpu-a008-ib");
  BOOST_TEST(first_slurm_host("rack[2-3]node[00-15]") == "rack2node00");
  BOOST_CHECK_THROW(first_slurm_host("n[1-4"), std::runtime_error);
  BOOST_CHECK_THROW(first_slurm_host(""), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()
