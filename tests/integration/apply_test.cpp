// A job file becomes a trained model: two real ranks on the real data, stopped and resumed, saved plans, programs.
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"
#include "schema/safetensors.hpp"
#include "tests/integration/running_program.hpp"

using namespace fabric;
using namespace fabric::test;
namespace fs = std::filesystem;
using std::chrono::seconds;

namespace {

std::string latest(const TemporaryFolder& folder, const std::string& name) {
  return fs::canonical(folder.path() + "/runs/" + name + "/latest").string();
}

std::string newest_checkpoint(const std::string& run) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(run + "/checkpoints"))
    if (entry.path().extension() == ".safetensors") names.push_back(entry.path().string());
  std::sort(names.begin(), names.end());
  return names.empty() ? "" : names.back();
}

// Weights and optimizer state, byte for byte.
std::string tensors_of(const std::string& checkpoint) {
  std::string why;
  const auto header = read_safetensors_header(checkpoint, why);
  BOOST_REQUIRE_MESSAGE(header, checkpoint << ": " << why);
  return read_text(checkpoint).substr(header->data_offset);
}

int count_events(const std::string& run, const std::string& kind) {
  const std::string text = read_text(run + "/events.jsonl");
  int count = 0;
  const std::string wanted = "\"kind\":\"" + kind + '"';
  for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) ++count;
  return count;
}

