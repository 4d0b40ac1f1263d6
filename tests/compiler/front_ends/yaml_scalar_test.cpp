#include "compiler/front_ends/yaml_scalar.hpp"

#include <boost/test/unit_test.hpp>

#include "read_text.hpp"

namespace fabric {
namespace {

BOOST_AUTO_TEST_SUITE(yaml_scalar)

BOOST_AUTO_TEST_CASE(plain_scalars_mean_what_yaml_1_2_says) {
  struct Row {
    const char* text;
    Value value;
  };
  // clang-format off
  const std::vector<Row> rows = {
      {"", Value()}, {"~", Value()}, {"null", Value()}, {"Null", Value()}, {"NULL", Value()},
      {"true", true}, {"false", false},
      {"0", 0}, {"-0", 0}, {"+3", 3}, {"-17", -17}, {"9223372036854775807", std::int64_t{INT64_MAX}}, {"-9223372036854775808", std::int64_t{INT64_MIN}},
      {"0x1F", 31}, {"0xdeadBEEF", std::int64_t{0xdeadbeef}}, {"0o17", 15},
      {"1e3", 1000.0}, {".5", 0.5}, {"-.5", -0.5}, {"1.", 1.0}, {"+1.5e-3", 0.0015}, {"2E+2", 200.0}, {"00.5", 0.5}, {"5e-324", 5e-324},
      {"0x", "0x"}, {"0xg", "0xg"}, {"-0x1", "-0x1"}, {"0o8", "0o8"}, {"0b11", "0b11"}, {"1e", "1e"}, {"e3", "e3"}, {".", "."}, {"-", "-"}, {"+", "+"},
      {"1.2.3", "1.2.3"}, {"1-2", "1-2"}, {"--1", "--1"}, {"4:00:00", "4:00:00"}, {"1-12:00:00", "1-12:00:00"}, {"2024-01-01", "2024-01-01"},
      {"1,000", "1,000"}, {"_1", "_1"}, {"1_", "1_"}, {"1_a", "1_a"}, {"nan", "nan"}, {"inf", "inf"}, {"yEs", "yEs"}, {"ye", "ye"}, {"none", "none"},
      {"truE", "truE"}, {"auto", "auto"}, {"16-mixed", "16-mixed"}, {"1e3x", "1e3x"}, {"500 steps", "500 steps"}, {"90s", "90s"}, {"名", "名"},
  };
  // clang-format on
  for (const Row& row : rows) {
    const TypedScalar typed = type_plain_scalar(row.text);
    BOOST_TEST_CONTEXT("`" << row.text << "`") {
      BOOST_TEST(typed.code == "");
      BOOST_TEST((typed.value == row.value));
      BOOST_TEST((typed.value.kind() == row.value.kind()));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_readers_disagree_about_is_refused_and_can_be_mended) {
  struct Row {
    const char* text;
    const char* code;
    const char* replacement;
  };
  // clang-format off
  const std::vector<Row> rows = {
      {"yes", "FAB0111", "\"yes\""}, {"Yes", "FAB0111", "\"Yes\""}, {"YES", "FAB0111", "\"YES\""}, {"no", "FAB0111", "\"no\""}, {"No", "FAB0111", "\"No\""},
      {"NO", "FAB0111", "\"NO\""}, {"on", "FAB0111", "\"on\""}, {"On", "FAB0111", "\"On\""}, {"ON", "FAB0111", "\"ON\""}, {"off", "FAB0111", "\"off\""},
      {"Off", "FAB0111", "\"Off\""}, {"OFF", "FAB0111", "\"OFF\""}, {"y", "FAB0111", "\"y\""}, {"Y", "FAB0111", "\"Y\""}, {"n", "FAB0111", "\"n\""},
      {"N", "FAB0111", "\"N\""}, {"True", "FAB0111", "true"}, {"TRUE", "FAB0111", "true"}, {"False", "FAB0111", "false"}, {"FALSE", "FAB0111", "false"},
      {"010", "FAB0112", "\"010\""}, {"08", "FAB0112", "\"08\""}, {"00", "FAB0112", "\"00\""}, {"-01", "FAB0112", "\"-01\""}, {"+007", "FAB0112", "\"+007\""},
      {"1_000", "FAB0113", "1000"}, {"-12_345_678", "FAB0113", "-12345678"}, {"1_0", "FAB0113", "\"1_0\""}, {"2024_01", "FAB0113", "\"2024_01\""},
      {"0_100", "FAB0113", "\"0_100\""},
      {"9223372036854775808", "FAB0114", "\"9223372036854775808\""}, {"-9223372036854775809", "FAB0114", "\"-9223372036854775809\""},
      {"99999999999999999999999", "FAB0114", "\"99999999999999999999999\""}, {"0x8000000000000000", "FAB0114", "\"0x8000000000000000\""},
      {"0o7777777777777777777777", "FAB0114", "\"0o7777777777777777777777\""},
      {"1e400", "FAB0115", "\"1e400\""}, {"-1.5e999", "FAB0115", "\"-1.5e999\""}, {"1e-400", "FAB0115", "\"1e-400\""}, {".inf", "FAB0115", "\".inf\""},
      {"-.INF", "FAB0115", "\"-.INF\""}, {"+.Inf", "FAB0115", "\"+.Inf\""}, {".nan", "FAB0115", "\".nan\""}, {".NaN", "FAB0115", "\".NaN\""},
  };
  // clang-format on
  for (const Row& row : rows) {
    const TypedScalar typed = type_plain_scalar(row.text);
    BOOST_TEST_CONTEXT("`" << row.text << "`") {
      BOOST_TEST(typed.code == row.code);
      BOOST_TEST(typed.replacement.value_or("") == row.replacement);
      BOOST_TEST(!typed.message.empty());
      BOOST_TEST(!typed.help.empty());
      BOOST_TEST((typed.value == Value(row.text)));
      const ReadText mended = read_yaml_text("a: " + *typed.replacement + "\n");
      BOOST_TEST(mended.codes() == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(quoting_is_undone_by_reading) {
  for (const std::string text : {"", "a", "a\"b", "a\\b", "a\nb", "\t", "名", "it's", "a: b", "\x01"}) {
    Sources sources;
    Diagnostics diagnostics;
    SourceMap origins;
    const std::uint32_t source = sources.add({"x", "a: " + quoted_scalar(text) + "\n", Source::Kind::file});
    const std::optional<Value> value = read_yaml(sources, source, origins, diagnostics);
    BOOST_REQUIRE(value);
    BOOST_TEST(value->find("a")->as_string() == text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
