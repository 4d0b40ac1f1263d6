#include "launch_backends/rank_error.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <ostream>
#include <sstream>

namespace fabric::test {

struct ErrorRow {
  std::string text;
  std::string says;  // class: message; empty: nothing
};
std::ostream& operator<<(std::ostream& out, const ErrorRow& row) { return out << row.text.substr(0, 60); }

std::string in_words(const std::optional<RankError>& error) { return error ? error->error_class + ": " + error->message : ""; }

// clang-format off
const ErrorRow outputs[] = {
    {"epoch 1\nbye", ""},
    {"Traceback (most recent call last):\n  File \"train.py\", line 3, in <module>\n    f()\nValueError: no such layer", "exception: ValueError: no such layer"},
    {"Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'x'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"a.py\", line 2\nRuntimeError: worse\n",
     "exception: RuntimeError: worse"},
    {"[rank0]: Traceback (most recent call last):\n[rank0]:   File \"a.py\", line 2\n[rank0]:     x\n[rank0]: torch.distributed.DistBackendError: Connection closed by peer [127.0.0.1]:5",
     "communication: torch.distributed.DistBackendError: Connection closed by peer [127.0.0.1]:5"},
    {"Traceback (most recent call last):\n  File \"a.py\", line 2\nRuntimeError: [gloo/transport/tcp/pair.cc:544] Connection reset by peer", "communication: RuntimeError: [gloo/transport/tcp/pair.cc:544] Connection reset by peer"},
    {"Traceback (most recent call last):\n  File \"a.py\", line 2\n", ""},
    {"Traceback (most recent call last):\n  File \"a.py\", line 2\n\nAssertionError\ncleaning up", "exception: AssertionError"},
};

const ErrorRow files[] = {
    {R"({"message": {"message": "ValueError: bad", "extraInfo": {"py_callstack": "Traceback ...", "timestamp": "1700000000"}}})", "exception: ValueError: bad"},
    {R"({"message": "a text"})", "exception: a text"},
    {R"({"message": {"message": "RuntimeError: two\nlines"}})", "exception: RuntimeError: two"},
    {R"({"message": {"message": "RuntimeError: Connection closed by peer"}})", "communication: RuntimeError: Connection closed by peer"},
    {R"({"message": {"message": ""}})", ""},
    {R"({"message": 3})", ""},
    {R"([])", ""},
    {R"({"mess)", ""},
    {"", ""},
};
// clang-format on

BOOST_AUTO_TEST_SUITE(rank_errors)

BOOST_DATA_TEST_CASE(are_read_from_the_end_of_the_output, outputs, row) {
  std::vector<std::string> lines;
  std::istringstream in(row.text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  BOOST_TEST(in_words(find_traceback(lines)) == row.says);
}

BOOST_DATA_TEST_CASE(are_read_from_the_error_file, files, row) {
  char name[] = "/tmp/fabric-error-XXXXXX";
  close(mkstemp(name));
  std::ofstream(name) << row.text;
  BOOST_TEST(in_words(read_error_file(name)) == row.says);
  unlink(name);
  BOOST_TEST(in_words(read_error_file(name)) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fabric::test
