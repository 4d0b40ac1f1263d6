// Which files of a run are taken from the host that conducts it.
#include <boost/test/unit_test.hpp>

#include "launch_backends/files_of_run.hpp"

using namespace fabric;

BOOST_AUTO_TEST_SUITE(files_of_runs)

BOOST_AUTO_TEST_CASE(those_that_tell_of_it_and_no_others) {
  for (const char* path :
       {"status.json", "events.jsonl", "nodes/0/rank-0.log", "nodes/12/rank-103.error.json", "nodes/1/rank-7.events.jsonl"})
    BOOST_TEST(is_file_of_run(path), path);
  for (const char* path : {"", "plan.json", "lock", "code/train.py", "../status.json", "/etc/passwd", "nodes/0/../../x/rank-0.log",
                           "nodes//rank-0.log", "nodes/0/rank-.log", "nodes/0/rank-0.log/x", "nodes/0/rank-0.logx", "nodes/x/rank-0.log"})
    BOOST_TEST(!is_file_of_run(path), path);
}

BOOST_AUTO_TEST_SUITE_END()
