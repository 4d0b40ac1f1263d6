#include "schema/json.hpp"

#include <cmath>
#include <cstring>
#include <random>
#include <set>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

using namespace fabric;
using namespace std::string_literals;

namespace {

struct Read {
  std::string text;
  Sources sources;
  SourceMap map;
  Diagnostics diagnostics;
  std::optional<Value> value;

  explicit Read(std::string t) : text(std::move(t)) {
    const std::uint32_t id = sources.add({"t.json", text});
    value = read_json(sources, id, &map, diagnostics);
  }
  std::string slice(const Span& s) const { return text.substr(s.begin, s.end - s.begin); }
  // "FAB0305 }, FAB0307 "a"": the codes and what they blame, in order.
  std::string blamed() const {
    std::string out;
    for (const Diagnostic& d : diagnostics.all()) out += (out.empty() ? "" : ", ") + d.code + ' ' + slice(*d.at.span);
    return out;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(json)

BOOST_AUTO_TEST_CASE(refused_texts_name_code_and_span) {
  struct Row {
    std::string text;
    std::string blamed;
  };
  const Row rows[] = {
      // The text ends too early.
      {"", "FAB0304 "},
      {" \n\n", "FAB0304 "},
      {"{", "FAB0304 "},
      {"[", "FAB0304 "},
      {"[1", "FAB0304 "},
      {"[1,", "FAB0304 "},
      {"{\"a\"", "FAB0304 "},
      {"{\"a\":", "FAB0304 "},
      {"{\"a\":1", "FAB0304 "},
      {"{\"a\":1,", "FAB0304 "},
      {"/* open", "FAB0305 /* open, FAB0304 "},
      // What is no JSON.
      {"[1,]", "FAB0305 ,"},
      {"{\"a\":1,}", "FAB0305 ,"},
      {"[1 , \n ]", "FAB0305 ,"},
      {"[,1]", "FAB0305 ,"},
      {"{,}", "FAB0305 ,"},
      {"[1,,2]", "FAB0305 ,"},
      {"{\"a\",1}", "FAB0305 ,"},
      {"{\"a\":1 \"b\":2}", "FAB0305 \""},
      {"{\"a\":1 b:2}", "FAB0305 b"},
      {"{a:1}", "FAB0305 a"},
      {"{1:1}", "FAB0305 1"},
      {"{'a':1}", "FAB0305 '"},
      {"{\"a\" 1}", "FAB0305 1"},
      {"{\"a\"=1}", "FAB0305 ="},
      {"[1 2]", "FAB0305 2"},
      {"[1}", "FAB0305 }"},
      {"{\"a\":1]", "FAB0305 ]"},
      {"]", "FAB0305 ]"},
      {"tru", "FAB0305 tru"},
      {"truex", "FAB0305 truex"},
      {"nullnull", "FAB0305 nullnull"},
      {"True", "FAB0305 True"},
      {"None", "FAB0305 None"},
      {"NaN", "FAB0305 NaN"},
      {"[Infinity]", "FAB0305 Infinity"},
      {"[-Infinity]", "FAB0305 -Infinity"},
      {"+1", "FAB0305 +1"},
      {".5", "FAB0305 .5"},
      // clang-format off
      {"\xE2\x80\x9C" "a\xE2\x80\x9D", "FAB0305 \xE2\x80\x9C"},
      {"[\xC2\xA0" "1]", "FAB0305 \xC2\xA0"},
      // clang-format on
      {"[1]\0"s, "FAB0303 \0"s},
      {"\0"s, "FAB0305 \0"s},
      {"\f1", "FAB0305 \f"},
      {"// c\n1", "FAB0305 // c"},
      {"1 # c", "FAB0305 # c"},
      {"[1, /* one */ 2, /* two */ 3]", "FAB0305 /* one */"},
      {"/", "FAB0305 /"},
      // Text after the value.
      {"1 2", "FAB0303 2"},
      {"{} {}\n", "FAB0303 {}"},
      {"[]]", "FAB0303 ]"},
      {"null,", "FAB0303 ,"},
      // Equal keys.
      {"{\"a\":1,\"a\":2}", "FAB0307 \"a\""},
      {"{\"a\":1,\"\\u0061\":2}", "FAB0307 \"\\u0061\""},
      {"{\"\":1,\"\":2}", "FAB0307 \"\""},
      {"{\"a\":1,\"a\":2,\"a\":3}", "FAB0307 \"a\", FAB0307 \"a\""},
      // Numbers.
      {"99999999999999999999", "FAB0313 99999999999999999999"},
      {"9223372036854775808", "FAB0313 9223372036854775808"},
      {"-9223372036854775809", "FAB0313 -9223372036854775809"},
      {"100000000000000000000", "FAB0313 100000000000000000000"},
      {"1" + std::string(400, '0'), "FAB0313 1" + std::string(400, '0')},
      {"1e400", "FAB0314 1e400"},
      {"-1e400", "FAB0314 -1e400"},
      {"1e99999999999999999999", "FAB0314 1e99999999999999999999"},
      {"1" + std::string(400, '0') + ".0", "FAB0314 1" + std::string(400, '0') + ".0"},
      {"1" + std::string(400, '0') + "e-2", "FAB0314 1" + std::string(400, '0') + "e-2"},
      {"01", "FAB0312 01"},
      {"-01", "FAB0312 -01"},
      {"00", "FAB0312 00"},
      {"-", "FAB0312 -"},
      {"--1", "FAB0312 --1"},
      {"1.", "FAB0312 1."},
      {"1.e3", "FAB0312 1.e3"},
      {"1e", "FAB0312 1e"},
      {"1e+", "FAB0312 1e+"},
      {"1.2.3", "FAB0312 1.2.3"},
      {"1-2", "FAB0312 1-2"},
      {"0x1F", "FAB0312 0x1F"},
      {"1_000", "FAB0312 1_000"},
      {"[12abc]", "FAB0312 12abc"},
      {"[1, 02, 03]", "FAB0312 02, FAB0312 03"},
      // Strings.
      {"\"abc", "FAB0309 \"abc"},
      {"\"", "FAB0309 \""},
      {"\"abc\\", "FAB0309 \"abc\\"},
      {"\"abc\\\"", "FAB0309 \"abc\\\""},
      {"\"a\nb\"", "FAB0309 \"a"},
      {"\"a\rb\"", "FAB0309 \"a"},
      {"\"a\tb\"", "FAB0310 \t"},
      {"\"a\x1b[1m\x1b[0m\"", "FAB0310 \x1b"},
      {"\"a\0b\""s, "FAB0310 \0"s},
      {"\"\\q\"", "FAB0308 \\q"},
      {"\"\\x41\"", "FAB0308 \\x"},
      {"\"\\'\"", "FAB0308 \\'"},
      {"\"\\U0041\"", "FAB0308 \\U"},
      {"\"C:\\Data\\Images\"", "FAB0308 \\D, FAB0308 \\I"},
      {"\"\\\xC3\xA9\"", "FAB0308 \\\xC3\xA9"},
      {"\"\\ud800\"", "FAB0308 \\ud800"},
      {"\"\\ud800x\"", "FAB0308 \\ud800"},
      {"\"\\udc00\"", "FAB0308 \\udc00"},
      {"\"\\ud800\\u0041\"", "FAB0308 \\ud800"},
      {"\"\\ud800\\ud800\\udc00\"", "FAB0308 \\ud800"},
      {"\"\\udc00\\ud800\"", "FAB0308 \\udc00, FAB0308 \\ud800"},
      {"\"\\u12\"", "FAB0308 \\u12"},
      {"\"\\u12G4\"", "FAB0308 \\u12"},
      {"\"\\u\"", "FAB0308 \\u"},
      {"\"\\u 041\"", "FAB0308 \\u"},
      // Bytes that are no UTF-8: a stray one, overlong, a surrogate, beyond U+10FFFF, cut off.
      {"\"\xff\"", "FAB0311 \xff"},
      {"\"\x80\"", "FAB0311 \x80"},
      {"\"\xc0\xaf\"", "FAB0311 \xc0\xaf"},
      {"\"\xe0\x80\x80\"", "FAB0311 \xe0\x80\x80"},
      {"\"\xed\xa0\x80\"", "FAB0311 \xed\xa0\x80"},
      {"\"\xf0\x80\x80\x80\"", "FAB0311 \xf0\x80\x80\x80"},
      {"\"\xf4\x90\x80\x80\"", "FAB0311 \xf4\x90\x80\x80"},
      {"\"\xf8\"", "FAB0311 \xf8"},
      {"\"\xc3\"", "FAB0311 \xc3"},
      {"\"\xe2\x82\"", "FAB0311 \xe2\x82"},
      {"{\"\xff\": 1}", "FAB0311 \xff"},
      {"\xff", "FAB0311 \xff"},
      {"\xff\xfe{\0}\0"s, "FAB0311 \xff"},
      {"\xEF\xBB\xBF{}", "FAB0302 \xEF\xBB\xBF"},
      {std::string(201, '['), "FAB0306 ["},
      {std::string(1000000, '['), "FAB0306 ["},
  };
  for (const Row& row : rows) {
    const Read read(row.text);
    BOOST_CHECK_MESSAGE(!read.value, row.text << " was taken");
    BOOST_CHECK_MESSAGE(read.blamed() == row.blamed, row.text.substr(0, 60) << ": expected " << row.blamed << ", found " << read.blamed());
    BOOST_CHECK(read.map.all().empty());
    for (const Diagnostic& d : read.diagnostics.all())
      BOOST_CHECK_MESSAGE(!d.help.empty() && !d.message.empty(), row.text << " gets no help");
    std::string why;
    // Only the form in which doubles are written tells the two readers apart.
    if (row.text != "100000000000000000000" && row.text.size() < 300) BOOST_CHECK(!read_json(row.text, &why) && !why.empty());
  }
}

BOOST_AUTO_TEST_CASE(all_errors_of_a_text_come_in_one_go_and_in_order) {
  const Read read("{\n  \"a\": 01,\n  \"b\": \"\\q\",\n  \"a\": 1e999,\n  \"c\": [1, 2,],\n  \"d\": 12345678901234567890 }");
  BOOST_CHECK_EQUAL(read.blamed(), "FAB0312 01, FAB0308 \\q, FAB0307 \"a\", FAB0314 1e999, FAB0305 ,, FAB0313 12345678901234567890");
}

BOOST_AUTO_TEST_CASE(notes_show_the_other_place) {
  const Read twice("{\"x\": {\"k\": 1, \"other\": 2, \"k\": 3}}");
  BOOST_REQUIRE_EQUAL(twice.diagnostics.all().size(), 1u);
  const Diagnostic& d = twice.diagnostics.all()[0];
  BOOST_REQUIRE_EQUAL(d.notes.size(), 1u);
  BOOST_CHECK_EQUAL(d.notes[0].at.span->begin, 7u);
  BOOST_CHECK_EQUAL(d.at.span->begin, 27u);

  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += "\"key" + std::to_string(i % 99) + "\": 1" + (i < 99 ? "," : "}");
  const Read wide(many);
  BOOST_CHECK_EQUAL(wide.blamed(), "FAB0307 \"key0\"");
  BOOST_CHECK_EQUAL(wide.diagnostics.all()[0].notes[0].at.span->begin, 1u);

  const Read cut("{\"a\": [1, 2\n");
  BOOST_CHECK_EQUAL(cut.diagnostics.all()[0].at.span->begin, 11u);
  BOOST_REQUIRE_EQUAL(cut.diagnostics.all()[0].notes.size(), 1u);
  BOOST_CHECK_EQUAL(cut.diagnostics.all()[0].notes[0].at.span->begin, 6u);
}

BOOST_AUTO_TEST_CASE(help_fits_the_mistake) {
  const std::pair<const char*, const char*> rows[] = {{"NaN", "NaN"},           {"[-Infinity]", "infinity"}, {"True", "true"},
                                                      {"'a'", "double quotes"}, {"{a: 1}", "double quotes"}, {"// x\n1", "YAML"},
                                                      {"+1", "plus"},           {".5", "digit before"},      {"\"C:\\Data\"", "\\\\"},
                                                      {"1_0", "underscores"},   {"\xff\xfe", "UTF-16"}};
  for (const auto& [text, word] : rows) {
    const Read read(text);
    BOOST_REQUIRE(!read.diagnostics.all().empty());
    BOOST_CHECK_MESSAGE(read.diagnostics.all()[0].help.find(word) != std::string::npos, text << ": " << read.diagnostics.all()[0].help);
  }
}

BOOST_AUTO_TEST_CASE(a_text_of_errors_is_given_up) {
  std::string text = "[";
  for (int i = 0; i < 100000; ++i) text += "01,";
  const Read read(text);
  BOOST_CHECK_EQUAL(read.diagnostics.all().size(), 100u);
}

BOOST_AUTO_TEST_CASE(depth_up_to_the_limit_is_taken) {
  std::string text = std::string(json_depth_limit, '[') + std::string(json_depth_limit, ']');
  BOOST_CHECK(read_json(text));
  BOOST_CHECK(!read_json('[' + text + ']'));
  text.clear();
  for (std::size_t i = 0; i < json_depth_limit; ++i) text += "{\"a\":";
  BOOST_CHECK(read_json(text + '1' + std::string(json_depth_limit, '}')));
}

BOOST_AUTO_TEST_CASE(accepted_texts_agree_with_another_reader) {
  for (const char* text :
       {"null", "true", "false", "[]", "{}", " [1, -2, 3.5, 1e3, -0, 0.1, 1E-400] ", "{\"a\": {\"b\": [null, false]}, \"\": 1}",
        "\t\r\n 0 \n", "\"\\u00e9\\ud83d\\ude00\\n\\/\\\"\\\\\\b\\f\\r\\t\"",
        "\"\xc3\xa9\xf0\x9f\x98\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\"", "[9223372036854775807, -9223372036854775808]", "[[[[1]]]]",
        "1.7976931348623157e308", "5e-324", "2.2250738585072011e-308", "1e-99999999999999999999",
        "[0.1, 0.10000000000000001, 1e23, 123456789012345680.0, 1E+2, -1.5e-7]", "\"\\u0000\\u001f\x7f\"", "{\"a\":[],\"b\":{}}"}) {
    const std::optional<Value> ours = read_json(text);
    BOOST_REQUIRE_MESSAGE(ours, text);
    BOOST_CHECK(nlohmann::json::parse(canonical_json(*ours)) == nlohmann::json::parse(text));
    BOOST_CHECK(nlohmann::json::parse(pretty_json(*ours)) == nlohmann::json::parse(text));
  }
}

// A seeded walk through texts: what this reader takes the other one takes and understands alike; what the other one refuses this one
// refuses.
BOOST_AUTO_TEST_CASE(damaged_texts_are_judged_as_another_reader_judges_them) {
  const std::string good =
      R"({"name": "a\u00e9\n", "list": [1, -2.5e3, true, null, {"k": "v"}], "deep": {"x": [[]], "y": "\\"}, "n": 0.125})";
  const std::string pieces = "{}[]\":,\\0123456789.eE+-truefalsn u\n\t\x01\xff\xc3\xa9/";
  std::mt19937 random(7);
  int taken = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text = good;
    for (int edits = 1 + static_cast<int>(random() % 3); edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text.erase(at, 1 + random() % 3); break;
        case 1: text.insert(at, 1, pieces[random() % pieces.size()]); break;
        case 2: text[at] = pieces[random() % pieces.size()]; break;
        default: text.resize(at + 1); break;
      }
      if (text.empty()) text = " ";
    }
    const std::optional<Value> ours = read_json(text);
    const nlohmann::json theirs = nlohmann::json::parse(text, nullptr, false);
    if (ours) {
      ++taken;
      BOOST_REQUIRE_MESSAGE(!theirs.is_discarded(), text);
      BOOST_REQUIRE_MESSAGE(nlohmann::json::parse(canonical_json(*ours)) == theirs, text);
    } else if (!theirs.is_discarded()) {
      // We are stricter in these alone.
      const Read read(text);
      const std::set<std::string> stricter = {"FAB0307", "FAB0313"};
      for (const Diagnostic& d : read.diagnostics.all()) BOOST_REQUIRE_MESSAGE(stricter.contains(d.code), text << ": " << d.code);
    }
    // Every diagnostic lies in the text.
    const Read read(text);
    for (const Diagnostic& d : read.diagnostics.all()) BOOST_REQUIRE(d.at.span->begin <= d.at.span->end && d.at.span->end <= text.size());
  }
  BOOST_CHECK_GT(taken, 1000);
}

BOOST_AUTO_TEST_CASE(keys_and_values_know_their_places) {
  const Read read("{\"a\": [10, {\"b\" : true, \"\\u00e9\": -1.5e3}],\n \"z\":{}, \"c.d\": \"x y\" }");
  BOOST_REQUIRE(read.value);
  const auto key = [&](const Path& p) { return read.slice(*read.map.find(p)->key); };
  const auto value = [&](const Path& p) { return read.slice(read.map.find(p)->value); };
  BOOST_CHECK_EQUAL(value(""), read.text);
  BOOST_CHECK(!read.map.find("")->key);
  BOOST_CHECK_EQUAL(key("a"), "\"a\"");
  BOOST_CHECK_EQUAL(value("a"), "[10, {\"b\" : true, \"\\u00e9\": -1.5e3}]");
  BOOST_CHECK_EQUAL(value("a[0]"), "10");
  BOOST_CHECK(!read.map.find("a[0]")->key);
  BOOST_CHECK_EQUAL(key("a[1].b"), "\"b\"");
  BOOST_CHECK_EQUAL(value("a[1].b"), "true");
  BOOST_CHECK_EQUAL(key(Path("a[1]") / "\xC3\xA9"), "\"\\u00e9\"");
  BOOST_CHECK_EQUAL(value(Path("a[1]") / "\xC3\xA9"), "-1.5e3");
  BOOST_CHECK_EQUAL(value("z"), "{}");
  BOOST_CHECK_EQUAL(key("\"c.d\""), "\"c.d\"");
  BOOST_CHECK_EQUAL(value("\"c.d\""), "\"x y\"");
  BOOST_CHECK_EQUAL(read.map.all().size(), 8u);
}

BOOST_AUTO_TEST_CASE(members_keep_their_order) {
  const Value value = *read_json("{\"b\":1,\"a\":2,\"c\":3}");
  BOOST_CHECK_EQUAL(value.as_object()[0].key, "b");
  BOOST_CHECK_EQUAL(pretty_json(value), "{\n  \"b\": 1,\n  \"a\": 2,\n  \"c\": 3\n}");
  BOOST_CHECK_EQUAL(canonical_json(value), "{\"a\":2,\"b\":1,\"c\":3}");
  BOOST_CHECK_EQUAL(pretty_json(*read_json("{\"a\":[],\"b\":{},\"c\":[1,[2]]}")),
                    "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    [\n      2\n    ]\n  ]\n}");
}

BOOST_AUTO_TEST_CASE(integers_and_reals_differ) {
  BOOST_CHECK(read_json("1")->is_integer());
  BOOST_CHECK(read_json("-0")->is_integer());
  BOOST_CHECK(read_json("1.0")->is_real());
  BOOST_CHECK(read_json("1e2")->is_real());
  BOOST_CHECK(std::signbit(read_json("-0.0")->as_real()));
  BOOST_CHECK_EQUAL(read_json("0." + std::string(400, '0') + "1")->as_real(), 0.0);
  BOOST_CHECK_EQUAL(read_json("0." + std::string(400, '0') + "1e401")->as_real(), 1.0);
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
    BOOST_CHECK_EQUAL(read_json(text)->as_real(), d);
  }
  BOOST_CHECK_EQUAL(canonical_json(Value(1e-7)), "1e-7");
  BOOST_CHECK_EQUAL(canonical_json(Value(0.001)), "0.001");
  BOOST_CHECK_EQUAL(canonical_json(Value(100.0)), "100");
  BOOST_CHECK_EQUAL(canonical_json(Value(1.5)), "1.5");
}

