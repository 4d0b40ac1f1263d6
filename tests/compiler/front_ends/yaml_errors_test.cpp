#include <boost/test/unit_test.hpp>

#include "compiler/front_ends/yaml_error.hpp"
#include "read_text.hpp"

namespace fabric {
namespace {

struct Expected {
  const char* code;
  const char* place;  // line:column
  const char* text;   // under the caret
};

struct Row {
  const char* text;
  std::vector<Expected> errors;
};

const std::vector<Row>& bad_texts() {
  static const std::vector<Row> rows = {
      // colons
      {"fabric: 1\ndevices 2\nprogram: [hostname]\n", {{"FAB0107", "2:1", "devices 2"}}},
      {"fabric: 1\ndevices 2 # two\n", {{"FAB0107", "2:1", "devices 2"}}},
      {"fabric: 1\ndevices\n", {{"FAB0107", "2:1", "devices"}}},
      {"fabric: 1\nseed:2\n", {{"FAB0107", "2:1", "seed:2"}}},
      {"fabric: 1\nseed:2\ndevices: 1\n", {{"FAB0107", "2:1", "seed:2"}}},
      {"fabric:1\n", {{"FAB0107", "1:1", "fabric:1"}}},
      {"a: {b, c: 1}\n", {{"FAB0107", "1:5", "b"}}},
      {"a: b: c\n", {{"FAB0134", "1:4", "b: c"}}},
      {"a: b: c # d\n", {{"FAB0134", "1:4", "b: c"}}},
      {"a: {b: 1 c: 2}\n", {{"FAB0134", "1:11", ":"}}},
      // indentation
      {"a: 1\n b: 2\n", {{"FAB0124", "2:2", "b"}}},
      {"a: x\n  y: z\n", {{"FAB0124", "2:3", "y"}}},
      {"a:\n    b: 1\n  c: 1\n", {{"FAB0124", "3:3", "c: 1"}}},
      {"- a: 1\n b: 2\n", {{"FAB0124", "2:2", "b: 2"}}},
      {"a:\n  - b\n - c\n", {{"FAB0124", "3:2", "- c"}}},
      {"a: |\n  x\n y\nb: 1\n", {{"FAB0124", "3:2", "y"}}},
      {"a: 1\n- b\n", {{"FAB0124", "2:1", "- b"}}},
      {"a:\n\tb: 1\n", {{"FAB0123", "2:1", "\t"}}},
      {"a:\n  b: 1\n\tc: 1\n", {{"FAB0123", "3:1", "\t"}}},
      {"a:\n  b: 1\n  \tc: 1\n", {{"FAB0123", "3:1", "  \t"}}},
      {"a:\n\tb: 1\n\tc: 2\nd: 1\n", {{"FAB0123", "2:1", "\t"}, {"FAB0123", "3:1", "\t"}}},
      // quotes
      {"a: \"abc\nb: 1\n", {{"FAB0106", "1:4", "\"abc"}}},
      {"a: 'abc\n", {{"FAB0106", "1:4", "'abc"}}},
      {"a: 'abc", {{"FAB0106", "1:4", "'abc"}}},
      {"\"abc\n", {{"FAB0106", "1:1", "\"abc"}}},
      {"a: \"x\nb: \"y\"\n", {{"FAB0106", "1:4", "\"x"}}},
      {"a: \"x\"y\n", {{"FAB0127", "1:7", "y"}}},
      {"a: 'it's'\n", {{"FAB0127", "1:8", "s'"}}},
      {"a: [\"b\" c]\n", {{"FAB0127", "1:9", "c]"}}},
      {"a: [1] x\n", {{"FAB0127", "1:8", "x"}}},
      {"a: \"x\\qy\"\n", {{"FAB0128", "1:6", "\\q"}}},
      {"a: \"C:\\x\"\n", {{"FAB0128", "1:7", "\\x"}}},
      {"a: \"\\uD800\"\n", {{"FAB0128", "1:5", "\\uD800"}}},
      {"a: 'x'#b\n", {{"FAB0132", "1:7", "#"}}},
      {"a: [1]#b\n", {{"FAB0132", "1:7", "#"}}},
      {"a: 'x'#b\nc: 1\n", {{"FAB0132", "1:7", "#"}}},
      // brackets
      {"a: [0, 1\nb: [c]\n", {{"FAB0125", "1:4", "["}}},
      {"a: [0, 1\n", {{"FAB0125", "1:4", "["}}},
      {"a: [0, 1", {{"FAB0125", "1:4", "["}}},
      {"a: {b: 1\nc: 2\n", {{"FAB0125", "1:4", "{"}}},
      {"a: [1, {b: 2]\n", {{"FAB0126", "1:13", "]"}}},
      {"a: [\n", {{"FAB0125", "1:4", "["}}},
      {"a: {x: 1}}\n", {{"FAB0126", "1:10", "}"}}},
      {"a: ]\n", {{"FAB0126", "1:4", "]"}}},
      {"a: [x, , z]\n", {{"FAB0131", "1:8", ","}}},
      {"a: {x: 1, , z: 2}\n", {{"FAB0131", "1:11", ","}}},
      {"a: [, 1]\n", {{"FAB0131", "1:5", ","}}},
      // signs
      {"a: @x\n", {{"FAB0129", "1:4", "@x"}}},
      {"a: {b: @x}\n", {{"FAB0129", "1:8", "@x"}}},
      {"a: `x` # c\n", {{"FAB0129", "1:4", "`x`"}}},
      {"a: %x\n", {{"FAB0129", "1:4", "%x"}}},
      {"a: - 1\n", {{"FAB0135", "1:4", "-"}}},
      {"a: |x\n y\n", {{"FAB0138", "1:4", "|x"}}},
      // anchors, aliases, tags
      {"a: *b\n", {{"FAB0130", "1:4", "*b"}}},
      {"a: *.txt\n", {{"FAB0130", "1:4", "*.txt"}}},
      {"a: &x {b: *x}\n", {{"FAB0108", "1:11", "*x"}}},
      {"a: &x [1, [*x]]\n", {{"FAB0108", "1:12", "*x"}}},
      {"a: &x\n  - *x\n", {{"FAB0108", "2:5", "*x"}}},
      {"a: &b &c d\n", {{"FAB0137", "1:7", "&c"}}},
      {"a: * b\n", {{"FAB0137", "1:4", "* b"}}},
      {"a: &x 1\n*x : 2\n", {{"FAB0119", "2:1", "*x"}}},
      {"a: !!python/object:os.system x\n", {{"FAB0103", "1:4", "!!python/object:os.system"}}},
      {"a: !env HOME\nb: !x [1]\nc: ! 5\n", {{"FAB0103", "1:4", "!env"}, {"FAB0103", "2:4", "!x"}, {"FAB0103", "3:4", "!"}}},
      {"a: !!int x\nb: !!map [1]\nc: !!bool 1\n", {{"FAB0103", "1:4", "!!int"}, {"FAB0103", "2:4", "!!map"}, {"FAB0103", "3:4", "!!bool"}}},
      // keys
      {"? [a]\n: 1\n", {{"FAB0119", "1:3", "["}}},
      {"{a: 1}: 2\n", {{"FAB0119", "1:1", "{"}}},
      {": 1\n", {{"FAB0119", "1:1", ":"}}},
      {"null: 1\n~: 2\n", {{"FAB0119", "1:1", "null"}, {"FAB0119", "2:1", "~"}}},
      {"a: 1\nb: 2\na: 3\n", {{"FAB0102", "3:1", "a"}}},
      {"a: 1\n'a': 3\n", {{"FAB0102", "2:1", "'a'"}}},
      {"a: {b: 1, b: {c: 1}}\nb: 1\na: [yes]\n", {{"FAB0102", "1:11", "b"}, {"FAB0102", "3:1", "a"}, {"FAB0111", "3:5", "yes"}}},
      {"a: 1\na: 2\na: 3\n", {{"FAB0102", "2:1", "a"}, {"FAB0102", "3:1", "a"}}},
      {"b: &b {s: 1}\na:\n  <<: *b\n  c: 1\n", {{"FAB0104", "3:3", "<<"}}},
      // documents
      {"", {{"FAB0122", "1:1", ""}}},
      {"\n\n# c\n", {{"FAB0122", "1:1", ""}}},
      {"---\n", {{"FAB0122", "1:1", ""}}},
      {"a: 1\n---\nb: 2\n", {{"FAB0105", "2:1", "---"}}},
      {"a: 1\n...\nb: 2\n", {{"FAB0133", "3:1", "b: 2"}}},
      {"- a\nc: d\n", {{"FAB0133", "2:1", "c: d"}}},
      {"%YAML 1.2\n---\na: 1\n", {{"FAB0136", "1:1", "%YAML 1.2"}}},
      {"%TAG !e! x\n---\na: 1\n", {{"FAB0136", "1:1", "%TAG !e! x"}}},
      // scalars, all in one go
      {"a: yes\nb: [010, {c: 1_000}]\nd: 1e400\ne: 99999999999999999999\nf: Off\n",
       {{"FAB0111", "1:4", "yes"},
        {"FAB0112", "2:5", "010"},
        {"FAB0113", "2:14", "1_000"},
        {"FAB0115", "3:4", "1e400"},
        {"FAB0114", "4:4", "99999999999999999999"},
        {"FAB0111", "5:4", "Off"}}},
      {"名: はい\n値: yes\n", {{"FAB0111", "2:4", "yes"}}},
      {"a: 1\r\nb: yes\r\nb: 2\r\n", {{"FAB0111", "2:4", "yes"}, {"FAB0102", "3:1", "b"}}},
      // what was found before a syntax error is not lost
      {"a: yes\na: 2\nb: [1\n", {{"FAB0111", "1:4", "yes"}, {"FAB0102", "2:1", "a"}, {"FAB0125", "3:4", "["}}},
  };
  return rows;
}

BOOST_AUTO_TEST_SUITE(yaml_errors)

BOOST_AUTO_TEST_CASE(each_bad_text_has_its_code_and_place) {
  for (const Row& row : bad_texts()) {
    const ReadText read = read_yaml_text(row.text);
    BOOST_TEST_CONTEXT(row.text) {
      const auto& all = read.diagnostics.all();
      std::string wanted;
      for (const Expected& e : row.errors) wanted += (wanted.empty() ? "" : " ") + std::string(e.code);
      BOOST_TEST(read.codes() == wanted);
      for (std::size_t i = 0; i < std::min(all.size(), row.errors.size()); ++i) {
        BOOST_REQUIRE(all[i].at.span);
        BOOST_TEST(read.place(*all[i].at.span) == row.errors[i].place);
        BOOST_TEST(read.slice(*all[i].at.span) == row.errors[i].text);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(each_error_is_a_sentence_with_a_way_out) {
  for (const Row& row : bad_texts()) {
    const ReadText read = read_yaml_text(row.text);
    for (const Diagnostic& d : read.diagnostics.all()) {
      BOOST_TEST_CONTEXT(row.text) {
        BOOST_TEST(!d.message.empty());
        BOOST_TEST(!d.message.ends_with('.'));
        BOOST_TEST(d.message.find("yaml-cpp") == std::string::npos);
        BOOST_TEST(!d.label.empty());
        BOOST_TEST(!d.help.empty());
      }
    }
  }
}

// Whether the error of `code` that stood at `begin` is gone from a text.
bool is_gone(const std::string& text, const std::string& code, std::size_t errors_before) {
  const ReadText again = read_yaml_text(text);
  const auto& all = again.diagnostics.all();
  const auto same = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Diagnostic& d) { return d.code == code; }));
  return same < errors_before;
}

BOOST_AUTO_TEST_CASE(a_fix_removes_its_error) {
  std::size_t fixes = 0;
  for (const Row& row : bad_texts()) {
    const ReadText read = read_yaml_text(row.text);
    for (const Diagnostic& d : read.diagnostics.all()) {
      if (!d.fix) continue;
      ++fixes;
      const auto& all = read.diagnostics.all();
      const auto before =
          static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Diagnostic& o) { return o.code == d.code; }));
      BOOST_TEST_CONTEXT(row.text << " -> " << apply_fix(row.text, *d.fix)) {
        BOOST_TEST(is_gone(apply_fix(row.text, *d.fix), d.code, before));
      }
    }
  }
  BOOST_TEST(fixes >= 30u);
}

