// The examples of the reference page, each as a user would try it.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

BOOST_AUTO_TEST_SUITE(examples)

std::string indented(const std::string& text, const std::string& by) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += by + text.substr(at, end - at) + '\n';
    at = end + 1;
  }
  return out;
}

// Each example of the reference is put into a job as a profile: in one of these it must be valid.
BOOST_AUTO_TEST_CASE(every_example_of_a_field_can_be_used) {
  const std::string sgd = "train: {task: image_classifier, model: mlp, data: ., optimizer: sgd, batch_size: 128, steps: 1000}\n";
  const std::string adamw = "train: {task: image_classifier, model: mlp, data: ., optimizer: adamw, batch_size: 128, epochs: 3}\n";
  const std::string bases[] = {"fabric: 1\n" + adamw,
                               "fabric: 1\n" + sgd,
                               "fabric: 1\nprogram: [hostname]\n",
                               "fabric: 1\nprogram: [x.py]\n",
                               "fabric: 1\nprogram: [x.py]\nslurm: {container: a.sif}\n",
                               "fabric: 1\n"};
  const Folder folder;
  folder.write("x.py", "");
  folder.write("secrets.env", "");
  folder.write("fabric/sites/juwels.yaml", "env: {A: x}\n");
  const std::string page = read_text(FABRIC_SOURCE_DIR "/docs/job-file.md");
  std::size_t examples = 0;
  for (std::size_t at = 0; (at = page.find("```yaml\n", at)) != std::string::npos;) {
    at += 8;
    const std::string example = page.substr(at, page.find("```", at) - at);
    ++examples;
    if (example.starts_with("fabric:") || example.starts_with("profiles:")) {
      // They are not for a profile.
      folder.write("job.yaml", example.starts_with("fabric:") ? example + adamw : bases[0] + example);
      BOOST_TEST(run_fabric({"validate", "job.yaml"}, folder.path()).exit_code == 0, example);
      continue;
    }
    bool good = false;
    std::string said;
    for (const std::string& base : bases) {
      folder.write("job.yaml", base + "profiles:\n  example:\n" + indented(example, "    "));
      const ProgramRun run =
          run_fabric({"validate", "job.yaml", "--profile", "example"}, folder.path(), {"XDG_CONFIG_HOME=" + folder.path().string()});
      good = good || run.exit_code == 0;
      said += run.err;
    }
    BOOST_TEST(good, example << said);
  }
  BOOST_TEST(examples > 40u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric::testing
