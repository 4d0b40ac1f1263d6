#include "cli/terminal.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

namespace fabric {
namespace {

Terminal terminal_with(bool is_terminal, const std::map<std::string, const char*>& variables, std::size_t columns = 80) {
  return Terminal::of(1, is_terminal, columns, [&](const char* name) {
    const auto it = variables.find(name);
    return it == variables.end() ? nullptr : it->second;
  });
}

BOOST_AUTO_TEST_SUITE(sanitiser)

struct Case {
  std::string_view text, shown;
};

BOOST_AUTO_TEST_CASE(hostile_text_becomes_visible_escapes) {
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"plain", "plain"},
      {"\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"},
      {"a\rb", "a\\rb"},
      {"a\nb", "a\\nb"},
      {"a\tb", "a\\tb"},
      {"a\0b"sv, "a\\x00b"},
      {"\a\b\v\f", "\\x07\\x08\\x0b\\x0c"},
      {"\x7f", "\\x7f"},
      {"\u0085\u009b31m", "\\u0085\\u009b31m"},
      {"\u202eevil\u202c", "\\u202eevil\\u202c"},
      {"\u2066x\u2069", "\\u2066x\\u2069"},
      {"\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"},
      {"a\u200bb", "a\\u200bb"},
      {"\u2028\u2029", "\\u2028\\u2029"},
      {"\ufeffx", "\\ufeffx"},
      {"\U000e0041", "\\ue0041"},
      {"\xff\xfe", "\\xff\\xfe"},
      {"\xc0\xaf", "\\xc0\\xaf"},                    // overlong /
      {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},           // overlong /
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // a surrogate
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond U+10FFFF
      {"\xc3", "\\xc3"},                             // cut short
      {"\xe6\x97z", "\\xe6\\x97z"},
      {"na\u00efve \u65e5\u672c \U0001f680", "na\u00efve \u65e5\u672c \U0001f680"},
      {"\u200d joins", "\u200d joins"},
  };
  for (const Case& c : cases) BOOST_TEST(sanitised(c.text) == c.shown);
}

