// Lines behind #!/bin/bash, what sbatch finds in them (as `sbatch -vvv --test-only` of 22.05.8 tells), and what becomes of it. Two tests
// hold to it: that of our reader, and that of sbatch itself.
#pragma once

#include <string>
#include <vector>

namespace fabric::testing {

struct DirectiveLines {
  std::string lines;
  std::vector<std::string> words;    // that sbatch finds
  std::vector<std::string> options;  // NAME=value or NAME, of those that count
  bool refused = false;              // by sbatch, for its lines
};

inline const std::vector<DirectiveLines> directive_lines = {
    {"#SBATCH -N 2 -n4 -c2 -t10 -Jx\n",
     {"-N", "2", "-n4", "-c2", "-t10", "-Jx"},
     {"nodes=2", "ntasks=4", "cpus-per-task=2", "time=10", "job-name=x"}},
    {"#SBATCH--nodes=2\n#SBATCH\t-n\t3\n", {"--nodes=2", "-n", "3"}, {"nodes=2", "ntasks=3"}},
    {"#SBATCH --job-name=\"a b \\\"q\\\" \\\\ c\"\n", {"--job-name=a b \"q\" \\ c"}, {"job-name=a b \"q\" \\ c"}},
    {"#SBATCH --comment='x y' -n 2\n", {"--comment=x y", "-n", "2"}, {"comment=x y", "ntasks=2"}},
    {"#SBATCH --comment=a#b -n 3\n#SBATCH -c2 #x -n 4\n", {"--comment=a", "-c2"}, {"comment=a", "cpus-per-task=2"}},
    {"#SBATCH --comment=\"a#b\"c\n", {"--comment=a#bc"}, {"comment=a#bc"}},
    {"#SBATCH --comment=a\\\"b\\cd\n", {"--comment=a\"bcd"}, {"comment=a\"bcd"}},
    {"#SBATCH -J a\"b c\"d\n", {"-J", "ab cd"}, {"job-name=ab cd"}},
    {"#SBATCH -n 2 \\\n  -N 1\n", {"-n", "2"}, {"ntasks=2"}},
    {"#SBATCH --exclusive -HQ --nice --nice=3\n", {"--exclusive", "-HQ", "--nice", "--nice=3"}, {"exclusive", "hold", "quiet", "nice=3"}},
    {"#SBATCH --part=batch --job=abc\n", {"--part=batch", "--job=abc"}, {"partition=batch", "job-name=abc"}},
    {"#SBATCH -J=foo --time 0:30\n", {"-J=foo", "--time", "0:30"}, {"job-name==foo", "time=0:30"}},
    {"#SBATCH -n 3\n#SBATCH -n 2\n", {"-n", "3", "-n", "2"}, {"ntasks=2"}},
    {"\n   \n# c\n#SBATCH -n 2\n:\n#SBATCH -n 9\n", {"-n", "2"}, {"ntasks=2"}},
    {"##SBATCH -n 5\n# SBATCH -n 6\n #SBATCH -n 7\n#sbatch -n 8\n#SBSTCH -n 9\n#SBATCH -n 2\n", {"-n", "2"}, {"ntasks=2"}},
    {"#SBATCH -n 2\n!#SBATCH -n 8\n#SBATCH -n 9\n", {"-n", "2"}, {"ntasks=2"}},
    {"#SBATCH --nodes=2 two nodes\n", {"--nodes=2", "two", "nodes"}, {"nodes=2"}, true},
    {"#SBATCH --nodes = 2\n", {"--nodes", "=", "2"}, {"nodes=="}, true},
    {"#SBATCH --comment=a\\ b\n", {"--comment=a", "b"}, {"comment=a"}, true},
    {"#SBATCH --nod=2\n", {"--nod=2"}, {}, true},
    {"#SBATCH --workdir=/tmp\n", {"--workdir=/tmp"}, {}, true},
    {"#SBATCH --exclusive user\n", {"--exclusive", "user"}, {"exclusive"}, true},
    {"#SBATCH --time=\n", {"--time="}, {}, true},
};

}  // namespace fabric::testing
