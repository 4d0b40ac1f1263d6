// Metrics files: their rows, and which of them a resumed run keeps.
#include <limits>

#include <boost/test/unit_test.hpp>

#include "runtime/failure.hpp"
#include "runtime/metrics.hpp"
#include "tests/runtime/temporary_folder.hpp"

using namespace fabric;
using test::read_file;

namespace {

const std::string header = "step,epoch,loss,lr,samples_per_s,train_loss,test_loss,accuracy\n";

MetricsRow step_row(std::int64_t step, std::int64_t epoch, double loss) {
  return {.step = step, .epoch = epoch, .loss = loss, .lr = 0.5, .samples_per_s = 100};
}
MetricsRow epoch_row(std::int64_t step, std::int64_t epoch) {
  return {.step = step, .epoch = epoch, .samples_per_s = 90, .train_loss = 2, .test_loss = 3, .accuracy = 0.25};
}

// Two epochs of two steps.
void write_run(const std::string& folder) {
  MetricsFiles files(folder, std::nullopt);
  files.write(step_row(1, 1, 1));
  files.write(step_row(2, 1, 0.5));
  files.write(epoch_row(2, 1));
  files.write(step_row(3, 2, 0.25));
  files.write(step_row(4, 2, 0.125));
  files.write(epoch_row(4, 2));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(metrics)

BOOST_AUTO_TEST_CASE(rows_in_both_files) {
  const test::TemporaryFolder folder;
  write_run(folder.path());
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.csv"), header +
                                                           "1,1,1,0.5,100,,,\n2,1,0.5,0.5,100,,,\n2,1,,,90,2,3,0.25\n"
                                                           "3,2,0.25,0.5,100,,,\n4,2,0.125,0.5,100,,,\n4,2,,,90,2,3,0.25\n");
  const std::string jsonl = read_file(folder / "metrics.jsonl");
  BOOST_CHECK_EQUAL(jsonl.substr(0, jsonl.find('\n')), R"({"epoch":1,"loss":1,"lr":0.5,"samples_per_s":100,"step":1})");
  BOOST_CHECK_EQUAL(std::count(jsonl.begin(), jsonl.end(), '\n'), 6);
}

BOOST_AUTO_TEST_CASE(a_new_run_starts_anew) {
  const test::TemporaryFolder folder;
  write_run(folder.path());
  const MetricsFiles files(folder.path(), std::nullopt);
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.csv"), header);
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.jsonl"), "");
}

BOOST_AUTO_TEST_CASE(later_rows_are_cut) {
  const test::TemporaryFolder folder;
  write_run(folder.path());
  MetricsFiles files(folder.path(), MetricsPosition{3, 1});
  files.write(step_row(4, 2, 0.0625));
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.csv"),
                    header + "1,1,1,0.5,100,,,\n2,1,0.5,0.5,100,,,\n2,1,,,90,2,3,0.25\n3,2,0.25,0.5,100,,,\n4,2,0.0625,0.5,100,,,\n");
  const std::string jsonl = read_file(folder / "metrics.jsonl");
  BOOST_CHECK_EQUAL(std::count(jsonl.begin(), jsonl.end(), '\n'), 5);
}

BOOST_AUTO_TEST_CASE(the_row_of_an_epoch_that_still_owes_its_evaluation_is_cut) {
  const test::TemporaryFolder folder;
  write_run(folder.path());
  const MetricsFiles files(folder.path(), MetricsPosition{2, 0});
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.csv"), header + "1,1,1,0.5,100,,,\n2,1,0.5,0.5,100,,,\n");
}

BOOST_AUTO_TEST_CASE(torn_and_foreign_lines_are_cut) {
  const test::TemporaryFolder folder;
  test::write_file(folder / "metrics.csv", header + "1,1,1,0.5,100,,,\nhello\n,,\n2,1,0.5");
  test::write_file(folder / "metrics.jsonl", "{\"epoch\":1,\"step\":1}\nnot json\n{\"epoch\":1,\"step\":2}");
  const MetricsFiles files(folder.path(), MetricsPosition{9, 9});
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.csv"), header + "1,1,1,0.5,100,,,\n");
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.jsonl"), "{\"epoch\":1,\"step\":1}\n");
}

BOOST_AUTO_TEST_CASE(a_loss_that_diverged) {
  const test::TemporaryFolder folder;
  MetricsFiles(folder.path(), std::nullopt).write(step_row(1, 1, std::numeric_limits<double>::quiet_NaN()));
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.csv"), header + "1,1,nan,0.5,100,,,\n");
  BOOST_CHECK_EQUAL(read_file(folder / "metrics.jsonl"), "{\"epoch\":1,\"loss\":null,\"lr\":0.5,\"samples_per_s\":100,\"step\":1}\n");
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there) {
  const test::TemporaryFolder folder;
  BOOST_CHECK_EXCEPTION(MetricsFiles(folder / "nowhere", std::nullopt), Failure, [&](const Failure& failure) {
    return failure.failure_class == FailureClass::output &&
           std::string(failure.what()) == folder / "nowhere/metrics.csv: metrics cannot be written: No such file or directory";
  });
}

BOOST_AUTO_TEST_CASE(a_full_disk) {
  const test::TemporaryFolder folder;
  // Every write to /dev/full fails with ENOSPC, and a link to it is opened in place of the temporary file.
  std::filesystem::create_symlink("/dev/full", folder / "metrics.csv.new");
  BOOST_CHECK_EXCEPTION(MetricsFiles(folder.path(), std::nullopt), Failure, [](const Failure& failure) {
    return std::string(failure.what()).ends_with("metrics cannot be written: No space left on device");
  });
}

BOOST_AUTO_TEST_SUITE_END()
