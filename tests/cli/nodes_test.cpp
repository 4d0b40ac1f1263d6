// The parts of several nodes, each started by a command of its own. All on this machine: its ranks meet as those of several would.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <ostream>
#include <set>

#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Rank 0 adds up what all the others send it, and tells them the sum.
const char* const meeting =
    "import os, socket, sys, time\n"
    "rank, world = int(os.environ['RANK']), int(os.environ['WORLD_SIZE'])\n"
    "at = (os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']))\n"
    "if rank == 0:\n"
    "    server = socket.socket()\n"
    "    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
    "    server.bind(at); server.listen()\n"
    "    peers = [server.accept()[0] for _ in range(world - 1)]\n"
    "    total = sum(int(peer.recv(16)) for peer in peers)\n"
    "    for peer in peers: peer.sendall(b'%d' % total)\n"
    "else:\n"
    "    for i in range(3000):\n"
    "        try: peer = socket.create_connection(at); break\n"
    "        except OSError: time.sleep(0.01)\n"
    "    peer.sendall(b'%d' % rank)\n"
    "    total = int(peer.recv(16))\n"
    "names = ['RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'LOCAL_WORLD_SIZE', 'NODE_RANK', 'GROUP_RANK', 'GROUP_WORLD_SIZE', 'LT_NUM_NODES']\n"
    "print(' '.join(os.environ.get(n, '-') for n in names), 'sum', total)\n"
    "sys.exit(7 if str(rank) in sys.argv else 0)\n";

std::string free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  BOOST_REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0);
  BOOST_REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  close(fd);
  return std::to_string(ntohs(address.sin_port));
}

// Both at once.
std::pair<ProgramRun, ProgramRun> run_both(const Words& first, const Words& second, const Folder& folder) {
  std::future<ProgramRun> other = std::async(std::launch::async, [&] { return run_fabric(second, folder.path()); });
  ProgramRun run = run_fabric(first, folder.path());
  return {std::move(run), other.get()};
}

struct Line {
  std::string what;
  Words words;  // {port} is the port, {node} the number of the node
  std::string nodes_of_lightning = "-";
};
std::ostream& operator<<(std::ostream& out, const Line& line) { return out << line.what; }

const Line lines[] = {
    {"torchrun",
     {"run", "--nnodes", "2", "--nproc-per-node=2", "--node-rank", "{node}", "--main-address", "127.0.0.1", "--main-port", "{port}",
      "meet.py"}},
    {"torchrun's rendezvous",
     {"run", "--nnodes=2:2", "--nproc_per_node=2", "--node_rank={node}", "--rdzv-endpoint=127.0.0.1:{port}", "meet.py"}},
    {"lightning",
     {"run", "model", "meet.py", "--devices", "2", "--num-nodes", "2", "--node-rank", "{node}", "--main-address", "127.0.0.1",
      "--main-port={port}"},
     "2"},
    {"accelerate",
     {"run", "accelerate", "launch", "--cpu", "--num_machines", "2", "--num_processes", "4", "--machine_rank", "{node}",
      "--main_process_ip", "127.0.0.1", "--main_process_port", "{port}", "meet.py"}},
    {"a job", {"apply", "job.yaml", "--set", "main_port={port}", "--node-rank", "{node}"}},
};

Words filled(Words words, const std::string& port, int node) {
  for (std::string& word : words) word = replaced(replaced(word, "{port}", port), "{node}", std::to_string(node));
  return words;
}

BOOST_AUTO_TEST_SUITE(nodes)

BOOST_DATA_TEST_CASE(started_one_by_one_their_ranks_meet, lines, line) {
  const Folder folder;
  folder.write("meet.py", meeting);
  folder.write("job.yaml",
               "fabric: 1\nname: meet\nnum_nodes: 2\ndevices: 2\naccelerator: cpu\nmain_address: 127.0.0.1\nprogram: [meet.py]\n");
  const std::string port = free_port();
  const auto [first, second] = run_both(filled(line.words, port, 0), filled(line.words, port, 1), folder);
  BOOST_TEST(first.exit_code == 0, first.out << first.err);
  BOOST_TEST(second.exit_code == 0, second.out << second.err);
  const std::string nodes = " 2 " + line.nodes_of_lightning + " sum 6\n";
  BOOST_TEST(contains(first.out, "[0:0] 0 4 0 2 0 0" + nodes), first.out);
  BOOST_TEST(contains(first.out, "[0:1] 1 4 1 2 0 0" + nodes), first.out);
  BOOST_TEST(contains(second.out, "[1:2] 2 4 0 2 1 1" + nodes), second.out);
  BOOST_TEST(contains(second.out, "[1:3] 3 4 1 2 1 1" + nodes), second.out);
  BOOST_TEST(contains(second.out, "as node 1 of nodes 0-1: ranks 2-3; the plan is the same on each"), second.out);
  // One plan, and a folder for each.
  std::set<std::string> plans;
  std::set<std::string> logs;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path() / "runs")) {
    if (entry.is_symlink()) continue;
    if (entry.path().filename() == "plan.json") plans.insert(read_json(read_text(entry.path()))->find("plan_id")->as_string());
    if (entry.path().extension() == ".log")
      logs.insert(entry.path().lexically_relative(entry.path().parent_path().parent_path().parent_path()).string());
  }
  BOOST_TEST(plans.size() == 1u);
  BOOST_TEST((logs == std::set<std::string>{"nodes/0/rank-0.log", "nodes/0/rank-1.log", "nodes/1/rank-2.log", "nodes/1/rank-3.log"}));
  std::size_t runs = 0;
  for (const auto& entry : fs::directory_iterator(folder.path() / "runs/meet")) runs += !entry.is_symlink();
  BOOST_TEST(runs == 2u);
}

