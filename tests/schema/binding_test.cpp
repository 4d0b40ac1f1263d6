#include "schema/binding.hpp"

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"

using namespace fabric;

namespace {

enum class Colour { red, green };

struct Inner {
  std::int64_t n = 5;
  std::optional<std::string> note;
  static constexpr auto fields() { return listed(field("n", &Inner::n), field("note", &Inner::note)); }
  friend bool operator==(const Inner&, const Inner&) = default;
};

struct Outer {
  bool flag = false;
  double real = 0;
  Colour colour{};
  std::vector<Inner> list;
  std::map<std::string, Inner> by_name;
  std::variant<Auto, std::int64_t> count;
  std::optional<std::variant<Auto, Colour>> maybe;
  Value anything;
  static constexpr auto fields() {
    return listed(field("flag", &Outer::flag), field("real", &Outer::real), field("colour", &Outer::colour), field("list", &Outer::list),
                  field("by_name", &Outer::by_name), field("count", &Outer::count), field("maybe", &Outer::maybe),
                  field("anything", &Outer::anything));
  }
  friend bool operator==(const Outer&, const Outer&) = default;
};

constexpr const char* whole = R"({"flag": true, "real": 1, "colour": "green", "list": [{"n": 1, "note": "x"}, {"n": 2, "note": null}],
                                  "by_name": {"b": {"n": 3}}, "count": "auto", "maybe": "red", "anything": [1, {"z": null}]})";

}  // namespace

template <>
struct fabric::Names<Colour> {
  static constexpr std::array<std::pair<std::string_view, Colour>, 2> table{{{"red", Colour::red}, {"green", Colour::green}}};
};

BOOST_AUTO_TEST_SUITE(binding)

BOOST_AUTO_TEST_CASE(a_struct_comes_back_as_it_was) {
  const auto o = from_value<Outer>(*read_json(whole));
  BOOST_CHECK(o.flag && o.real == 1.0 && o.colour == Colour::green);
  BOOST_REQUIRE_EQUAL(o.list.size(), 2u);
  BOOST_CHECK(o.list[0].note == "x" && !o.list[1].note);
  BOOST_CHECK(std::holds_alternative<Auto>(o.count));
  BOOST_CHECK(std::get<Colour>(*o.maybe) == Colour::red);
  BOOST_CHECK(from_value<Outer>(to_value(o)) == o);
  BOOST_CHECK(from_value<Outer>(*read_json(canonical_json(to_value(o)))) == o);
}

BOOST_AUTO_TEST_CASE(every_field_is_written_an_empty_one_as_null) {
  BOOST_CHECK_EQUAL(canonical_json(to_value(Inner{})), R"({"n":5,"note":null})");
  BOOST_CHECK_EQUAL(canonical_json(to_value(Outer{})),
                    R"({"anything":null,"by_name":{},"colour":"red","count":"auto","flag":false,"list":[],"maybe":null,"real":0})");
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused_at_its_place) {
  struct Row {
    const char *path, *json, *where;
  };
  const Row rows[] = {
      {"", "[]", "the document: expected a map, found a list"},
      {"flag", "1", "flag: expected a boolean, found an integer"},
      {"flag", "null", "flag: a boolean is missing here"},
      {"real", "\"1\"", "real: expected a number, found a string"},
      {"real", "true", "real: expected a number, found a boolean"},
      {"colour", "\"blue\"", "colour: unknown word 'blue'"},
      {"colour", "\"Red\"", "colour: unknown word 'Red'"},
      {"colour", "0", "colour: expected a word, found an integer"},
      {"list", "{}", "list: expected a list, found a map"},
      {"list", "[{\"n\": 1}, 2]", "list[1]: expected a map, found an integer"},
      {"list", "[{\"n\": 1.5}]", "list[0].n: expected an integer, found a number"},
      {"list", "[{\"n\": 1e19}]", "list[0].n: expected an integer, found a number"},
      {"list", "[{\"n\": 1, \"note\": 2}]", "list[0].note: expected a string, found an integer"},
      {"list", "[{}]", "list[0].n: an integer is missing here"},
      {"by_name", "[]", "by_name: expected a map, found a list"},
      {"by_name", "{\"a.b\": {\"n\": \"x\"}}", "by_name.\"a.b\".n: expected an integer, found a string"},
      {"count", "\"Auto\"", "count: expected an integer, found a string"},
      {"count", "null", "count: an integer is missing here"},
      {"maybe", "\"blue\"", "maybe: unknown word 'blue'"},
  };
  for (const Row& row : rows) {
    Value v = *read_json(whole);
    if (*row.path) v.set(row.path, *read_json(row.json));
    else v = *read_json(row.json);
    BOOST_CHECK_EXCEPTION(from_value<Outer>(v), BindingError, [&](const BindingError& e) {
      BOOST_CHECK_EQUAL(e.what(), row.where);
      return std::string(row.where).starts_with(e.path.empty() ? "the document" : e.path.str());
    });
  }
}

BOOST_AUTO_TEST_CASE(absent_is_null_and_what_is_unknown_is_passed_over) {
  Value v = *read_json(whole);
  v.set("later_version", 7);
  v.erase("maybe");
  const auto o = from_value<Outer>(v);
  BOOST_CHECK(!o.maybe);
  BOOST_CHECK(!to_value(o).find("later_version"));
  v.erase("flag");
  BOOST_CHECK_THROW(from_value<Outer>(v), BindingError);
}

BOOST_AUTO_TEST_CASE(whole_numbers_and_reals) {
  BOOST_CHECK_EQUAL(from_value<std::int64_t>(Value(3.0)), 3);
  BOOST_CHECK_EQUAL(from_value<double>(Value(3)), 3.0);
  BOOST_CHECK_EQUAL(from_value<std::int64_t>(*read_json("9223372036854775807")), 9223372036854775807);
}

BOOST_AUTO_TEST_SUITE_END()
