#include <algorithm>
#include <map>
#include <random>

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"
#include "schema/path.hpp"
#include "schema/source_map.hpp"

using namespace fabric;

namespace {

// A path of up to five steps over few and awkward keys, so that prefixes and neighbours meet often.
Path random_path(std::mt19937& random) {
  static const std::string keys[] = {"a",  "b",   "ab",  "a.b",      "",     "a-b", "A", "0", "\"",
                                     "\\", "a b", "[0]", "\xC3\xA9", "\x01", "a=b", "]", "\n"};
  Path path;
  for (std::size_t steps = random() % 6; steps > 0; --steps)
    path = random() % 3 == 0 ? path / std::size_t{random() % 3} : path / keys[random() % std::size(keys)];
  return path;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(path)

BOOST_AUTO_TEST_CASE(written_form_round_trips) {
  for (const char* text : {"", "a", "a.b.c", "a[0]", "a[0][12].b", "profiles.\"a.b\".seed", "\"\\\"x\\\\\"", "[3]", "env.\"A B\"", "\"\"",
                           "\"\".\"\"", "a.\"\"[0]", "a[18446744073709551615]", "\xC3\xA9.b", "\"[0]\"", "\"a=b\""}) {
    const auto parsed = Path::parse(text);
    BOOST_REQUIRE_MESSAGE(parsed, text);
    BOOST_CHECK_EQUAL(parsed->str(), text);
  }
}

BOOST_AUTO_TEST_CASE(ill_formed_text_is_no_path) {
  for (const char* text : {".",      "..",     "a.",    ".a",    "a..b", "a[",    "a[]",    "a[x]",
                           "a[-1]",  "a[+1]",  "a[ 1]", "a[1 ]", "a[1",  "a[1x]", "a[1.0]", "a]",
                           "a]b",    "[",      "]",     "a.[0]", "[0]a", "\"a",   "\"",     "\"a\\",
                           "\"a\"b", "a\"b\"", "a b",   " a",    "a ",   "a=b",   "a\\b",   "a[18446744073709551616]"})
    BOOST_CHECK_MESSAGE(!Path::parse(text), '`' << text << "` was taken");
}

BOOST_AUTO_TEST_CASE(every_path_is_read_back_from_its_written_form) {
  std::mt19937 random(1);
  for (int i = 0; i < 5000; ++i) {
    const Path path = random_path(random);
    const auto back = Path::parse(path.str());
    BOOST_REQUIRE_MESSAGE(back, path.str());
    BOOST_REQUIRE_MESSAGE(*back == path, path.str());
  }
}

BOOST_AUTO_TEST_CASE(keys_and_indices_are_different_steps) {
  BOOST_CHECK(Path("a[0]") != Path("a") / "0");
  BOOST_CHECK_EQUAL((Path("a") / "0").str(), "a.0");
  BOOST_CHECK_EQUAL((Path("a") / std::size_t{0}).str(), "a[0]");
}

BOOST_AUTO_TEST_CASE(parents_and_prefixes) {
  BOOST_CHECK(Path("a.b[0]").parent() == Path("a.b"));
  BOOST_CHECK(Path("").parent() == Path(""));
  BOOST_CHECK(Path("a.b").starts_with("a"));
  BOOST_CHECK(Path("a.b").starts_with(""));
  BOOST_CHECK(Path("a.b").starts_with("a.b"));
  BOOST_CHECK(!Path("ab").starts_with("a"));
  BOOST_CHECK(!Path("a").starts_with("a.b"));
}

BOOST_AUTO_TEST_CASE(find_walks_keys_and_indices) {
  const Value root = *read_json(R"({"a": [10, {"b": null}], "0": 5})");
  BOOST_CHECK(find(root, "") == &root);
  BOOST_CHECK(*find(root, "a[0]") == Value(10));
  BOOST_CHECK(find(root, "a[1].b")->is_null());
  BOOST_CHECK(*find(root, "0") == Value(5));
  for (const char* none : {"b", "a.b", "a[2]", "[0]", "a[0].x", "a[0][0]", "a[1].b.c"}) BOOST_CHECK_MESSAGE(!find(root, none), none);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(source_map)

// erase_below goes from a path to the end of what begins with it: a path must sort right before all that is under it, with nothing
// else between.
BOOST_AUTO_TEST_CASE(what_is_under_a_path_sorts_right_after_it) {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    std::vector<Path> paths(40);
    for (Path& p : paths) p = random_path(random);
    std::sort(paths.begin(), paths.end());
    for (const Path& prefix : paths) {
      const auto first = std::lower_bound(paths.begin(), paths.end(), prefix);
      const auto end = std::find_if_not(first, paths.end(), [&](const Path& p) { return p.starts_with(prefix); });
      BOOST_REQUIRE(std::none_of(paths.begin(), first, [&](const Path& p) { return p.starts_with(prefix); }));
      BOOST_REQUIRE(std::none_of(end, paths.end(), [&](const Path& p) { return p.starts_with(prefix); }));
    }
  }
}

BOOST_AUTO_TEST_CASE(erasing_below_a_path_takes_all_of_it_and_nothing_else) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    SourceMap map;
    std::map<Path, std::uint32_t> left;
    for (std::uint32_t i = 0; i < 40; ++i) {
      const Path p = random_path(random);
      map.set(p, Origin{std::nullopt, Span{0, i, i}});
      left[p] = i;
    }
    const Path gone = random_path(random);
    map.erase_below(gone);
    std::erase_if(left, [&](const auto& entry) { return entry.first.starts_with(gone); });
    BOOST_REQUIRE_EQUAL(map.all().size(), left.size());
    for (const auto& [p, i] : left) BOOST_REQUIRE(map.find(p) && map.find(p)->value.begin == i);
  }
}