// Node 0 of one is a run like any other, and may start again.
BOOST_AUTO_TEST_CASE(one_node_is_no_part) {
  const Folder folder;
  folder.write("train.py", "import os, sys\nsys.exit(int(os.environ['FABRIC_ATTEMPT']) < 1)\n");
  const ProgramRun run = run_fabric({"run", "--nnodes=1", "--node-rank=0", "--max-restarts=2", "train.py"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(contains(run.out, "restarting"), run.out);
  BOOST_TEST(!contains(run_fabric({"status", "train"}, folder.path()).out, "part "));
}

// Each answers for its own ranks, and starts none again.
BOOST_AUTO_TEST_CASE(a_failure_is_that_of_its_node) {
  const Folder folder;
  folder.write("meet.py", meeting);
  const std::string port = free_port();
  const Words line = {"run",    "--nnodes",       "2",         "--nproc-per-node=2", "--max-restarts", "3",       "--node-rank",
                      "{node}", "--main-address", "127.0.0.1", "--main-port",        "{port}",         "meet.py", "2"};
  const auto [first, second] = run_both(filled(line, port, 0), filled(line, port, 1), folder);
  BOOST_TEST(first.exit_code == 0, first.out << first.err);
  BOOST_TEST(second.exit_code == 7, second.out << second.err);
  BOOST_TEST(contains(second.err, "error: rank 2 exited with code 7"), second.err);
  BOOST_TEST(contains(second.err, "nodes/1/rank-2.log"), second.err);
  BOOST_TEST(contains(second.err, "FAB5024"), second.err);
  BOOST_TEST(!contains(second.out, "restarting"), second.out);
}

BOOST_AUTO_TEST_CASE(a_part_is_resumed_as_the_same_part) {
  const Folder folder;
  folder.write("train.py",
               "import os, sys\nprint(os.environ['NODE_RANK'], os.environ['RANK'])\nsys.exit(0 if os.path.exists('go') else 5)\n");
  ProgramRun run = run_fabric({"run", "--nnodes", "3", "--node-rank", "2", "--main-address", "127.0.0.1", "--main-port", free_port(),
                               "--local-ranks-filter", "0", "train.py"},
                              folder.path());
  BOOST_TEST(run.exit_code == 5, run.err);
  BOOST_TEST(contains(run.out, "[2:2] 2 2\n"), run.out);
  run = run_fabric({"resume", "train", "--rank", "0"}, folder.path());
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "there is rank 2 alone"), run.err);
  folder.write("go", "");
  run = run_fabric({"resume", "runs/train/latest"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(contains(run.out, "[2:2] 2 2\n"), run.out);
  run = run_fabric({"env", "train", "--rank", "2"}, folder.path());
  BOOST_TEST(contains(run.out, "export NODE_RANK=2\n"), run.out);

  // Ranks of other nodes are not in it.
  for (const auto& [words, says] :
       {std::pair{Words{"attach", "train", "--rank", "0"}, "on node 2, which this run is, there is rank 2 alone"},
        {Words{"logs", "train", "--rank", "2,3"}, "there is no rank 3 here"},
        {Words{"logs", "train", "--node", "1"}, "this run is node 2 alone"}}) {
    run = run_fabric(words, folder.path());
    BOOST_TEST(run.exit_code != 0);
    BOOST_TEST(contains(run.err, says), run.err);
  }
  BOOST_TEST(run_fabric({"logs", "train", "--rank", "2", "--node", "2"}, folder.path()).out == "[2:2] 2 2\n[2:2] 2 2\n");

  // Whose part it is is told, also where its status cannot be read; of a whole run nothing is.
  folder.write("alone.py", "");
  BOOST_TEST(run_fabric({"run", "alone.py"}, folder.path()).exit_code == 0);
  run = run_fabric({"list"}, folder.path());
  BOOST_TEST(contains(run.out, "  node  state "), run.out);
  BOOST_TEST(contains(run.out, "  2     finished "), run.out);
  run = run_fabric({"status", "alone"}, folder.path());
  BOOST_TEST(!contains(run.out, "part "), run.out);
  for (int i = 0; i < 2; ++i) {
    run = run_fabric({"status", "train"}, folder.path());
    BOOST_TEST(contains(run.out, "node 2 alone; the others are started by hand too\n"), run.out);
    run = run_fabric({"status", "train", "--format", "json"}, folder.path());
    BOOST_TEST((*read_json(run.out)->find("node_rank") == Value(2)), run.out);
    run = run_fabric({"list", "--format", "json"}, folder.path());
    BOOST_TEST(contains(run.out, "\"node_rank\": 2"), run.out);
    BOOST_TEST(contains(run.out, "\"node_rank\": null"), run.out);
    folder.write("runs/train/latest/status.json", "");
  }
}

BOOST_AUTO_TEST_CASE(a_node_that_waits_for_the_first_says_so) {
  const Folder folder;
  folder.write("wait.py", "import time\ntime.sleep(17)\n");
  const std::string port = free_port();
  const ProgramRun run = run_fabric(
      {"run", "--nnodes", "2", "--node-rank", "1", "--main-address", "127.0.0.1", "--main-port", port, "wait.py"}, folder.path());
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(contains(run.out, "no rank of this node has reached 127.0.0.1:" + port + " yet: is node 0 started there"), run.out);
  BOOST_TEST(contains(run.out, "those of this node were on their own"), run.out);
}

struct Refused {
  Words words;
  std::string says;
};
std::ostream& operator<<(std::ostream& out, const Refused& refused) { return out << refused.says; }

const Refused refusals[] = {
    {{"run", "--nnodes", "2", "train.py"}, "--node-rank 0 on the first"},
    {{"run", "--nnodes", "2", "--node-rank", "0", "train.py"},
     "error[FAB5022]: nodes that are started by hand have to agree on main_address and main_port, and each would"},
    {{"run", "--nnodes", "2", "--node-rank", "0", "--main-port", "29500", "train.py"}, "agree on main_address, and"},
    {{"run", "--nnodes", "2", "--node-rank", "0", "--main-address", "h", "train.py"}, "agree on main_port, and"},
    {{"run", "--nnodes", "2", "--node-rank", "2", "--rdzv-endpoint", "h:1", "train.py"},
     "error[FAB5021]: there is no node 2: the job asks for 2"},
    {{"run", "--node-rank", "1", "train.py"}, "there is no node 1: the job asks for 1"},
    {{"run", "--node-rank", "-1", "train.py"}, "nodes are numbered from 0 on"},
    {{"apply", "job.yaml", "--node-rank", "x"}, "nodes are numbered from 0 on"},
    {{"apply", "job.yaml", "--node-rank", "0", "--set", "num_nodes=2", "--set", "main_address=h", "--set", "main_port=1"}, "FAB5023"},
    {{"run", "--nnodes", "2", "--node-rank", "1", "--rdzv-endpoint", "no.such.host.invalid:1", "train.py"},
     "no.such.host.invalid cannot be resolved"},
    {{"run", "--nnodes", "2", "--node-rank", "0", "--rdzv-endpoint", "192.0.2.7:29500", "train.py"},
     "no interface of this machine has this address"},
};

BOOST_DATA_TEST_CASE(what_cannot_be_a_part_is_refused, refusals, refused) {
  const Folder folder;
  folder.write("train.py", "raise SystemExit(9)\n");
  folder.write("job.yaml", "fabric: 1\ntrain: {task: image_classifier, model: cnn, data: d, optimizer: adamw, batch_size: 8, epochs: 1}\n");
  fs::create_directories(folder.path() / "d");
  for (const char* file : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"})
    folder.write(std::string("d/") + file, "");
  const ProgramRun run = run_fabric(refused.words, folder.path());
  BOOST_TEST(run.exit_code == 125, run.out << run.err);
  BOOST_TEST(contains(run.err, refused.says), run.err);
}

// The plan shows whose part it is, and is the plan of all.
BOOST_AUTO_TEST_CASE(a_plan_is_one_for_all_nodes) {
  const Folder folder;
  folder.write("train.py", "");
  folder.write("job.yaml",
               "fabric: 1\nname: parts\nnum_nodes: 3\ndevices: 2\naccelerator: cpu\nmain_address: h\nmain_port: 1\nprogram: [train.py]\n");
  std::set<std::string> plans;
  for (const char* node : {"0", "1", "2"}) {
    const ProgramRun shown = run_fabric({"plan", "job.yaml", "--node-rank", node}, folder.path());
    BOOST_TEST(shown.exit_code == 0, shown.err);
    BOOST_TEST(contains(shown.out, std::string("as node ") + node + " of nodes 0-2"), shown.out);
    BOOST_TEST(contains(shown.out, std::string("fabric apply job.yaml --node-rank ") + node), shown.out);
    const ProgramRun json = run_fabric({"plan", "job.yaml", "--node-rank", node, "--format", "json"}, folder.path());
    plans.insert(read_json(json.out)->find("plan_id")->as_string());
  }
  BOOST_TEST(plans.size() == 1u);
  BOOST_TEST(run_fabric({"plan", "job.yaml"}, folder.path()).exit_code == 5);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
