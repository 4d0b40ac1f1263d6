#include <boost/test/unit_test.hpp>

#include <chrono>

#include "read_text.hpp"

namespace fabric {
namespace {

double seconds_of(const std::string& text, ReadText& read) {
  const auto begin = std::chrono::steady_clock::now();
  read = read_yaml_text(text);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

BOOST_AUTO_TEST_SUITE(yaml_limits)

BOOST_AUTO_TEST_CASE(aliases_of_aliases_are_stopped_and_the_anchor_is_named) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string name = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + name + repeated(", " + name, 9) + "]\n";
  }
  ReadText read;
  BOOST_TEST(seconds_of(text, read) < 2.0);
  BOOST_TEST(read.codes() == "FAB0109");
  const Diagnostic& d = read.diagnostics.all().back();
  BOOST_TEST(read.slice(*d.at.span).starts_with("*a"));
  BOOST_TEST(d.label.find("`a") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(ordinary_use_of_aliases_is_not_stopped) {
  const ReadText read = read_yaml_text("base: &b {lr: 0.1, steps: 5}\nruns:\n" + repeated("  - *b\n", 2000));
  BOOST_TEST(read.codes() == "");
  BOOST_TEST(read.value->find("runs")->as_array().size() == 2000u);
}

BOOST_AUTO_TEST_CASE(depth_is_bounded_in_every_style) {
  struct Row {
    std::string sound, deep;
  };
  std::string block, deeper;
  for (std::size_t i = 0; i < 201; ++i) {
    if (i < 199) block += std::string(i, ' ') + "a:\n";
    deeper += std::string(i, ' ') + "a:\n";
  }
  const std::vector<Row> rows = {
      {"a: " + repeated("[", 199) + repeated("]", 199) + "\n", "a: " + repeated("[", 201) + repeated("]", 201) + "\n"},
      {"a: " + repeated("{b: ", 199) + repeated("}", 199) + "\n", "a: " + repeated("{b: ", 201) + repeated("}", 201) + "\n"},
      {repeated("- ", 200) + "x\n", repeated("- ", 201) + "x\n"},
      {block, deeper},
  };
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT(row.sound.substr(0, 40)) {
      BOOST_TEST(read_yaml_text(row.sound).codes() == "");
      BOOST_TEST(read_yaml_text(row.deep).codes() == "FAB0110");
    }
  }
}

BOOST_AUTO_TEST_CASE(hostile_texts_are_refused_soon) {
  struct Row {
    std::string text;
    const char* code;
  };
  const std::size_t million = 1000000;
  const std::vector<Row> rows = {
      {"a: " + repeated("[", million), "FAB0110"},
      {"a: " + repeated("[x,\n ", million), "FAB0110"},
      {"a: " + repeated("{b: ", million), "FAB0110"},
      {repeated("- ", million), "FAB0110"},
      {"a: [" + repeated("1,", million + 10) + "1]\n", "FAB0109"},
      {"a: " + std::string(10 * million, 'x'), "FAB0118"},
      {"a: \"" + std::string(3 * million, 'x'), "FAB0106"},
      {repeated("? ", million), "FAB0119"},
  };
  for (const Row& row : rows) {
    ReadText read;
    BOOST_TEST_CONTEXT(row.text.substr(0, 20)) {
      BOOST_TEST(seconds_of(row.text, read) < 5.0);
      BOOST_TEST(read.codes() == row.code);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_long_text_in_a_scalar_is_read) {
  const std::string value(1000000, 'x');
  const ReadText read = read_yaml_text("a: " + value + "\n");
  BOOST_REQUIRE(read.value);
  BOOST_TEST(read.value->find("a")->as_string().size() == value.size());
}

BOOST_AUTO_TEST_CASE(texts_that_are_cut_off_anywhere_never_hurt) {
  const std::string text =
      "# c\nfabric: 1\nname: &n 'it''s'\nenv: {A: \"x\\ty\", B: [1, *n, {c: ~}]}\nrun: |\n  [ -f x ]\n  y\nlist:\n  - a: 1\n    b: >-\n      z\n  -\n? k\n: v\n";
  for (std::size_t n = 0; n <= text.size(); ++n) {
    const ReadText read = read_yaml_text(text.substr(0, n));
    BOOST_TEST((read.value.has_value() || read.diagnostics.has_errors()));
    for (const Diagnostic& d : read.diagnostics.all()) BOOST_TEST(d.at.span->end <= n);
  }
}

BOOST_AUTO_TEST_CASE(texts_with_one_byte_changed_never_hurt) {
  const std::string text = "a: &x {b: [1, 'q'], c: \"d\"}\ne:\n  - *x\n  - f: |\n      t\n";
  for (std::size_t n = 0; n < text.size(); ++n)
    for (const char c : std::string_view("[]{}:,-?&*!|>'\"%@`#\t\n x0\\")) {
      std::string changed = text;
      changed[n] = c;
      const ReadText read = read_yaml_text(changed);
      BOOST_TEST((read.value.has_value() || read.diagnostics.has_errors()));
      for (const Diagnostic& d : read.diagnostics.all()) {
        BOOST_TEST(d.at.span->begin <= d.at.span->end);
        BOOST_TEST(d.at.span->end <= changed.size());
      }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