BOOST_AUTO_TEST_CASE(every_double_comes_back) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random();
    double d;
    std::memcpy(&d, &bits, sizeof d);
    if (!std::isfinite(d)) continue;
    const std::optional<Value> back = read_json(canonical_json(Value(d)));
    BOOST_REQUIRE(back && back->as_real() == d);
  }
  // Where ECMAScript writes many digits and no exponent.
  for (double d = 1e17; d < 1e22; d *= 1.37) BOOST_REQUIRE_EQUAL(read_json(canonical_json(Value(d)))->as_real(), d);
}

BOOST_AUTO_TEST_CASE(keys_are_sorted_by_utf16_units) {
  // RFC 8785, section 3.2.3.
  const Value value = *read_json(
      "{\"\\u20ac\": \"Euro Sign\", \"\\r\": \"Carriage Return\", \"\\ufb33\": \"Hebrew Letter Dalet With Dagesh\", "
      "\"1\": \"One\", \"\\ud83d\\ude00\": \"Emoji: Grinning Face\", \"\\u0080\": \"Control\", "
      "\"\\u00f6\": \"Latin Small Letter O With Diaeresis\"}");
  BOOST_CHECK_EQUAL(
      canonical_json(value),
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xC2\x80\":\"Control\",\"\xC3\xB6\":\"Latin Small Letter O With Diaeresis\","
      "\"\xE2\x82\xAC\":\"Euro Sign\",\"\xF0\x9F\x98\x80\":\"Emoji: Grinning Face\",\"\xEF\xAC\xB3\":\"Hebrew Letter Dalet With Dagesh\"}");
  const auto sorted = [](const char* text) { return canonical_json(*read_json(text)); };
  BOOST_CHECK_EQUAL(sorted("{\"aa\":1,\"a\":2,\"\":3}"), "{\"\":3,\"a\":2,\"aa\":1}");
  BOOST_CHECK_EQUAL(sorted("{\"\\ue000\":1,\"\\ud800\\udc00\":2,\"\\ud7ff\":3}"),
                    "{\"\xED\x9F\xBF\":3,\"\xF0\x90\x80\x80\":2,\"\xEE\x80\x80\":1}");
}

// The example of RFC 8785, section 3.2.4.
BOOST_AUTO_TEST_CASE(the_sample_of_rfc_8785) {
  const Value value = *read_json(
      "{\"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],"
      "\"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\", \"literals\": [null, true, false]}");
  BOOST_CHECK_EQUAL(canonical_json(value),
                    "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
                    "\"string\":\"\xE2\x82\xAC$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

BOOST_AUTO_TEST_CASE(integers_stay_exact_and_bad_bytes_never_leave) {
  BOOST_CHECK_EQUAL(canonical_json(Value(std::int64_t{9007199254740993})), "9007199254740993");
  BOOST_CHECK_EQUAL(canonical_json(Value(std::numeric_limits<std::int64_t>::min())), "-9223372036854775808");
  BOOST_CHECK_EQUAL(canonical_json(Value("a\xff"
                                         "b\x1b\x7f")),
                    "\"a\xEF\xBF\xBD"
                    "b\\u001b\x7f\"");
  BOOST_CHECK_EQUAL(canonical_json(Value("\xed\xa0\x80")), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

BOOST_AUTO_TEST_SUITE_END()
