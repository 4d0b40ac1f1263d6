#include "schema/json.hpp"

#include <cmath>
#include <cstring>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace fabric;

BOOST_AUTO_TEST_SUITE(json)

BOOST_AUTO_TEST_CASE(refused_texts_name_code_and_span) {
  struct Row {
    std::string text;
    const char* code;
    std::string blamed;
  };
  const std::string deep(201, '[');
  const Row rows[] = {
      {"", "FAB0304", ""},
      {"{", "FAB0304", ""},
      {"[1,]", "FAB0305", "]"},
      {"{\"a\":1,}", "FAB0305", "}"},
      {"{a:1}", "FAB0305", "a"},
      {"{'a':1}", "FAB0305", "'"},
      {"[1 2]", "FAB0305", "2"},
      {"tru", "FAB0305", "tru"},
      {"truex", "FAB0305", "truex"},
      {"NaN", "FAB0305", "NaN"},
      {"-", "FAB0305", "-"},
      {"+1", "FAB0305", "+"},
      {"// c\n1", "FAB0305", "/"},
      {"1 2", "FAB0303", "2"},
      {"{\"a\":1,\"a\":2}", "FAB0307", "\"a\""},
      {"{\"a\":1,\"\\u0061\":2}", "FAB0307", "\"\\u0061\""},
      {"99999999999999999999", "FAB0313", "99999999999999999999"},
      {"9223372036854775808", "FAB0313", "9223372036854775808"},
      {"1e400", "FAB0314", "1e400"},
      {"01", "FAB0312", "01"},
      {"1.", "FAB0312", "1."},
      {"1e", "FAB0312", "1e"},
      {"\"abc", "FAB0309", "\"abc"},
      {"\"a\nb\"", "FAB0309", "\n"},
      {"\"a\tb\"", "FAB0310", "\t"},
      {"\"\\q\"", "FAB0308", "\\q"},
      {"\"\\ud800\"", "FAB0308", "\\ud800"},
      {"\"\\udc00\"", "FAB0308", "\\udc00"},
      {"\"\\u12\"", "FAB0308", "\\u12\""},
      {"\"\xff\"", "FAB0311", "\xff"},
      {"\"\xc0\xaf\"", "FAB0311", "\xc0"},
      {"\"\xed\xa0\x80\"", "FAB0311", "\xed"},
      {"\xEF\xBB\xBF{}", "FAB0302", "\xEF\xBB\xBF"},
      {deep, "FAB0306", "["},
  };
  for (const Row& row : rows) {
    Sources sources;
    const std::uint32_t id = sources.add({"t.json", row.text});
    Diagnostics diagnostics;
    BOOST_CHECK(!read_json(sources, id, nullptr, diagnostics));
    BOOST_REQUIRE_EQUAL(diagnostics.all().size(), 1u);
    const Diagnostic& d = diagnostics.all()[0];
    BOOST_CHECK_EQUAL(d.code, row.code);
    BOOST_CHECK_EQUAL(row.text.substr(d.at.span->begin, d.at.span->end - d.at.span->begin), row.blamed);
    BOOST_CHECK(!d.help.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_million_brackets_are_refused_quickly) { BOOST_CHECK(!read_json(std::string(1000000, '['))); }

BOOST_AUTO_TEST_CASE(accepted_texts_agree_with_another_reader) {
  for (const char* text : {"null", "true", "[]", "{}", " [1, -2, 3.5, 1e3, -0, 0.1, 1E-400] ", "{\"a\": {\"b\": [null, false]}, \"\": 1}",
                           "\"\\u00e9\\ud83d\\ude00\\n\\/\"", "\"\xc3\xa9\xf0\x9f\x98\x80\"", "[9223372036854775807, -9223372036854775808]",
                           "[[[[1]]]]", "1.7976931348623157e308", "5e-324"}) {
    const std::optional<Value> ours = read_json(text);
    BOOST_REQUIRE_MESSAGE(ours, text);
    BOOST_CHECK(nlohmann::json::parse(canonical_json(*ours)) == nlohmann::json::parse(text));
    BOOST_CHECK(*read_json(pretty_json(*ours)) == *read_json(canonical_json(*ours)));
  }
}

BOOST_AUTO_TEST_CASE(keys_and_values_know_their_places) {
  const std::string text = "{\"a\": [10, {\"b\" : true}]}";
  Sources sources;
  const std::uint32_t id = sources.add({"t.json", text});
  Diagnostics diagnostics;
  SourceMap map;
  BOOST_REQUIRE(read_json(sources, id, &map, diagnostics));
  const auto slice = [&](const Span& s) { return text.substr(s.begin, s.end - s.begin); };
  BOOST_CHECK_EQUAL(slice(*map.find("a")->key), "\"a\"");
  BOOST_CHECK_EQUAL(slice(map.find("a[0]")->value), "10");
  BOOST_CHECK_EQUAL(slice(*map.find("a[1].b")->key), "\"b\"");
  BOOST_CHECK_EQUAL(slice(map.find("a[1].b")->value), "true");
  BOOST_CHECK(!map.find("a[0]")->key);
}

BOOST_AUTO_TEST_CASE(numbers_in_ecmascript_form) {
  // RFC 8785, appendix B.
  const std::pair<std::uint64_t, const char*> rows[] = {
      {0x0000000000000000, "0"},
      {0x8000000000000000, "0"},
      {0x0000000000000001, "5e-324"},
      {0x8000000000000001, "-5e-324"},
      {0x7fefffffffffffff, "1.7976931348623157e+308"},
      {0xffefffffffffffff, "-1.7976931348623157e+308"},
      {0x4340000000000000, "9007199254740992"},
      {0xc340000000000000, "-9007199254740992"},
      {0x4430000000000000, "295147905179352830000"},
      {0x44b52d02c7e14af5, "9.999999999999997e+22"},
      {0x44b52d02c7e14af6, "1e+23"},
      {0x44b52d02c7e14af7, "1.0000000000000001e+23"},
      {0x444b1ae4d6e2ef4e, "999999999999999700000"},
      {0x444b1ae4d6e2ef4f, "999999999999999900000"},
      {0x444b1ae4d6e2ef50, "1e+21"},
      {0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
      {0x3eb0c6f7a0b5ed8d, "0.000001"},
      {0x41b3de4355555553, "333333333.3333332"},
      {0x41b3de4355555554, "333333333.33333325"},
      {0x41b3de4355555555, "333333333.3333333"},
      {0x41b3de4355555556, "333333333.3333334"},
      {0x41b3de4355555557, "333333333.33333343"},
      {0xbecbf647612f3696, "-0.0000033333333333333333"},
      {0x43143ff3c1cb0959, "1424953923781206.2"},
  };
  for (const auto& [bits, text] : rows) {
    double d;
    std::memcpy(&d, &bits, sizeof d);
    BOOST_CHECK_EQUAL(canonical_json(Value(d)), text);
  }
}

BOOST_AUTO_TEST_CASE(keys_are_sorted_by_utf16_units) {
  // RFC 8785, section 3.2.3.
  const Value value = *read_json("{\"\\u20ac\": \"Euro Sign\", \"\\r\": \"Carriage Return\", \"\\ufb33\": \"Hebrew Letter Dalet With Dagesh\", "
                                 "\"1\": \"One\", \"\\ud83d\\ude00\": \"Emoji: Grinning Face\", \"\\u0080\": \"Control\", "
                                 "\"\\u00f6\": \"Latin Small Letter O With Diaeresis\"}");
  const std::string text = canonical_json(value);
  std::size_t at = 0;
  for (const char* name : {"Carriage", "One", "Control", "Latin", "Euro", "Emoji", "Hebrew"}) {
    const std::size_t next = text.find(name);
    BOOST_CHECK_MESSAGE(next != std::string::npos && next >= at, name << " is out of order in " << text);
    at = next;
  }
}

BOOST_AUTO_TEST_CASE(integers_stay_exact_and_bad_bytes_never_leave) {
  BOOST_CHECK_EQUAL(canonical_json(Value(std::int64_t{9007199254740993})), "9007199254740993");
  BOOST_CHECK_EQUAL(canonical_json(Value("a\xff" "b\x1b")), "\"a\xEF\xBF\xBD" "b\\u001b\"");
}

BOOST_AUTO_TEST_SUITE_END()