std::string write(const TemporaryFolder& folder, const std::string& name, const std::string& text) {
  std::ofstream(folder.path() + '/' + name) << text;
  return folder.path() + '/' + name;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(apply)

BOOST_AUTO_TEST_CASE(every_shipped_job_plans) {
  TemporaryFolder folder;
  for (const auto& entry : fs::directory_iterator(configs)) {
    if (entry.path().extension() != ".yaml" && entry.path().extension() != ".jsonnet") continue;
    const Finished plan = run({fabric_program, "plan", entry.path().string()}, folder.path());
    BOOST_CHECK_MESSAGE(plan.code == 0, entry.path() << ":\n" << plan.output);
  }
}

BOOST_AUTO_TEST_CASE(two_ranks_train_and_leave_everything_that_the_plan_names) {
  TemporaryFolder folder;
  const Finished done = run({fabric_program, "apply", configs + "/fashion_mnist.yaml", "--profile", "quick"}, folder.path());
  BOOST_REQUIRE_MESSAGE(done.code == 0, done.output);
  const std::string at = latest(folder, "fashion-mnist");
  for (const char* file :
       {"plan.json", "status.json", "events.jsonl", "metrics.csv", "metrics.jsonl", "nodes/0/rank-0.log", "nodes/0/rank-1.log"})
    BOOST_CHECK_MESSAGE(fs::exists(at + '/' + file), file << " is missing");
  BOOST_CHECK_EQUAL(verify_safetensors(newest_checkpoint(at)), "");
  BOOST_CHECK_EQUAL(count_events(at, "finished"), 1);
  BOOST_CHECK_EQUAL(read_json(read_text(at + "/status.json"))->find("state")->as_string(), "finished");
  BOOST_CHECK(done.output.find('\x1b') == std::string::npos);  // no terminal, no escapes
  // Said by events, so the log file alone has it.
  BOOST_CHECK(read_text(at + "/nodes/0/rank-0.log").find(" info: finished\n") != std::string::npos);
  BOOST_CHECK(done.output.find(" info: ") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(stopped_and_resumed_reaches_the_same_weights_bit_for_bit) {
  TemporaryFolder whole, parts;
  const std::vector<std::string> job = {fabric_program,    "apply", configs + "/fashion_mnist.yaml", "--profile", "quick", "--set",
                                        "train.steps=150", "--set", "checkpoint.every=1000 steps"};
  const Finished never_stopped = run(job, whole.path());
  BOOST_REQUIRE_MESSAGE(never_stopped.code == 0, never_stopped.output);

  {
    RunningProgram program(job, parts.path());
    const bool under_way = eventually(
        [&] {
          return fs::exists(parts.path() + "/runs/fashion-mnist/latest/events.jsonl") &&
                 count_events(latest(parts, "fashion-mnist"), "first_step") > 0;
        },
        seconds(60));
    BOOST_REQUIRE_MESSAGE(under_way, program.output());
    program.signal(SIGINT);
    const auto code = program.wait(seconds(40));
    BOOST_REQUIRE_MESSAGE(code == 130, program.output());
    BOOST_CHECK(program.marked().empty());
  }
  const std::string at = latest(parts, "fashion-mnist");
  BOOST_REQUIRE_EQUAL(verify_safetensors(newest_checkpoint(at)), "");
  BOOST_CHECK_EQUAL(count_events(at, "finished"), 0);
  const Finished resumed = run({fabric_program, "resume", at}, parts.path());
  BOOST_REQUIRE_MESSAGE(resumed.code == 0, resumed.output);
  BOOST_CHECK(tensors_of(newest_checkpoint(at)) == tensors_of(newest_checkpoint(latest(whole, "fashion-mnist"))));

  // A finished run has nothing to resume.
  BOOST_CHECK_EQUAL(run({fabric_program, "resume", at}, parts.path()).code, 125);
}

BOOST_AUTO_TEST_CASE(a_program_gets_its_rank_and_its_code_comes_back) {
  TemporaryFolder folder;
  const Finished hello = run({fabric_program, "apply", configs + "/program.yaml"}, folder.path());
  BOOST_CHECK_EQUAL(hello.code, 0);
  for (const char* line : {"rank 0 of 2", "rank 1 of 2"}) BOOST_CHECK_MESSAGE(hello.output.find(line) != std::string::npos, hello.output);

  const std::string fails = write(folder, "fails.yaml",
                                  "fabric: 1\nname: fails\naccelerator: cpu\ndevices: 2\n"
                                  "program: [sh, -c, 'if [ $RANK = 1 ]; then echo oh no; exit 3; fi; sleep 60']\n");
  const Finished failed = run({fabric_program, "apply", fails}, folder.path(), seconds(20));
  BOOST_CHECK_EQUAL(failed.code, 3);
  BOOST_CHECK_MESSAGE(failed.output.find("rank 1") != std::string::npos, failed.output);
  BOOST_CHECK_MESSAGE(failed.output.find("oh no") != std::string::npos, failed.output);
}

BOOST_AUTO_TEST_CASE(a_saved_plan_is_run_only_as_it_was_reviewed) {
  TemporaryFolder folder;
  const std::string job = write(folder, "job.yaml", "fabric: 1\nname: saved\naccelerator: cpu\ndevices: 2\nprogram: [\"true\"]\n");
  const std::string plan = folder.path() + "/p.json";
  const Finished planned = run({fabric_program, "plan", job, "-o", plan}, folder.path());
  BOOST_REQUIRE_MESSAGE(planned.code == 0, planned.output);
  BOOST_CHECK_EQUAL(run({fabric_program, "apply", plan}, folder.path()).code, 0);

  std::string text = read_text(plan);
  const std::size_t at = text.find("\"LOCAL_WORLD_SIZE\":\"2\"");
  BOOST_REQUIRE(at != std::string::npos);
  write(folder, "edited.json", std::string(text).replace(at + 20, 1, "3"));
  const Finished edited = run({fabric_program, "apply", folder.path() + "/edited.json"}, folder.path());
  BOOST_CHECK_EQUAL(edited.code, 125);
  BOOST_CHECK_MESSAGE(edited.output.find("LOCAL_WORLD_SIZE") != std::string::npos, edited.output);

  write(folder, "job.yaml", "fabric: 1\nname: saved\naccelerator: cpu\ndevices: 1\nprogram: [\"true\"]\n");
  const Finished stale = run({fabric_program, "apply", plan}, folder.path());
  BOOST_CHECK_EQUAL(stale.code, 125);
  BOOST_CHECK_MESSAGE(stale.output.find("devices") != std::string::npos, stale.output);
}

BOOST_AUTO_TEST_SUITE_END()
