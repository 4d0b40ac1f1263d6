#include <boost/test/unit_test.hpp>

#include "schema/sha256.hpp"
#include "schema/source_map.hpp"

using namespace fabric;

BOOST_AUTO_TEST_SUITE(path)

BOOST_AUTO_TEST_CASE(written_form_round_trips) {
  for (const char* text : {"", "a", "a.b.c", "a[0]", "a[0][12].b", "profiles.\"a.b\".seed", "\"\\\"x\\\\\"", "[3]", "env.\"A B\""}) {
    const auto parsed = Path::parse(text);
    BOOST_REQUIRE_MESSAGE(parsed, text);
    BOOST_CHECK_EQUAL(parsed->str(), text);
  }
  for (const char* text : {".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a[1", "\"a", "a]b", "a b"}) BOOST_CHECK_MESSAGE(!Path::parse(text), text);
}

BOOST_AUTO_TEST_CASE(erasing_below_a_path_takes_all_of_it_and_nothing_else) {
  SourceMap map;
  for (const char* p : {"", "a", "a.b", "a.b[0]", "a.b.c.d", "ab", "a-b", "a[0]", "b"}) map.set(p, {});
  map.erase_below("a");
  std::string left;
  for (const auto& [p, origin] : map.all()) left += p.str() + ' ';
  BOOST_CHECK_EQUAL(left, " a-b ab b ");
}

BOOST_AUTO_TEST_CASE(nearest_is_the_closest_written_ancestor) {
  SourceMap map;
  map.set("a", {});
  Path found;
  BOOST_CHECK(map.nearest("a.b.c", found) && found == Path("a"));
  BOOST_CHECK(!map.nearest("x", found));
}

BOOST_AUTO_TEST_CASE(positions_count_code_points) {
  const std::string text = "ab\n\xc3\xa9" "x\n";
  BOOST_CHECK_EQUAL(position_of(text, 0).line, 1u);
  BOOST_CHECK_EQUAL(position_of(text, 5).line, 2u);
  BOOST_CHECK_EQUAL(position_of(text, 5).column, 2u);
  BOOST_CHECK_EQUAL(position_of(text, 999).line, 3u);
}

BOOST_AUTO_TEST_CASE(sha256_of_known_texts) {  // FIPS 180-4 examples
  BOOST_CHECK_EQUAL(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  BOOST_CHECK_EQUAL(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

BOOST_AUTO_TEST_SUITE_END()
