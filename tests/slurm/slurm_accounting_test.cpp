// A cluster that keeps accounts and asks for them, and jobs that wait for others: what SLURM refuses or gives up is told, and nothing waits
// for ever without a word.
#include <boost/test/unit_test.hpp>

#include "tests/slurm/slurm_job.hpp"

using namespace fabric;
using namespace fabric::testing;
using std::chrono::seconds;

namespace {

SlurmCluster::Options enforcing() {
  return {.nodes = 1,
          .gpus = 0,
          .own_networks = false,
          .accounting = true,
          .lines = {"AccountingStorageEnforce=associations,limits,qos", "DependencyParameters=disable_remote_singleton"}};
}
using Slurm = ForSuite<SlurmCluster, enforcing>;
using Job = SlurmTestJob<Slurm>;

std::string output(const std::string& line) { return Slurm::cluster().output(line); }

void open_account() {
  output("sacctmgr -i add account ml >/dev/null 2>&1; sacctmgr -i add user root account=ml >/dev/null 2>&1; true");
  BOOST_TEST(eventually([] { return Slurm::cluster().shell("sbatch --test-only -A ml --wrap true").status.good(); }));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(slurm_accounting, *boost::unit_test::fixture<Slurm>())

BOOST_AUTO_TEST_CASE(a_job_is_charged_to_its_account) {
  if (Slurm::left_out()) return;
  open_account();
  const Job job("slurm: {account: ml}\nprogram: [bash, -c, 'echo $SLURM_JOB_ACCOUNT']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() == 0, said(result));
  BOOST_TEST(job.log(0, 0) == "ml\n");
  const std::string id = job.job_id();
  const auto record = [&] { return output("sacct -X -P -n -j " + id + " -o Account,State"); };
  BOOST_TEST(eventually([&] { return record() == "ml|COMPLETED"; }), record());
}

BOOST_AUTO_TEST_CASE(what_the_accounts_do_not_allow_is_told_at_once) {
  if (Slurm::left_out()) return;
  open_account();
  for (const auto& [wrong, said_by_slurm] :
       {std::pair("account: nobody", "Invalid account"), std::pair("account: ml, qos: none", "Invalid qos")}) {
    const Job job("slurm: {" + std::string(wrong) + "}\nprogram: ['true']\n");
    const ProgramResult result = job.fabric({"apply", "job.yaml"});
    BOOST_TEST(result.status.shell_code() == 125, said(result));
    BOOST_TEST((result.output + result.errors).find(said_by_slurm) != std::string::npos, said(result));
    BOOST_TEST(job.state() == "refused");
  }
  BOOST_TEST(output("squeue -h") == "");
}

// SLURM would keep it in the queue for ever.
BOOST_AUTO_TEST_CASE(a_job_whose_dependency_cannot_come_to_pass_any_more_ends) {
  if (Slurm::left_out()) return;
  open_account();
  const std::string failed = output("sbatch --parsable -A ml --wrap 'sleep 1; exit 1'");
  const Job job("slurm: {account: ml, dependency: 'afterok:" + failed + "'}\nprogram: ['true']\n");
  const ProgramResult result = job.fabric({"apply", "job.yaml"});
  BOOST_TEST(result.status.shell_code() != 0, said(result));
  BOOST_TEST(eventually([&] { return job.state() == "stopped"; }), job.state() + job.message());
  BOOST_TEST(output("squeue -h") == "");
}

BOOST_AUTO_TEST_SUITE_END()
