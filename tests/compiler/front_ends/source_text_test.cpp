#include "compiler/front_ends/source_text.hpp"

#include <boost/test/unit_test.hpp>

#include "read_text.hpp"

namespace fabric {
namespace {

struct Checked {
  bool sound;
  Diagnostics diagnostics;
};

Checked check(const std::string& text) {
  Sources sources;
  Checked checked;
  checked.sound = check_source_text(sources, sources.add({"x", text, Source::Kind::file}), 0, checked.diagnostics);
  return checked;
}

BOOST_AUTO_TEST_SUITE(source_text)

BOOST_AUTO_TEST_CASE(ordinary_text_is_sound) {
  for (const std::string text : {"", "a: 1\n", "a: 1\r\nb: 2\r\n", "\ta", "名: 値\n",
                                 "\xEF\xBB\xBF"
                                 "a: 1\n",
                                 "\xF0\x9F\x98\x80", "e\xCC\x81", "\xC2\xA0"}) {
    BOOST_TEST_CONTEXT(text) {
      BOOST_TEST(check(text).sound);
      BOOST_TEST(check(text).diagnostics.all().empty());
    }
  }
}

BOOST_AUTO_TEST_CASE(each_kind_of_bad_byte_is_named_with_its_place) {
  using namespace std::string_literals;
  struct Row {
    std::string text;
    const char* code;
    std::uint32_t begin, end;
  };
  const std::vector<Row> rows = {
      {"a: \0"s, "FAB0116", 3, 4},
      {"a: \x1B[31m", "FAB0116", 3, 4},
      {"a: \x7F", "FAB0116", 3, 4},
      {"a: \xC2\x85", "FAB0116", 3, 5},
      {"a: \xC2\x9B", "FAB0116", 3, 5},
      {"a: 1\rb: 2", "FAB0121", 4, 5},
      {"a: 1\r", "FAB0121", 4, 5},
      {"a: \xE2\x80\xAE", "FAB0121", 3, 6},
      {"a: \xE2\x81\xA6", "FAB0121", 3, 6},
      {"a: \xEF\xBB\xBF", "FAB0121", 3, 6},
      {"a: \xFF", "FAB0117", 3, 4},
      {"a: \xC3(", "FAB0117", 3, 4},
      {"a: \xC0\x80", "FAB0117", 3, 5},
      {"a: \xE0\x80\x80", "FAB0117", 3, 6},
      {"a: \xED\xA0\x80", "FAB0117", 3, 6},
      {"a: \xF4\x90\x80\x80", "FAB0117", 3, 7},
      {"a: \xE4\xB8", "FAB0117", 3, 5},
      {"\xFF\xFE"
       "a\0"s,
       "FAB0117", 0, 2},
      {"\xFE\xFF\0a"s, "FAB0117", 0, 2},
      {"a\0:\0"s, "FAB0117", 0, 2},
      {"\0a\0:"s, "FAB0117", 0, 2},
  };
  for (const Row& row : rows) {
    const Checked checked = check(row.text);
    BOOST_TEST_CONTEXT(row.code << " in " << row.text) {
      BOOST_TEST(!checked.sound);
      BOOST_REQUIRE(checked.diagnostics.all().size() == 1);
      const Diagnostic& d = checked.diagnostics.all()[0];
      BOOST_TEST(d.code == row.code);
      BOOST_TEST(d.at.span->begin == row.begin);
      BOOST_TEST(d.at.span->end == row.end);
      BOOST_TEST(!d.help.empty());
      if (d.fix) BOOST_TEST(check(apply_fix(row.text, *d.fix)).sound);
    }
  }
}

BOOST_AUTO_TEST_CASE(all_are_reported_up_to_a_bound) {
  const Checked several = check(
      "a\x01"
      "b\xC2\x9F"
      "c\xE2\x80\xAE"
      "d\xFF");
  BOOST_TEST(several.diagnostics.all().size() == 4u);
  const Checked many = check(std::string(5000, '\x01'));
  BOOST_TEST(many.diagnostics.all().size() == 20u);
}

BOOST_AUTO_TEST_CASE(size_is_bounded) {
  BOOST_TEST(check(std::string(source_size_limit, 'a')).sound);
  const Checked large = check(std::string(source_size_limit + 1, 'a'));
  BOOST_REQUIRE(large.diagnostics.all().size() == 1);
  BOOST_TEST(large.diagnostics.all()[0].code == "FAB0118");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
