// What `fabric import` makes of bash, without running any.
#include <boost/test/unit_test.hpp>

#include "cli/import/bash_expansion.hpp"
#include "cli/import/bash_statements.hpp"
#include "cli/import/launch_line.hpp"
#include "launch_backends/process.hpp"

namespace fabric::testing {
namespace {

std::vector<std::string> texts(const std::string& text) {
  std::vector<std::string> all;
  for (const BashStatement& s : bash_statements(text, 0, text.size())) {
    all.push_back(text.substr(s.begin, s.end - s.begin));
    for (const BashCommand& c : s.commands)
      for (const auto& [begin, end] : c.documents) all.back() += '[' + text.substr(begin, end - begin) + ']';
  }
  return all;
}

std::vector<std::string> fields(const BashVariables& variables, const std::string& word) {
  std::vector<std::string> all;
  for (const BashField& field : variables.expand(word)) all.push_back(field.known() ? field.text() : '?' + field.source());
  return all;
}

LaunchLine launch(const std::string& text, const BashVariables& variables = {}) {
  return read_launch_line(bash_statements(text, 0, text.size()).front().commands.front(), variables);
}

std::string words(const std::vector<BashField>& list) {
  std::string all;
  for (const BashField& field : list) all += (all.empty() ? "" : " ") + field.source();
  return all;
}

using Texts = std::vector<std::string>;

BOOST_AUTO_TEST_CASE(statements_end_where_bash_ends_them) {
  const auto is = [](const std::string& text, const Texts& expected) {
    BOOST_TEST_CONTEXT(text) { BOOST_TEST(texts(text) == expected, boost::test_tools::per_element()); }
  };
  is("a b; c # d; e\nf\\\n g", {"a b", "c", "f\\\n g"});
  is("a && b | c || d &\ne", {"a && b | c || d", "e"});
  is("a 'x; y' \"$(b; c)\" `d; e`; f", {"a 'x; y' \"$(b; c)\" `d; e`", "f"});
  is("if a; then b; else c; fi\nd", {"if a; then b; else c; fi", "d"});
  is("for i in 1 2; do if x; then y; fi; done; z", {"for i in 1 2; do if x; then y; fi; done", "z"});
  is("case $x in a) b;; *) c;; esac\nd", {"case $x in a) b;; *) c;; esac", "d"});
  is("f() { a; b; }\nfunction g { c; }\n(d; e) >o\n{ h; } 2>&1", {"f() { a; b; }", "function g { c; }", "(d; e) >o", "{ h; } 2>&1"});
  is("cat <<EOF >f\nif a; then\nEOF\nb", {"cat <<EOF >f[if a; then\nEOF]", "b"});
  is("cat <<-'E'\n\tx\n\tE\nb", {"cat <<-'E'[\tx\n\tE]", "b"});
  is("a <<A; b <<B &\n1\nA\n2\nB\nc", {"a <<A[1\nA]", "b <<B[2\nB]", "c"});
  is("{ a <<A; } <<B\n1\nA\n2\nB\n{ c <<C\n3\nC\n}", {"{ a <<A; } <<B[1\nA][2\nB]", "{ c <<C\n3\nC\n}"});
  is("a <<A", {"a <<A"});
  is("A=(1 2\n 3) B=x; [[ a == b ]] && c", {"A=(1 2\n 3) B=x", "[[ a == b ]] && c"});
  is("echo done; while read x; do echo fi; done < f\nz", {"echo done", "while read x; do echo fi; done < f", "z"});
  is("a 'unclosed\nb", {"a 'unclosed\nb"});
  is(")\n;; a", {"a"});
}

BOOST_AUTO_TEST_CASE(a_pipe_is_told_from_what_follows) {
  const auto is = [](const std::string& text, const std::string& pipe, const std::string& then) {
    const std::vector<BashStatement> statements = bash_statements(text, 0, text.size());
    const BashSequel sequel = bash_sequel(text, statements.front(), 0);
    BOOST_TEST_CONTEXT(text) {
      BOOST_TEST(sequel.pipe == pipe);
      BOOST_TEST(sequel.then == then);
    }
  };
  is("a", "", "");
  is("a | b |& c", "| b |& c", "");
  is("a || { b; c; }", "", "|| { b; c; }");
  is("a 2>&1 | b && c || d &", "| b", "&& c || d");
  is("a && b | c; d", "", "&& b | c");
}

BOOST_AUTO_TEST_CASE(known_values_are_put_in_and_others_stay_shell_text) {
  BashVariables v;
  v.assign("N=4", false);
  v.assign("ARGS=\"--lr 0.1  --name 'x'\"", false);
  v.assign("LIST=(a 'b c' $N)", false);
  v.assign("LIST+=(d)", false);
  v.assign("STAMP=$(date +%s)", false);
  v.assign("OUT=$HOME/run-$N", false);
  v.assign("EMPTY=", false);
  v.assign("TEXT=ab", false);
  v.assign("TEXT+=c$N", false);
  const auto is = [&](const std::string& word, const Texts& expected) {
    BOOST_TEST_CONTEXT(word) { BOOST_TEST(fields(v, word) == expected, boost::test_tools::per_element()); }
  };
  is("$N", {"4"});
  is("${N}x", {"4x"});
  is("\"$ARGS\"", {"--lr 0.1  --name 'x'"});
  is("$ARGS", {"--lr", "0.1", "--name", "'x'"});
  is("\"${LIST[@]}\"", {"a", "b c", "4", "d"});
  is("$EMPTY", {});
  is("\"$EMPTY\"", {""});
  is("$TEXT", {"abc4"});
  is("$((N * 2 + (10 - N) / 3 % 5))", {"10"});
  is("$((N / 0))", {"?$((N / 0))"});
  is("$((N + UNKNOWN))", {"?$((N + UNKNOWN))"});
  is("'$N'\\$N\"\\$N\"", {"$N$N$N"});
  is("$'a\\tb\\x41'", {"a\tbA"});
  is("${N:-9}", {"4"});
  is("${UNKNOWN:-9}", {"?${UNKNOWN:-9}"});
  is("\"$UNKNOWN\"/x", {"?\"$UNKNOWN\"/x"});
  is("$OUT/log", {"?$HOME/run-4/log"});
  // Done once, by the script.
  is("run-$STAMP", {"?run-$STAMP"});
  is("*.tar", {"?*.tar"});
  is("'*.tar'", {"*.tar"});
  is("a{0..9}", {"?a{0..9}"});
  is("~/x", {"?~/x"});
  is("a~b", {"a~b"});
  v.forget("N");
  is("$N", {"?$N"});
}

BOOST_AUTO_TEST_CASE(a_field_goes_back_into_a_shell_as_it_came) {
  BashVariables v;
  v.assign("X='two words'", false);
  const std::string script =
      "HOME=/h; printf '%s|' " + words(v.expand(Texts{"\"$X\"", "\"a'b\"", "$HOME/'c d'", "\"$HOME x\"", "''", "$X"}));
  ProcessStart start;
  start.argv = {"bash", "-c", script};
  BOOST_TEST(run_program(std::move(start), "", 1000, std::chrono::seconds(5)).output == "two words|a'b|/h/c d|/h x||two|words|");
}

BOOST_AUTO_TEST_CASE(lines_that_start_ranks_are_taken_apart) {
  LaunchLine line = launch("srun -N 2 -n8 --gres=gpu:4 --cpu-bind=none -K python -u train.py --lr 0.1");
  BOOST_TEST((line.start == LaunchLine::Start::by_tasks));
  BOOST_TEST(line.srun_options.at("nodes").text() == "2");
  BOOST_TEST(line.srun_options.at("ntasks").text() == "8");
  BOOST_TEST(line.srun_options.contains("kill-on-bad-exit"));
  BOOST_TEST(words(line.python) == "python -u");
  BOOST_TEST(words(line.program) == "train.py --lr 0.1");

  line =
      launch("srun bash -c \"A=1 RANK=\\$SLURM_PROCID torchrun --nproc-per-node=gpu --nnodes 2 --rdzv_conf a=b --tee 3 -m pkg.train x\"");
  BOOST_TEST((line.start == LaunchLine::Start::by_launcher));
  BOOST_TEST(line.launcher == "torchrun");
  BOOST_TEST(line.processes->text() == "gpu");
  BOOST_TEST(line.nodes->text() == "2");
  BOOST_TEST(line.module);
  BOOST_TEST(words(line.program) == "pkg.train x");
  BOOST_TEST(line.variables.size() == 2u);

  line = launch("python -m torch.distributed.launch --nproc_per_node=4 --master_addr $HOST train.py");
  BOOST_TEST(line.local_rank_option.value() == "--local_rank");
  BOOST_TEST(words(line.program) == "train.py");

  line = launch("torchrun --no-python --nproc_per_node 2 ./program --flag");
  BOOST_TEST(line.python.empty());
  BOOST_TEST(words(line.program) == "./program --flag");

  line = launch("time env A=b singularity exec --nv -B /d:/e,/f -H /h image.sif python3 x.py");
  BOOST_TEST((line.start == LaunchLine::Start::once));
  BOOST_TEST(line.image == "image.sif");
  BOOST_TEST(line.mounts == (Texts{"/d:/e", "/f"}), boost::test_tools::per_element());
  BOOST_TEST(line.variables.front().first == "A");
  BOOST_TEST(words(line.program) == "x.py");

  line = launch("srun bash -c 'cd /code && source env.sh; python a.py'");
  BOOST_TEST(line.before == (Texts{"cd /code && source env.sh"}), boost::test_tools::per_element());
  BOOST_TEST(words(line.program) == "a.py");

  line = launch("srun bash -c 'python a.py \"$1\"' bash \"two words\"");
  BOOST_TEST(words(line.program) == "bash -c 'python a.py \"$1\"' bash 'two words'");
  line = launch("srun bash -c 'python a.py' bash unused");
  BOOST_TEST(words(line.program) == "a.py");

  line = launch("conda run --no-capture-output -n torch python x.py");
  BOOST_TEST(line.conda == "torch");
  line = launch("deepspeed --num_gpus=8 --no_local_rank --module pkg.main --a");
  BOOST_TEST(line.processes->text() == "8");
  BOOST_TEST(!line.local_rank_option);
  BOOST_TEST(line.module);
  line = launch("timeout -s INT --kill-after=30 3h srun -n 2 timeout 1h python train.py");
  BOOST_TEST((line.start == LaunchLine::Start::by_tasks));
  BOOST_TEST(words(line.program) == "timeout 1h python train.py");
  BOOST_TEST(line.remarks.size() == 1u);
  line = launch("bash -c 'python a.py || exit 1'");
  BOOST_TEST(line.remarks == (Texts{"`|| exit 1` in the same `bash -c` is not done"}), boost::test_tools::per_element());
  line = launch("srun");
  BOOST_TEST(line.program.empty());
  line = launch("env/bin/accelerate launch --num_processes 4 x.py");
  BOOST_TEST(words(line.python) == "env/bin/python");
  line = launch("/opt/python3.11 -m torch.distributed.run --nproc_per_node 2 x.py");
  BOOST_TEST(words(line.python) == "/opt/python3.11");
  line = launch("srun composer -n 4 --node_rank $SLURM_NODEID -v -m pkg.train a=1");
  BOOST_TEST(line.launcher == "composer");
  BOOST_TEST(line.processes->text() == "4");
  BOOST_TEST(line.module);
  BOOST_TEST(words(line.program) == "pkg.train a=1");
}

BOOST_AUTO_TEST_CASE(what_a_job_has_to_know_is_the_default_of_the_script) {
  BashVariables v;
  v.assign("GPUS=${GPUS:-8}", false);
  v.assign("IMAGE=${IMAGE:-$APPS/x.sqsh}", false);
  LaunchLine line = launch("srun --container-image=$IMAGE torchrun --nproc_per_node $GPUS x.py", v);
  BOOST_TEST(line.processes->text() == "8");
  BOOST_TEST(!line.srun_options.at("container-image").known());
  BOOST_TEST(line.assumed == (Texts{"`$GPUS` is 8"}), boost::test_tools::per_element());
  v.assign("APPS=/apps", false);
  v.assign("IMAGE=${IMAGE2:-$APPS/x.sqsh}", false);
  line = launch("srun --container-image=$IMAGE torchrun x.py", v);
  BOOST_TEST(line.srun_options.at("container-image").text() == "/apps/x.sqsh");
}

BOOST_AUTO_TEST_CASE(arguments_of_a_script_are_known_where_they_are_given) {
  BashVariables v;
  const auto is = [&](const std::string& word, const Texts& expected) {
    BOOST_TEST_CONTEXT(word) { BOOST_TEST(fields(v, word) == expected, boost::test_tools::per_element()); }
  };
  is("$1", {"?$1"});
  is("${1:-small}", {"small"});
  is("\"$@\"", {"?\"$@\""});
  is("$#", {"?$#"});
  v.assign("MODEL=$1", false);
  is("configs/$MODEL", {"?configs/$MODEL"});
  v.set_arguments({"a", "b c", ""});
  is("$1-${2}", {"a-b", "c"});
  is("\"$@\"", {"a", "b c", ""});
  is("\"$*\"", {"a b c "});
  is("$#", {"3"});
  is("${3:-x}${3-y}${4:-z}", {"xz"});
  is("$4", {});
  is("\"$4\"", {""});
  is("$0", {"?$0"});
  v.forget_arguments();
  is("$1", {"?$1"});
}

BOOST_AUTO_TEST_CASE(a_value_is_of_the_time_when_it_was_made) {
  BashVariables v;
  v.assign("CONFIG=configs/$MODEL.yaml", false);
  const auto is = [&](const std::string& word, const Texts& expected) {
    BOOST_TEST_CONTEXT(word) { BOOST_TEST(fields(v, word) == expected, boost::test_tools::per_element()); }
  };
  is("$CONFIG", {"?configs/$MODEL.yaml"});
  v.assign("MODEL=$(grep model $CONFIG)", false);
  is("--config=$CONFIG", {"?--config=$CONFIG"});
  v.assign("ALL=\"--config $CONFIG --x $Y\"", false);
  is("$ALL", {"--config", "?$CONFIG", "--x", "?$Y"});
  v.forget("Y");  // something that is not looked into may set it
  is("$ALL", {"?$ALL"});
  v.assign("MORE=\"$MORE --y\"", false);
  is("$MORE", {"?$MORE"});
  v.assign("GPUS=${GPUS:-8}", false);
  BOOST_TEST(v.by_defaults(v.expand("$GPUS").front()).value().text() == "8");
}

BOOST_AUTO_TEST_CASE(defaults_count_where_a_variable_is_empty) {
  BashVariables v;
  v.assign("E=", false);
  v.assign("N=4", false);
  const auto is = [&](const std::string& word, const Texts& expected) {
    BOOST_TEST_CONTEXT(word) { BOOST_TEST(fields(v, word) == expected, boost::test_tools::per_element()); }
  };
  is("${E:-9}", {"9"});
  is("\"${E-9}\"", {""});
  is("${N:=9}", {"4"});
  v.assign("PWD=/a/b", false);
  is("$(dirname \"$PWD\")/x", {"/a/x"});
  is("$(basename $PWD)", {"b"});
  is("$(cd ../c && pwd)", {"/a/c"});
  is("$(cd ../c; pwd)", {"/a/c"});
  is("$(dirname $0)", {"?$(dirname $0)"});
}

BOOST_AUTO_TEST_CASE(arguments_are_named_outside_of_single_quotes) {
  for (const char* text : {"x $1", "\"${2}\"", "$@", "$*", "${#}", "[ $# -gt 0 ]", "\"'$1'\""}) BOOST_TEST(names_arguments(text), text);
  for (const char* text : {"awk '{print $1}'", "\\$1", "$ONE", "${#LIST[@]}", "$$", "cost: $"}) BOOST_TEST(!names_arguments(text), text);
}

}  // namespace
}  // namespace fabric::testing