// A newer yaml-cpp may have words that nobody here has read.
BOOST_AUTO_TEST_CASE(an_error_of_the_parser_that_is_not_known_is_passed_on) {
  const Diagnostic d = explain_yaml_error("moon in the wrong house", "a: 1\nb: 2\n", 0, 5, YamlTree::Progress{});
  BOOST_TEST(d.code == "FAB0101");
  BOOST_TEST(d.message.find("moon in the wrong house") != std::string::npos);
  BOOST_TEST(d.at.span->begin == 5u);
}

BOOST_AUTO_TEST_CASE(all_fixes_together_give_a_sound_text) {
  const std::string text = "a: yes\nb: [010]\nc: @x\nd: 1_000\ne: \"C:\\q\"\n";
  const ReadText read = read_yaml_text(text);
  BOOST_TEST(read.codes() == "FAB0111 FAB0112 FAB0129");
  const std::string once = apply_fixes(text, read.diagnostics);
  const ReadText second = read_yaml_text(once);
  BOOST_TEST(second.codes() == "FAB0113 FAB0128");
  BOOST_TEST(read_yaml_text(apply_fixes(once, second.diagnostics)).codes() == "");
}

BOOST_AUTO_TEST_CASE(a_duplicate_key_names_both_places_and_keeps_the_first) {
  const ReadText read = read_yaml_text("seed: 1\nname: x\nseed: 2\n");
  BOOST_TEST(read.json() == R"({"name":"x","seed":1})");
  BOOST_REQUIRE(read.diagnostics.all().size() == 1);
  const Diagnostic& d = read.diagnostics.all()[0];
  BOOST_REQUIRE(d.notes.size() == 1);
  BOOST_TEST(read.place(*d.notes[0].at.span) == "1:1");
  BOOST_TEST(read.slice(read.origins.find("seed")->value) == "1");
}

BOOST_AUTO_TEST_CASE(a_list_can_be_read_on_after_an_empty_entry) {
  BOOST_TEST(read_yaml_text("a: [x, , z]\n").json() == R"({"a":["x","z"]})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
