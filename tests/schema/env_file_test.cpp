#include "schema/env_file.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <ostream>

using namespace fabric;

namespace {

struct Row {
  std::string text;
  std::string found;  // NAME=value|NAME=value, then !mistake@begin-end
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.text; }

std::string found_in(const std::string& text) {
  const EnvFile file = read_env_file(text);
  std::string found;
  for (const EnvFile::Variable& v : file.variables) {
    BOOST_TEST(text.substr(v.begin, v.end - v.begin) == v.name);
    found += (found.empty() ? "" : "|") + v.name + '=' + v.value;
  }
  for (const EnvFile::Mistake& m : file.mistakes) {
    BOOST_TEST(!m.what.empty());
    BOOST_TEST(!m.help.empty());
    found += "!" + text.substr(m.begin, m.end - m.begin);
  }
  return found;
}

const Row rows[] = {
    {"", ""},
    {"A=1\nB=2", "A=1|B=2"},
    {"A=1\r\nB=2\r\n", "A=1|B=2"},
    {"\n  # nothing\n\t\nA = 1  \n", "A=1"},
    {"export A=1\nexport\tB=2", "A=1|B=2"},
    {"A=", "A="},
    {"A= # none", "A="},
    {"A=#x", "A="},
    {"A=a#b # c", "A=a#b"},
    {"A=$HOME ${X} `id`", "A=$HOME ${X} `id`"},
    {"A=b=c", "A=b=c"},
    {"A='it is # literal \\n $x'", "A=it is # literal \\n $x"},
    {"A=\"two\\nlines \\\"x\\\" \\\\ \\$x\" # why", "A=two\nlines \"x\" \\ \\$x"},
    {"A='over\nlines'\nB=2", "A=over\nlines|B=2"},
    {"A=1\nA=2", "A=1|A=2"},
    {"A=\xc3\xa9", "A=\xc3\xa9"},
    {"A", "!A"},
    {"1A=2\nB=3", "B=3!1A=2"},
    {"A-B=1", "!A-B=1"},
    {"=1", "!=1"},
    {"A='open\nB=2", "!'open"},
    {"A='x' y\nB=2", "B=2! y"},
    {std::string("A=a\0b", 5), std::string("!A=a\0b", 6)},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(env_file)

BOOST_DATA_TEST_CASE(says, rows, row) { BOOST_TEST(found_in(row.text) == row.found); }

BOOST_AUTO_TEST_CASE(what_may_be_a_value_is_masked) {
  BOOST_TEST(masked_env_file("# a=b\nTOKEN=s3cret\nrest of a value\nX=\n") == "# a=*\nTOKEN=******\n***************\nX=\n");
  // A line of a key may look like a name with a value.
  BOOST_TEST(masked_env_file("KEY=\"open\nc2Vj/cm=\nabc=\n") == "KEY=*****\n********\n****\n");
  BOOST_TEST(found_in("\xef\xbb\xbfONE=1") == "ONE=1");
}

BOOST_AUTO_TEST_SUITE_END()
