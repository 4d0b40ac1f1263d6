#include "cli/render_diagnostics.hpp"

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"

namespace fabric {
namespace {

// Some sources, their map, and diagnostics about them.
struct Report {
  Sources sources;
  SourceMap origins;
  Diagnostics diagnostics;
  Terminal terminal;

  std::uint32_t file(std::string name, std::string text) { return sources.add({std::move(name), std::move(text), Source::Kind::file}); }

  // The first place of `word` in a source.
  Span span(std::uint32_t source, std::string_view word) const {
    const std::size_t at = sources[source].text.find(word);
    BOOST_REQUIRE(at != std::string::npos);
    return {source, static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(at + word.size())};
  }

  Diagnostic& add(Place at, std::string message = "something is wrong") {
    pending.emplace_back();
    pending.back().code = "FAB2001";
    pending.back().message = std::move(message);
    pending.back().at = std::move(at);
    return pending.back();
  }

  std::string text() {
    settle();
    return render_diagnostics(diagnostics, sources, origins, terminal);
  }
  std::string json() {
    settle();
    return canonical_json(diagnostics_value(diagnostics, sources, origins));
  }

 private:
  void settle() {
    for (Diagnostic& d : pending) diagnostics.add(std::move(d));
    pending.clear();
  }
  std::vector<Diagnostic> pending;
};

const std::string one_error = "1 error  (fabric explain FAB2001 tells more)\n";

BOOST_AUTO_TEST_CASE(nothing_to_say) { BOOST_TEST(Report().text() == ""); }

BOOST_AUTO_TEST_CASE(an_error_shows_its_place_and_the_way_out) {
  Report r;
  const auto f = r.file("job.yaml", "fabric: 1\nname: x\nprecison: 16-mixed\nseed: 1\n");
  Diagnostic& d = r.add(r.span(f, "precison"), "unknown key `precison`");
  d.label = "no such field";
  d.help = "did you mean `precision`?";
  BOOST_TEST(r.text() ==
             "error[FAB2001]: unknown key `precison`\n"
             "  --> job.yaml:3:1\n"
             "   |\n"
             " 3 | precison: 16-mixed\n"
             "   | ^^^^^^^^ no such field\n"
             "   = help: did you mean `precision`?\n"
             "\n" +
                 one_error);
}

BOOST_AUTO_TEST_CASE(notes_stand_with_their_own_place_or_without_one) {
  Report r;
  const auto f = r.file("job.yaml", "seed: 1\na: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\nseed: 2\n");
  Diagnostic& d = r.add(Span{f, 48, 52}, "`seed` is written twice");
  d.notes.push_back({"first written here", Span{f, 0, 4}});
  d.notes.push_back({"a key has one value", {}});
  BOOST_TEST(r.text() ==
             "error[FAB2001]: `seed` is written twice\n"
             "   --> job.yaml:10:1\n"
             "    |\n"
             " 10 | seed: 2\n"
             "    | ^^^^\n"
             "note: first written here\n"
             "   --> job.yaml:1:1\n"
             "    |\n"
             "  1 | seed: 1\n"
             "    | ----\n"
             "    = note: a key has one value\n"
             "\n" +
                 one_error);
}

BOOST_AUTO_TEST_CASE(an_option_is_shown_as_it_was_typed) {
  Report r;
  const std::uint32_t o = r.sources.add({"--set", "devices=x", Source::Kind::option});
  r.add(r.span(o, "x"));
  BOOST_TEST(r.text() ==
             "error[FAB2001]: something is wrong\n"
             "  --> command line\n"
             "   |\n"
             "   | --set devices=x\n"
             "   |               ^\n"
             "\n" +
                 one_error);
}

BOOST_AUTO_TEST_CASE(a_computed_value_has_a_file_and_a_path) {
  Report r;
  const auto f = r.file("job.jsonnet", "{seed: 1 + 1}\n");
  r.origins.set("seed", {std::nullopt, {f, 0, 14}, true});
  r.add(Place(Path("seed")));
  BOOST_TEST(r.text() == "error[FAB2001]: something is wrong\n  --> job.jsonnet, at `seed`\n\n" + one_error);
}

BOOST_AUTO_TEST_CASE(what_was_not_written_is_shown_at_the_nearest_key) {
  Report r;
  const auto f = r.file("job.yaml", "fabric: 1\nstop:\n  signal: TERM\n");
  r.origins.set({}, {std::nullopt, {f, 0, 31}, false});
  r.origins.set("stop", {Span{f, 10, 14}, {f, 18, 30}, false});
  r.add(Place(Path("stop.grace")));
  BOOST_TEST(r.text() ==
             "error[FAB2001]: something is wrong\n"
             "  --> job.yaml:2:1 (`stop.grace` is not written; this is what stands nearest)\n"
             "   |\n"
             " 2 | stop:\n"
             "   | ^^^^\n"
             "\n" +
                 one_error);
}

BOOST_AUTO_TEST_CASE(a_path_is_looked_up_at_its_key_or_its_value) {
  Report r;
  const auto f = r.file("job.yaml", "fabric: 1\nseed: -1\n");
  r.origins.set("seed", {r.span(f, "seed"), r.span(f, "-1"), false});
  BOOST_TEST(position_of(r.sources[f].text, locate(Place(Path("seed")), r.sources, r.origins).span->begin).column == 7u);
  BOOST_TEST(position_of(r.sources[f].text, locate(Place(Path("seed"), true), r.sources, r.origins).span->begin).column == 1u);
  BOOST_TEST(!locate(Place(), r.sources, r.origins).span);
}

BOOST_AUTO_TEST_CASE(tabs_and_wide_characters_move_the_caret) {
  Report r;
  const auto f = r.file("job.yaml", "name:\t\"\u65e5\u672c\"\tbad\n");
  r.add(r.span(f, "bad"));
  BOOST_TEST(r.text() ==
             "error[FAB2001]: something is wrong\n"
             "  --> job.yaml:1:12\n"
             "   |\n"
             " 1 | name:    \"\u65e5\u672c\"    bad\n"
             "   |                    ^^^\n"
             "\n" +
                 one_error);
  Report wide;
  const auto g = wide.file("job.yaml", "name: \u65e5\u672c\u8a9e\n");
  wide.add(wide.span(g, "\u65e5\u672c\u8a9e"));
  BOOST_TEST(wide.text().find("   |       ^^^^^^\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(hostile_text_is_shown_and_pointed_at_as_escapes) {
  Report r;
  const auto f = r.file("evil\x1b[2J.yaml", "name: a\x1b[31mb\n");
  r.add(r.span(f, "\x1b[31m"), "a control character, \x1b");
  BOOST_TEST(r.text() ==
             "error[FAB2001]: a control character, \\x1b\n"
             "  --> evil\\x1b[2J.yaml:1:8\n"
             "   |\n"
             " 1 | name: a\\x1b[31mb\n"
             "   |        ^^^^^^^^\n"
             "\n" +
                 one_error);
}

BOOST_AUTO_TEST_CASE(a_long_line_is_cut_around_the_caret) {
  Report r;
  r.terminal.width = 60;
  const auto f = r.file("job.yaml", "a: [" + std::string(300, 'x') + ", bad, " + std::string(300, 'y') + "]\n");
  r.add(r.span(f, "bad"));
  const std::string text = r.text();
  std::size_t at = 0, caret = 0, word = 0;
  while (at < text.size()) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    BOOST_TEST(display_width(line) <= 60u, line);
    if (line.find("^^^") != std::string::npos) caret = line.find("^^^");
    if (line.find("bad,") != std::string::npos) word = line.find("bad,");
    at = end + 1;
  }
  BOOST_TEST(word > 0u);
  BOOST_TEST(caret == word);
  BOOST_TEST(text.find(" 1 | ...") != std::string::npos);
  BOOST_TEST(text.find("...\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_span_over_lines_shows_its_first_line) {
  Report r;
  const auto f = r.file("job.yaml", "train:\n  task: x\n  model: y\n");
  r.add(Span{f, 9, 27});
  BOOST_TEST(r.text().find(" 2 |   task: x\n   |   ^^^^^^^\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_end_of_a_file_can_be_pointed_at) {
  Report r;
  const auto f = r.file("job.yaml", "a: [1,");
  r.add(Span{f, 6, 6});
  BOOST_TEST(r.text().find(" 1 | a: [1,\n   |       ^\n") != std::string::npos);
  Report empty;
  empty.file("job.yaml", "");
  empty.add(Span{0, 0, 0});
  BOOST_TEST(empty.text().find(" 1 |\n   | ^\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(line_ends_of_windows_are_not_shown) {
  Report r;
  const auto f = r.file("job.yaml", "seed: x\r\nname: y\r\n");
  r.add(r.span(f, "x"));
  BOOST_TEST(r.text().find(" 1 | seed: x\n   |       ^\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(errors_come_in_the_order_of_the_file_and_once) {
  Report r;
  const auto f = r.file("job.yaml", "a: 1\nb: 2\nc: 3\n");
  r.add(r.span(f, "c"), "third");
  r.add(Place(), "nowhere");
  r.add(r.span(f, "a"), "first");
  r.add(r.span(f, "c"), "third");
  r.add(r.span(f, "b"), "second").severity = Severity::warning;
  const std::string text = r.text();
  const std::size_t first = text.find("first"), second = text.find("second"), third = text.find("third"), nowhere = text.find("nowhere");
  BOOST_TEST(first < second);
  BOOST_TEST(second < third);
  BOOST_TEST(third < nowhere);
  BOOST_TEST(text.find("third", third + 1) == std::string::npos);
  BOOST_TEST(text.find("warning[FAB2001]: second") != std::string::npos);
  BOOST_TEST(text.ends_with("3 errors, 1 warning  (fabric explain FAB2001 tells more)\n"));
}

BOOST_AUTO_TEST_CASE(no_more_than_fifty_are_shown) {
  Report r;
  const auto f = r.file("job.yaml", std::string(200, 'x'));
  for (std::uint32_t i = 0; i < 70; ++i) r.add(Span{f, i, i + 1}, "number " + std::to_string(i));
  const std::string text = r.text();
  BOOST_TEST(text.find("number 49\n") != std::string::npos);
  BOOST_TEST(text.find("number 50\n") == std::string::npos);
  BOOST_TEST(text.find("20 more are not shown.\n70 errors") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(long_help_is_wrapped_below_itself) {
  Report r;
  r.terminal.width = 50;
  r.add(Place()).help = "this is a rather long piece of advice that does not fit on one line\nand this is a second line";
  BOOST_TEST(r.text().find("   = help: this is a rather long piece of advice\n"
                           "           that does not fit on one line\n"
                           "           and this is a second line\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(colour_only_where_it_is_wanted) {
  Report r;
  const auto f = r.file("job.yaml", "seed: x\n");
  r.add(r.span(f, "x"));
  BOOST_TEST(r.text().find('\x1b') == std::string::npos);
  r.terminal.colour = true;
  BOOST_TEST(r.text().find("\x1b[1;31merror[FAB2001]\x1b[0m") == 0u);
}

BOOST_AUTO_TEST_CASE(the_json_form_says_the_same) {
  Report r;
  const auto f = r.file("job.yaml", "fabric: 1\nna\u00efve: \u00fc x\n");
  Diagnostic& d = r.add(r.span(f, "x"));
  d.label = "here";
  d.help = "do not";
  d.notes.push_back({"key", r.span(f, "na")});
  d.fix = Fix{r.span(f, "x"), "y"};
  BOOST_TEST(
      r.json() ==
      "{\"diagnostics\":[{\"code\":\"FAB2001\",\"column\":10,\"end_column\":11,\"end_line\":2,\"file\":\"job.yaml\","
      "\"fix\":{\"file\":\"job.yaml\",\"length\":1,\"offset\":21,\"replacement\":\"y\"},\"help\":\"do not\",\"label\":\"here\",\"line\":2,"
      "\"message\":\"something is wrong\",\"notes\":[{\"column\":1,\"end_column\":3,\"end_line\":2,\"file\":\"job.yaml\",\"line\":2,"
      "\"message\":\"key\",\"path\":null}],\"path\":null,\"severity\":\"error\"}]}");
}

BOOST_AUTO_TEST_CASE(the_json_form_of_a_computed_value_has_no_line) {
  Report r;
  const auto f = r.file("job.jsonnet", "{}");
  r.origins.set("seed", {std::nullopt, {f, 0, 2}, true});
  r.add(Place(Path("seed"))).fix = Fix{Place(Path("seed")), "1"};
  BOOST_TEST(
      r.json() ==
      "{\"diagnostics\":[{\"code\":\"FAB2001\",\"column\":null,\"end_column\":null,\"end_line\":null,\"file\":\"job.jsonnet\",\"fix\":null,"
      "\"help\":null,\"label\":null,\"line\":null,\"message\":\"something is wrong\",\"notes\":[],\"path\":\"seed\",\"severity\":\"error\"}]}");
}

}  // namespace
}  // namespace fabric
