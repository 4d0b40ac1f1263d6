#include <boost/test/unit_test.hpp>

#include "read_text.hpp"

namespace fabric {
namespace {

BOOST_AUTO_TEST_SUITE(yaml)

BOOST_AUTO_TEST_CASE(texts_and_their_values) {
  struct Row {
    const char* text;
    const char* json;
  };
  const std::vector<Row> rows = {
      {"a: 1\nb: x\nc: true\nd:\n", R"({"a":1,"b":"x","c":true,"d":null})"},
      {"a: 1", R"({"a":1})"},
      {"\xEF\xBB\xBF"
       "a: 1\n",
       R"({"a":1})"},
      {"---\na: 1\n...\n", R"({"a":1})"},
      {"# c\n\na: 1 # d\n\n# e\n", R"({"a":1})"},
      {"a:\n  - 1\n  - [2, {b: 3}]\n", R"({"a":[1,[2,{"b":3}]]})"},
      {"a:\n- 1\n- 2\nb: 3\n", R"({"a":[1,2],"b":3})"},
      {"a: '010'\nb: \"yes\"\nc: '1e3'\n", R"({"a":"010","b":"yes","c":"1e3"})"},
      {"on: 1\nyes: 2\n010: 3\ny: 4\n", R"({"010":3,"on":1,"y":4,"yes":2})"},
      {"a: |\n  x\n   y\n\n  z\nb: >-\n  f\n  g\n", R"({"a":"x\n y\n\nz\n","b":"f g"})"},
      {"a: 'it''s'\nb: \"t\\tu\\x41\\u00e9\\\n  v\"\n", R"({"a":"it's","b":"t\tuAév"})"},
      {"a: d\n e\n\n f\n", R"({"a":"d e\nf"})"},
      {"a: &x {b: 1}\nc: *x\nd: [*x, *x]\n", R"({"a":{"b":1},"c":{"b":1},"d":[{"b":1},{"b":1}]})"},
      {"a: &x 1\nb: *x\n", R"({"a":1,"b":1})"},
      {"a: &x\nb: *x\n", R"({"a":null,"b":null})"},
      {"a: &x 1\nb: &x 2\nc: *x\n", R"({"a":1,"b":2,"c":2})"},
      {"a: !!str 010\nb: !!int 5\nc: !!float 5\nd: !!map {x: !!bool true}\ne: !!seq []\nf: !!str\n",
       R"({"a":"010","b":5,"c":5,"d":{"x":true},"e":[],"f":""})"},
      {"t: 4:00:00\nu: 1-12:00:00\n", R"({"t":"4:00:00","u":"1-12:00:00"})"},
      {"url: http://host:80/x\nwin: C:\\temp\n", R"({"url":"http://host:80/x","win":"C:\\temp"})"},
      {"? a\n: 1\n", R"({"a":1})"},
      {"a: [x: 1, 2]\n", R"({"a":[{"x":1},2]})"},
      {"a: [1, 2,]\nb: {c: 1,}\n", R"({"a":[1,2],"b":{"c":1}})"},
      {"a: {b: , c: 1}\n", R"({"a":{"b":null,"c":1}})"},
      {"a:\n  # only a comment\nb: 1\n", R"({"a":null,"b":1})"},
      {"-\n- null\n- ~\n", "[null,null,null]"},
      {"a:\nb: null\nc: ~ # d\n", R"({"a":null,"b":null,"c":null})"},
      {"a: 'x' # c\nb: [1] # d\n", R"({"a":"x","b":[1]})"},
      {"a: x#y\nb: it's [fine] {here}\n", R"({"a":"x#y","b":"it's [fine] {here}"})"},
      {"'<<': 1\n", R"({"<<":1})"},
      {"a: {\"b\":1, 'c':2}\n", R"({"a":{"b":1,"c":2}})"},
      {"a: 1\r\nb:\r\n  - x\r\n  - |\r\n    t\r\n", "{\"a\":1,\"b\":[\"x\",\"t\\n\"]}"},
      {"text\n", R"("text")"},
      {"null\n", "null"},
  };
  for (const Row& row : rows) {
    const ReadText read = read_yaml_text(row.text);
    BOOST_TEST_CONTEXT(row.text) {
      BOOST_TEST(read.json() == row.json);
      BOOST_TEST(read.codes() == "");
    }
  }
}

BOOST_AUTO_TEST_CASE(every_key_and_value_has_its_exact_span) {
  struct Row {
    const char* text;
    const char* path;
    const char* key;  // "" for none
    const char* value;
  };
  const std::vector<Row> rows = {
      {"a: 1 # c\n", "a", "a", "1"},
      {"a:   two words   # c\n", "a", "a", "two words"},
      {"\"q k\" : 'v''w' # c\n", "\"q k\"", "\"q k\"", "'v''w'"},
      {"a: \"x\\\"y\"\n", "a", "a", "\"x\\\"y\""},
      {"a:\n  b:\n    c: [1, {d: e}]\n", "a.b.c", "c", "[1, {d: e}]"},
      {"a:\n  b:\n    c: [1, {d: e}]\n", "a.b.c[1]", "", "{d: e}"},
      {"a:\n  b:\n    c: [1, {d: e}]\n", "a.b.c[1].d", "d", "e"},
      {"a:\n  b:\n    c: 1\n  d: 2\ne: 3\n", "a", "a", "b:\n    c: 1\n  d: 2"},
      {"a: [1, # one\n  2 # two\n ] # end\n", "a", "a", "[1, # one\n  2 # two\n ]"},
      {"a: [']', \"}\"]\n", "a", "a", "[']', \"}\"]"},
      {"a: [1, 2, ]\n", "a", "a", "[1, 2, ]"},
      {"a: {}\nb: [ ]\n", "b", "b", "[ ]"},
      {"a:\n- x\n- y\nb: 1\n", "a", "a", "- x\n- y"},
      {"a:\n- x\n- y\nb: 1\n", "a[1]", "", "y"},
      {"a: |\n  x\n   y\n\n  z\n\n# c\nb: 1\n", "a", "a", "|\n  x\n   y\n\n  z"},
      {"a:\n  b: >+2\n      x\n  c: 1\n", "a.b", "b", ">+2\n      x"},
      {"a: |\nb: 1\n", "a", "a", "|"},
      {"a: d\n e\n\n f\nb: 1\n", "a", "a", "d\n e\n\n f"},
      {"a: \"d\n e\" \nb: 1\n", "a", "a", "\"d\n e\""},
      {"a: &x !!str  v\n", "a", "a", "v"},
      {"a: &x\n  b: 1\nc: *x\n", "a", "a", "b: 1"},
      {"a: &x\n  b: 1\nc: *x\n", "c", "c", "*x"},
      {"a: &x\n  b: 1\nc: *x\n", "c.b", "b", "1"},
      {"a: &x [{b: 1}]\nc: {d: *x}\n", "c.d[0].b", "b", "1"},
      {"a:\nb: 1\n", "a", "a", ":"},
      {"a :   # c\nb: 1\n", "a", "a", ":"},
      {"a:\nnull_is: 1\n", "a", "a", ":"},
      {"-\n- 1\n", "[0]", "", "-"},
      {"a: ~\n", "a", "a", "~"},
      {"a: &x null\n", "a", "a", "null"},
      {"a: {b: , c: 1}\n", "a.b", "b", ":"},
      {"- - a\n  - b\n- c: 1\n", "[0]", "", "- a\n  - b"},
      {"- - a\n  - b\n- c: 1\n", "[0][1]", "", "b"},
      {"- - a\n  - b\n- c: 1\n", "[1]", "", "c: 1"},
      {"名前: 'テスト'  # c\n次: 値\n", "名前", "名前", "'テスト'"},
      {"名前: 'テスト'  # c\n次: 値\n", "次", "次", "値"},
      {"a: 1\r\nb: x y\r\nc: d\r\n  e\r\n", "b", "b", "x y"},
      {"a: 1\r\nb: x y\r\nc: d\r\n  e\r\n", "c", "c", "d\r\n  e"},
      {"a: |\r\n  t\r\n  u\r\nb: 1\r\n", "a", "a", "|\r\n  t\r\n  u"},
      {"\xEF\xBB\xBF"
       "a: 1\nb: 2\n",
       "a", "a", "1"},
      {"\xEF\xBB\xBF"
       "a: 1\nb: 2\n",
       "b", "b", "2"},
      {"a: [x: 1, 2]\n", "a[0]", "", "x: 1"},
      {"a: [x: 1, 2]\n", "a[1]", "", "2"},
      {"? a\n: 1\n", "a", "a", "1"},
  };
  for (const Row& row : rows) {
    const ReadText read = read_yaml_text(row.text);
    BOOST_TEST_CONTEXT(row.path << " in " << row.text) {
      const Origin* origin = read.origins.find(*Path::parse(row.path));
      BOOST_REQUIRE(origin);
      BOOST_TEST(read.slice(origin->value) == row.value);
      BOOST_TEST((origin->key ? read.slice(*origin->key) : "") == row.key);
      BOOST_TEST(!origin->computed);
    }
  }
}

void compare_places(const Value& value, const Path& path, const ReadText& read) {
  BOOST_TEST_CONTEXT(path.str()) { BOOST_TEST(read.origins.find(path) != nullptr); }
  if (value.is_array())
    for (std::size_t i = 0; i < value.as_array().size(); ++i) compare_places(value.as_array()[i], path / i, read);
  if (value.is_object())
    for (const Member& m : value.as_object()) compare_places(m.value, path / m.key, read);
}

BOOST_AUTO_TEST_CASE(every_value_has_a_place) {
  const ReadText read = read_yaml_text("a: &x {b: [1, {c: }], d: ~}\ne:\n  - *x\n  -\n  - f: *x\n    g: |\n      t\nh: [*x, *x]\n");
  BOOST_REQUIRE(read.value);
  compare_places(*read.value, Path(), read);
}

BOOST_AUTO_TEST_CASE(columns_count_characters) {
  const ReadText read = read_yaml_text("名前: {値: yes}\n");
  BOOST_REQUIRE(read.diagnostics.all().size() == 1);
  BOOST_TEST(read.place(*read.diagnostics.all()[0].at.span) == "1:9");
}

BOOST_AUTO_TEST_CASE(values_of_set) {
  struct Row {
    const char* text;
    const char* json;
    const char* codes;
  };
  // clang-format off
  const std::vector<Row> rows = {
      {"a=4", "4", ""}, {"a=true", "true", ""}, {"a=null", "null", ""}, {"a=", "null", ""}, {"a=1e-3", "0.001", ""},
      {"a=[0, 2]", "[0,2]", ""}, {"a={b: 1, c: [x]}", R"({"b":1,"c":["x"]})", ""}, {"a=\"4\"", R"("4")", ""}, {"a='x'", R"("x")", ""},
      {"a=x: y", R"("x: y")", ""}, {"a=*x", R"("*x")", ""}, {"a=!x", R"("!x")", ""}, {"a=a=b", R"("a=b")", ""}, {"a=- 1", R"("- 1")", ""},
      {"a= 4", R"(" 4")", ""}, {"a=x # y", R"("x # y")", ""}, {"a=2024-01-01", R"("2024-01-01")", ""}, {"a=[]", "[]", ""},
      {"a=yes", "none", "FAB0111"}, {"a=010", "none", "FAB0112"}, {"a=[0,", "none", "FAB0125"}, {"a={b: 1", "none", "FAB0125"},
      {"a=\"x", "none", "FAB0106"}, {"a='x' y", "none", "FAB0127"}, {"a=[1] 2", "none", "FAB0127"}, {"a=[1]]", "none", "FAB0126"},
      {"a={b: 1, b: 2}", R"({"b":1})", "FAB0102"}, {"a=[*x]", "none", "FAB0130"}, {"a=\x01", "none", "FAB0116"},
  };
  // clang-format on
  for (const Row& row : rows) {
    const ReadText read = read_set_text(row.text);
    BOOST_TEST_CONTEXT(row.text) {
      BOOST_TEST(read.json() == row.json);
      BOOST_TEST(read.codes() == row.codes);
    }
  }
}

BOOST_AUTO_TEST_CASE(places_of_set_lie_in_its_text) {
  const ReadText read = read_set_text("train.devices={ids: [0, 2]}");
  BOOST_TEST(read.slice(read.origins.find("train.devices")->value) == "{ids: [0, 2]}");
  BOOST_TEST(read.slice(read.origins.find("train.devices.ids[1]")->value) == "2");
  BOOST_TEST(read.slice(*read.origins.find("train.devices.ids")->key) == "ids");
  const ReadText scalar = read_set_text("seed=17");
  BOOST_TEST(scalar.slice(scalar.origins.find("seed")->value) == "17");
  const ReadText broken = read_set_text("devices=[0, \"\\q\"]");
  BOOST_REQUIRE(broken.diagnostics.all().size() == 1);
  BOOST_TEST(broken.slice(*broken.diagnostics.all()[0].at.span) == "\\q");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
