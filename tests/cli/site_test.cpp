// Sites as the program finds them on a machine.
#include <boost/test/unit_test.hpp>

#include "tests/cli/program.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A folder with a job that extends site:juwels, and settings beside it.
struct SiteCase {
  Folder folder;

  explicit SiteCase(const std::string& site) {
    folder.write("job.yaml", "fabric: 1\naccelerator: cpu\ndevices: 1\nextends: site:juwels\nprogram: [/bin/true]\n");
    if (!site.empty()) folder.write("config/fabric/sites/juwels.yaml", site);
  }

  ProgramRun run(const std::vector<std::string>& arguments) const {
    return run_fabric(arguments, folder.path(), {"XDG_CONFIG_HOME=" + (folder.path() / "config").string()});
  }
};

BOOST_AUTO_TEST_CASE(a_job_runs_with_what_its_site_says) {
  SiteCase site("env: {WHERE: juwels}\n");
  site.folder.write("job.yaml", "fabric: 1\naccelerator: cpu\ndevices: 1\nextends: site:juwels\nprogram: [sh, -c, 'echo at $WHERE']\n");
  const ProgramRun run = site.run({"apply", "job.yaml"});
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(contains(run.out, "at juwels"), run.out);
  // Without settings of its own, a home folder has them.
  const fs::path home = site.folder.path() / "home";
  fs::create_directories(home / ".config/fabric/sites");
  fs::rename(site.folder.path() / "config/fabric/sites/juwels.yaml", home / ".config/fabric/sites/juwels.yaml");
  BOOST_TEST(run_fabric({"validate", "job.yaml"}, site.folder.path(), {"HOME=" + home.string()}).exit_code == 0);
}

BOOST_AUTO_TEST_CASE(a_saved_plan_is_stale_when_its_site_changed) {
  const SiteCase site("env: {WHERE: juwels}\n");
  BOOST_TEST_REQUIRE(site.run({"plan", "job.yaml", "-o", "p.json"}).exit_code == 0);
  BOOST_TEST(site.run({"apply", "p.json"}).exit_code == 0);
  site.folder.write("config/fabric/sites/juwels.yaml", "env: {WHERE: jureca}\n");
  const ProgramRun run = site.run({"apply", "p.json"});
  BOOST_TEST(run.exit_code == 125);
  BOOST_TEST(contains(run.err, "FAB6002"), run.err);
  BOOST_TEST(contains(run.err, "config/fabric/sites/juwels.yaml has changed"), run.err);
}

BOOST_AUTO_TEST_CASE(a_site_may_be_a_link_and_may_be_computed) {
  const SiteCase site("");
  site.folder.write("shared/juwels.jsonnet", "local n = 2;\n{ env: { WHERE: 'juwels-%d' % n } }\n");
  const fs::path sites = site.folder.path() / "config/fabric/sites";
  fs::create_directories(sites);
  fs::create_symlink(site.folder.path() / "shared/juwels.jsonnet", sites / "juwels.jsonnet");
  const ProgramRun run = site.run({"plan", "job.yaml"});
  BOOST_TEST(run.exit_code == 0, run.err);
  BOOST_TEST(contains(run.out, "juwels-2"), run.out);
  BOOST_TEST(contains(run.out, "site:juwels"), run.out);
}

BOOST_AUTO_TEST_CASE(a_site_that_cannot_be_read_is_named) {
  const SiteCase site("");
  fs::create_directories(site.folder.path() / "config/fabric/sites/juwels.yaml");
  const ProgramRun run = site.run({"validate", "job.yaml"});
  BOOST_TEST(run.exit_code == 4);
  BOOST_TEST(contains(run.err, "FAB0004"), run.err);
  BOOST_TEST(contains(run.err, "cannot read config/fabric/sites/juwels.yaml: Is a directory"), run.err);
}

}  // namespace
}  // namespace fabric::testing