BOOST_AUTO_TEST_CASE(what_a_rank_prints_keeps_its_last_state) {
  const Case cases[] = {
      {"10%\r20%\r30%", "30%"},
      {"done\r", "done"},
      {"\x1b[32mok\x1b[0m now", "ok now"},
      {"\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"},
      {"a\tb", "a    b"},
      {"", ""},
  };
  for (const Case& c : cases) BOOST_TEST(sanitised_output(c.text) == c.shown);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(widths)

BOOST_AUTO_TEST_CASE(display_width_counts_columns) {
  const std::pair<std::string_view, std::size_t> cases[] = {
      {"", 0},       {"abc", 3},    {"na\u00efve", 5},           {"\u65e5\u672c", 4}, {"e\u0301", 1}, {"\U0001f680", 2},
      {"\uff21", 2}, {"\uac00", 2}, {"\x1b[1;31mred\x1b[0m", 3}, {"\u2501\u2501", 2}, {"\xff", 1},
  };
  for (const auto& [text, width] : cases) BOOST_TEST(display_width(text) == width, text << " is " << display_width(text) << " wide");
}

BOOST_AUTO_TEST_CASE(shortened_never_splits_a_character) {
  BOOST_TEST(shortened("abcdef", 6) == "abcdef");
  BOOST_TEST(shortened("abcdefg", 6) == "abc...");
  BOOST_TEST(shortened("\u65e5\u672c\u8a9e\u3067\u3059", 6) == "\u65e5...");
  BOOST_TEST(shortened("abcdefg", 2) == "..");
}

BOOST_AUTO_TEST_CASE(wrapped_breaks_at_spaces) {
  BOOST_TEST(wrapped("one two three", 7) == (std::vector<std::string>{"one two", "three"}), boost::test_tools::per_element());
  BOOST_TEST(wrapped("overlongword x", 5) == (std::vector<std::string>{"overlongword", "x"}), boost::test_tools::per_element());
  BOOST_TEST(wrapped("", 5) == std::vector<std::string>{""}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_table_aligns_its_columns_and_wraps_the_last) {
  BOOST_TEST(table({{"a", "\u65e5\u672c", "first"}, {"long", "x", "second"}}, 2, 80) ==
             "  a     \u65e5\u672c  first\n  long  x     second\n");
  BOOST_TEST(table({{"k", "one two three four five six"}}, 0, 23) == "k  one two three four\n   five six\n");
  BOOST_TEST(table({{"n", "x"}, {"10", "200"}}, 0, 80, {0, 1}) == " n    x\n10  200\n");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(abilities)

BOOST_AUTO_TEST_CASE(colour_is_for_terminals_unless_told) {
  BOOST_TEST(terminal_with(true, {{"TERM", "xterm"}}).colour);
  BOOST_TEST(!terminal_with(false, {{"TERM", "xterm"}}).colour);
  BOOST_TEST(!terminal_with(true, {{"TERM", "dumb"}}).colour);
  BOOST_TEST(!terminal_with(true, {}).colour);
  BOOST_TEST(!terminal_with(true, {{"TERM", "xterm"}, {"NO_COLOR", "1"}}).colour);
  BOOST_TEST(terminal_with(true, {{"TERM", "xterm"}, {"NO_COLOR", ""}}).colour);
  BOOST_TEST(!terminal_with(true, {{"TERM", "xterm"}, {"CLICOLOR", "0"}}).colour);
  BOOST_TEST(terminal_with(false, {{"CLICOLOR_FORCE", "1"}}).colour);
  BOOST_TEST(!terminal_with(false, {{"CLICOLOR_FORCE", "0"}}).colour);
  BOOST_TEST(!terminal_with(false, {{"CLICOLOR_FORCE", "1"}, {"NO_COLOR", "1"}}).colour);
}

BOOST_AUTO_TEST_CASE(a_pipe_is_never_drawn_on) {
  BOOST_TEST(!terminal_with(false, {{"TERM", "xterm"}, {"CLICOLOR_FORCE", "1"}}).interactive);
  BOOST_TEST(!terminal_with(true, {{"TERM", "dumb"}}).interactive);
}

BOOST_AUTO_TEST_CASE(width_and_letters) {
  BOOST_TEST(terminal_with(true, {{"TERM", "xterm"}}, 132).width == 132u);
  BOOST_TEST(terminal_with(true, {{"TERM", "xterm"}}, 3).width == 40u);
  BOOST_TEST(terminal_with(false, {}, 0).width == 100u);
  BOOST_TEST(terminal_with(false, {{"COLUMNS", "60"}}, 0).width == 60u);
  BOOST_TEST(terminal_with(false, {{"COLUMNS", "wide"}}, 0).width == 100u);
  BOOST_TEST(terminal_with(true, {{"LANG", "en_GB.UTF-8"}}).unicode);
  BOOST_TEST(!terminal_with(true, {{"LC_ALL", "C"}, {"LANG", "en_GB.UTF-8"}}).unicode);
  BOOST_TEST(!terminal_with(true, {}).unicode);
}

// Of what is no terminal nobody changes the width; a pseudo-terminal is asked for it.
BOOST_AUTO_TEST_CASE(the_width_may_change) {
  Terminal file = terminal_with(false, {}, 0);
  file.interactive = true;
  file.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  file.width = 70;
  BOOST_TEST(file.present_width() == 70u);
  close(file.fd);
  Terminal screen;
  screen.interactive = true;
  screen.width = 70;
  screen.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  BOOST_TEST_REQUIRE(screen.fd >= 0);
  const char* columns = std::getenv("COLUMNS");
  const std::string kept = columns ? columns : "";
  unsetenv("COLUMNS");
  for (const auto& [told, width] : {std::pair<unsigned short, std::size_t>{132, 132}, {7, 40}, {0, 70}}) {
    const winsize size{24, told, 0, 0};
    BOOST_TEST(ioctl(screen.fd, TIOCSWINSZ, &size) == 0);
    BOOST_TEST(screen.present_width() == width);
  }
  if (columns) setenv("COLUMNS", kept.c_str(), 1);
  close(screen.fd);
}

BOOST_AUTO_TEST_CASE(paint_leaves_no_trace_without_colour) {
  BOOST_TEST(terminal_with(false, {}).paint(Style::error, "x") == "x");
  BOOST_TEST(terminal_with(true, {{"TERM", "xterm"}}).paint(Style::error, "x") == "\x1b[1;31mx\x1b[0m");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
