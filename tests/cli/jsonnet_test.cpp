// Jsonnet through the real child process: what a program gives, where its values stand, and what ends one that is out of bounds.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <stdlib.h>

#include "cli/outside.hpp"
#include "compiler/front_ends/jsonnet.hpp"
#include "schema/json.hpp"
#include "tests/cli/program.hpp"

namespace fabric::testing {

struct Read {
  Sources sources;
  SourceMap origins;
  std::vector<Input> inputs;
  Diagnostics diagnostics;
  std::optional<Value> value;

  std::string json() const { return value ? canonical_json(*value) : "none"; }
  // file:line:column of a span.
  std::string place(const Span& span) const {
    const Position at = position_of(sources[span.source].text, span.begin);
    return sources[span.source].name + ':' + std::to_string(at.line) + ':' + std::to_string(at.column);
  }
  std::string error() const {
    if (diagnostics.all().empty()) return "";
    const Diagnostic& d = diagnostics.all().front();
    return d.code + ' ' + (d.at.span ? place(*d.at.span) : "") + ' ' + d.message;
  }
};

Read read(const Folder& folder, const std::string& name = "job.jsonnet") {
  Read r;
  Outside outside = make_outside(FABRIC_BINARY_DIR "/bin/fabric");
  outside.working_directory = folder.path().string();
  const std::string path = (folder.path() / name).string();
  const std::uint32_t source = r.sources.add({name, read_text(path)});
  r.value = read_jsonnet(r.sources, source, path, outside, r.origins, r.inputs, r.diagnostics);
  return r;
}

Read read_program(const std::string& text) {
  const Folder folder;
  folder.write("job.jsonnet", text);
  return read(folder);
}

struct Program {
  std::string text, json;
};
std::ostream& operator<<(std::ostream& out, const Program& p) { return out << p.text; }

const Program programs[] = {
    {"{}", "{}"},
    {"{a: 1, b: 2.5, c: 'x', d: [1, null, true]}", R"({"a":1,"b":2.5,"c":"x","d":[1,null,true]})"},
    {"local n = 4; {devices: n, train: {batch_size: 64 * n}}", R"({"devices":4,"train":{"batch_size":256}})"},
    {"{a: 1} + {b: 2, a+: 1}", R"({"a":2,"b":2})"},
    {"{a: 0.1}", R"({"a":0.1})"},
    {"{a: 9007199254740991, b: -9007199254740991}", R"({"a":9007199254740991,"b":-9007199254740991})"},
    {"{a: 1e300}", R"({"a":1e+300})"},
    {"{hidden:: 1, [if true then 'k']: 2}", R"({"k":2})"},
    {"std.manifestJsonEx({a: 1}, '')", R"("{\n\"a\": 1\n}")"},
    {"{a: '\xE2\x82\xAC'}", "{\"a\":\"\xE2\x82\xAC\"}"},
};

BOOST_DATA_TEST_CASE(a_program_gives_its_value, programs, program) {
  const Read r = read_program(program.text);
  BOOST_TEST(r.json() == program.json, r.json() << ' ' << r.error());
}

struct Wrong {
  std::string text, error;  // code, place and message, as far as given
};
std::ostream& operator<<(std::ostream& out, const Wrong& w) { return out << w.text.substr(0, 60); }

std::string nested(const char* open, const char* close, int depth) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += open;
  text += '1';
  for (int i = 0; i < depth; ++i) text += close;
  return text;
}

const Wrong wrongs[] = {
    {"{a: }", "FAB1011 job.jsonnet:1:5 Jsonnet: "},
    {"{\n  a: b,\n}", "FAB1011 job.jsonnet:2:6 Jsonnet: Unknown variable: b"},
    {"local f(x) = error 'no ' + x;\n{a: f('way')}", "FAB1011 job.jsonnet:1:14 Jsonnet: no way"},
    {"local f(x) = f(x + 1) + 1;\n{a: f(1)}", "FAB1011 job.jsonnet:1:14 Jsonnet: max stack frames exceeded."},
    {"{a: 1e400}", "FAB1011 "},
    {"{a: 'x\x01'}", "FAB0116 job.jsonnet:1:7 "},
    {"{a: import 'no.libsonnet'}", "FAB1001 job.jsonnet:1:12 cannot find the import `no.libsonnet`"},
    {"{a: import '/etc/passwd'}", "FAB1002 job.jsonnet:1:12 the import `/etc/passwd` leads out of the job's folder"},
    {"{a: importstr '../../../../../../etc/passwd'}", "FAB1002 job.jsonnet:1:15 "},
    {"{a: import 'x' + '.libsonnet'}", "FAB1001 job.jsonnet:1:12 "},
    {"local name = 'x'; {a: import name}", "FAB1003 job.jsonnet:1:23 the name of an import is a plain string"},
    {"local loop(n) = if n < 0 then 0 else loop(n + 1) tailstrict; {a: loop(0)}",
     "FAB1010 job.jsonnet:1:1 the Jsonnet program could not be evaluated: it took more than 5 s of CPU time"},
#ifndef __SANITIZE_ADDRESS__
    {"local grow(s) = grow(s + s) tailstrict; {a: grow('0123456789abcdef')}",
     "FAB1010 job.jsonnet:1:1 the Jsonnet program could not be evaluated: it needed more than 512 MiB of memory"},
#endif
    {nested("[", "]", 100000),
     "FAB1010 job.jsonnet:1:1 the Jsonnet program could not be evaluated: its brackets or operators nest too deeply"},
    {nested("(", ")", 200000),
     "FAB1010 job.jsonnet:1:1 the Jsonnet program could not be evaluated: its brackets or operators nest too deeply"},
};

BOOST_DATA_TEST_CASE(an_error_names_its_place, wrongs, wrong) {
  const Read r = read_program(wrong.text);
  BOOST_TEST(!r.value);
  BOOST_TEST(r.error().starts_with(wrong.error), r.error());
}

BOOST_AUTO_TEST_CASE(an_error_in_an_import_points_into_it) {
  const Folder folder;
  folder.write("job.jsonnet", "local l = import 'lib/a.libsonnet';\n{a: l.x}");
  folder.write("lib/a.libsonnet", "{\n  x: (import 'gone.libsonnet').y,\n}");
  BOOST_TEST(read(folder).error().starts_with("FAB1001 lib/a.libsonnet:2:14 cannot find the import `gone.libsonnet`"),
             read(folder).error());
  folder.write("lib/a.libsonnet", "{\n  x: error 'not yet',\n}");
  BOOST_TEST(read(folder).error().starts_with("FAB1011 lib/a.libsonnet:2:6 Jsonnet: not yet"), read(folder).error());
  folder.write("lib/a.libsonnet", "{x: 1}\n// \x1b[31m");
  BOOST_TEST(read(folder).error().starts_with("FAB0116 lib/a.libsonnet:2:4 "), read(folder).error());
  folder.write("job.jsonnet", "{a: importstr 'text'}");
  folder.write("text", std::string("a\0b", 3));
  BOOST_TEST(read(folder).error().starts_with("FAB1003 job.jsonnet:1:15 the text `text` holds a NUL byte"), read(folder).error());
}

BOOST_AUTO_TEST_CASE(imports_count_from_their_file_and_become_inputs) {
  const Folder folder;
  folder.write("job.jsonnet", "(import 'lib/a.libsonnet') + {text: importstr 'lib/note.txt'}");
  folder.write("lib/a.libsonnet", "{n: (import 'b.libsonnet').n, again: (import '../lib/b.libsonnet').n}");
  folder.write("lib/b.libsonnet", "{n: 7}");
  folder.write("lib/note.txt", "\x1b, as text may be");
  const Read r = read(folder);
  BOOST_TEST(r.json() == R"({"again":7,"n":7,"text":"\u001b, as text may be"})", r.json() << r.error());
  BOOST_TEST(r.inputs.size() == 3u);
}

BOOST_AUTO_TEST_CASE(imports_have_a_limit) {
  const Folder folder;
  std::string program = "[";
  for (int i = 0; i < 257; ++i) {
    const std::string name = "part" + std::to_string(i) + ".libsonnet";
    folder.write(name, "1");
    program += "import '" + name + "',";
  }
  folder.write("job.jsonnet", program + "]");
  BOOST_TEST(read(folder).error().starts_with("FAB1004 "), read(folder).error());
}

BOOST_AUTO_TEST_CASE(a_link_out_of_the_folder_is_refused) {
  const Folder folder, elsewhere;
  elsewhere.write("secret.libsonnet", "{}");
  folder.write("job.jsonnet", "import 'inside.libsonnet'");
  std::filesystem::create_symlink(elsewhere.path() / "secret.libsonnet", folder.path() / "inside.libsonnet");
  BOOST_TEST(read(folder).error().starts_with("FAB1002 "), read(folder).error());
}

BOOST_AUTO_TEST_CASE(what_is_written_has_an_exact_place) {
  const Read r = read_program("local n = 2;\n{\n  seed: 1,\n  devices: n + 1,\n  train: {'batch_size': 64, list: [1, 2]},\n}\n");
  const auto where = [&](Path path) -> std::string {
    const Origin* origin = r.origins.find(path);
    return origin ? (origin->computed ? "computed" : r.place(origin->value)) : "none";
  };
  BOOST_TEST(where(Path() / "seed") == "job.jsonnet:3:9");
  BOOST_TEST(where(Path() / "devices") == "job.jsonnet:4:12");
  BOOST_TEST(where(Path() / "train" / "batch_size") == "job.jsonnet:5:25");
  BOOST_TEST(where(Path() / "train" / "list" / std::size_t{1}) == "job.jsonnet:5:39");
  BOOST_TEST(where(Path()) == "computed");
  // What a function or a comprehension gave has no place of its own.
  const Read computed = read_program("local f(n) = {seed: n};\nf(1)");
  BOOST_TEST(!computed.origins.find(Path() / "seed"));
}

struct Sum {
  const char* program;
  const char* seed;  // the place of its field
};
std::ostream& operator<<(std::ostream& out, const Sum& s) { return out << s.program; }

const Sum sums[] = {
    {"local base = {seed: 1};\nbase + {seed: 2}", "2:9"},
    {"local base = {seed: 1};\nbase {seed: 2}", "2:7"},
    {"local base = {seed: 1};\nbase {seed: 2} {seed: 3}", "2:17"},
    {"local base = {seed: 1};\nbase + {other: 2}", "none"},
    {"{seed: 1} + {other: 2}", "1:2"},
    {"{seed: 1} + {seed: 2}", "1:14"},
    {"{seed: 1} + {seed+: 2}", "none"},
    {"{seed: 1} + {['s' + 'eed']: 1 + 1}", "none"},
    {"{seed: 1} + (import 'b.libsonnet')", "none"},
    {"(import 'b.libsonnet') + {seed: 2}", "1:27"},
    {"import 'b.libsonnet' + {seed: 2}", "none"},
    {"({other: 1} + {seed: 2})", "1:16"},
    {"if true then {seed: 1} else {seed: 2}", "none"},
    {"local f(x) = x {seed: 1};\nf({})", "none"},
    {"assert true; {seed: 1}", "1:15"},
    {"local f(x) = if x then 1 else 2;\n{seed: f(true)}", "2:2"},
    {"local f = function(x) x;\nlocal g = local y = 1; y;\n{seed: f(3)}", "3:2"},
    {"if false then {seed: 1} else local x = 1; {seed: 2}", "none"},
    {"{seed: 1} + local x = 1; {seed: 2}", "none"},
    {"{seed: 10} + {seed+: -5}", "none"},
    {"local five = 5;\n{seed: 5} + {seed: five}", "2:14"},
    {"{seed: 1} + {'s\\u0065ed': 1 + 1}", "none"},
};

BOOST_DATA_TEST_CASE(of_a_sum_of_objects_the_last_that_is_written_counts, sums, sum) {
  const Folder folder;
  folder.write("b.libsonnet", "{seed: 7}");
  folder.write("job.jsonnet", sum.program);
  const Read r = read(folder);
  const Origin* origin = r.origins.find(Path() / "seed");
  BOOST_REQUIRE(r.value || std::string_view(sum.seed) == "none");
  BOOST_TEST((origin && origin->key ? r.place(*origin->key).substr(12) : "none") == sum.seed);
}

BOOST_AUTO_TEST_CASE(members_that_are_merged_have_their_places) {
  const Read r =
      read_program("local base = {train: {seed: 1, list: [1]}};\nbase + {\n  train+: {batch_size: 64,\n    list+: [2],\n  },\n}\n");
  const auto where = [&](Path path) -> std::string {
    const Origin* origin = r.origins.find(path);
    return origin ? r.place(origin->value) : "none";
  };
  BOOST_TEST(where(Path() / "train" / "batch_size") == "job.jsonnet:3:24");
  BOOST_TEST(where(Path() / "train") == "job.jsonnet:3:11");
  BOOST_TEST(where(Path() / "train" / "list") == "none");
  BOOST_TEST(where(Path() / "train" / "seed") == "none");
}

struct NestedSum {
  const char* program;
  const char* grace;   // the place of stop.grace
  const char* signal;  // of stop.signal
};
std::ostream& operator<<(std::ostream& out, const NestedSum& s) { return out << s.program; }

// What an operand says of a member is not said by those further left any more; with a +, only as far as its own text can be read.
const NestedSum nested_sums[] = {
    {"local d = {grace: 1};\n{stop: {grace: 1, signal: 'INT'}} + {stop: d}", "none", "none"},
    {"local d = {grace: 2};\n{stop: {grace: 1, signal: 'INT'}} + {stop+: d}", "none", "none"},
    {"local d = {grace: 2};\n{stop: {grace: 1, signal: 'INT'}} + {stop+: d + {signal: 'TERM'}}", "none", "2:58"},
    {"{stop: {grace: 1, signal: 'INT'}} +\n{stop+: {grace: 2}}", "2:17", "1:27"},
    {"{stop: {grace: 1, signal: 'INT'}} +\n{stop: {grace: 2}}", "2:16", "none"},
    {"{stop: {grace: 1, signal: 'INT'}} +\n{stop+: {['sig' + 'nal']: 9}}", "none", "none"},
    {"{stop: {grace: 1}} + {stop+: {signal: 'INT'}} +\n{stop+: {grace: 2}}", "2:17", "1:39"},
    {"{stop: {grace: 1}} + {stop: {signal: 'INT'}} +\n{stop+: {grace+: 2}}", "none", "1:38"},
};

BOOST_DATA_TEST_CASE(of_a_sum_of_members_too, nested_sums, sum) {
  const Read r = read_program(sum.program);
  BOOST_REQUIRE_MESSAGE(r.value, r.error());
  const auto where = [&](const char* field) -> std::string {
    const Origin* origin = r.origins.find(Path() / "stop" / field);
    return origin ? r.place(origin->value).substr(12) : "none";
  };
  BOOST_TEST(where("grace") == sum.grace);
  BOOST_TEST(where("signal") == sum.signal);
}

BOOST_AUTO_TEST_CASE(a_list_that_is_added_to_has_no_place) {
  const Read r = read_program("{program: ['python']} + {program+: [5]}");
  BOOST_REQUIRE(r.value);
  BOOST_TEST(!r.origins.find(Path() / "program"));
  BOOST_TEST(!r.origins.find(Path() / "program" / std::size_t{0}));
}

BOOST_AUTO_TEST_CASE(an_integer_that_jsonnet_cannot_hold_is_a_warning) {
  const Read r = read_program("{seed: 9007199254740993}");
  BOOST_REQUIRE(r.value);
  BOOST_TEST(r.error().starts_with("FAB1013 job.jsonnet:1:8 "), r.error());
}

BOOST_AUTO_TEST_CASE(without_the_library_the_error_names_the_package) {
  setenv("FABRIC_LIBJSONNET", "/nowhere/libjsonnet.so.0", 1);
  const Read r = read_program("{}");
  unsetenv("FABRIC_LIBJSONNET");
  BOOST_TEST(r.error() == "FAB1010 job.jsonnet:1:1 the Jsonnet program could not be evaluated: /nowhere/libjsonnet.so.0 cannot be opened");
  BOOST_REQUIRE(!r.diagnostics.all().empty());
  BOOST_TEST(r.diagnostics.all().front().help.find("libjsonnet0") != std::string::npos);
}

}  // namespace fabric::testing