BOOST_AUTO_TEST_CASE(the_last_origin_holds) {
  SourceMap map;
  map.set("b", Origin{std::nullopt, Span{0, 1, 2}});
  map.set("a", Origin{std::nullopt, Span{0, 3, 4}});
  map.set("b", Origin{std::nullopt, Span{1, 5, 6}, true});
  BOOST_CHECK_EQUAL(map.all().size(), 2u);
  BOOST_CHECK(map.find("b")->computed);
  BOOST_CHECK_EQUAL(map.find("b")->value.begin, 5u);
}

BOOST_AUTO_TEST_CASE(nearest_is_the_closest_written_ancestor) {
  SourceMap map;
  map.set("a", {});
  map.set("a.b[1]", {});
  Path found;
  BOOST_CHECK(map.nearest("a.b.c", found) && found == Path("a"));
  BOOST_CHECK(map.nearest("a.b[1].x.y", found) && found == Path("a.b[1]"));
  BOOST_CHECK(map.nearest("a", found) && found == Path("a"));
  BOOST_CHECK(!map.nearest("x", found));
  map.set("", {});
  BOOST_CHECK(map.nearest("x.y", found) && found.empty());
}

BOOST_AUTO_TEST_CASE(positions_count_code_points) {
  const std::string text =
      "ab\n\xc3\xa9"
      "x\r\n\nlast";
  const std::pair<std::size_t, std::pair<std::size_t, std::size_t>> rows[] = {
      {0, {1, 1}}, {2, {1, 3}}, {3, {2, 1}}, {5, {2, 2}}, {6, {2, 3}}, {8, {3, 1}}, {9, {4, 1}}, {12, {4, 4}}, {13, {4, 5}}, {999, {4, 5}}};
  for (const auto& [offset, at] : rows) {
    BOOST_CHECK_EQUAL(position_of(text, offset).line, at.first);
    BOOST_CHECK_EQUAL(position_of(text, offset).column, at.second);
  }
  BOOST_CHECK_EQUAL(position_of("", 5).line, 1u);
}

BOOST_AUTO_TEST_SUITE_END()
