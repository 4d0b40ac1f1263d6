// The boundary to the terminal: what it can show, and the one place where text of others is made safe to print. Colour and moving
// lines appear on a terminal only; NO_COLOR takes colour away, CLICOLOR_FORCE brings it to a pipe.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fabric {

enum class Style { plain, strong, faint, error, warning, note, good, accent };

struct Terminal {
  int fd = -1;
  bool interactive = false;  // a line may be drawn again
  bool colour = false;
  bool unicode = false;  // the locale is UTF-8, so that lines and bars may be drawn with more than ASCII
  std::size_t width = 100;

  using Environment = std::function<const char*(const char*)>;  // getenv, or a test's
  static Terminal of(int fd);
  static Terminal of(int fd, bool is_terminal, std::size_t columns, const Environment& environment);

  // width, or what it has become since if the user has changed the size of the terminal.
  std::size_t present_width() const;
  std::string paint(Style style, std::string_view text) const;
  // Writes all of text. A reader that has gone away is no error: what it would have read is dropped. Any other failure throws
  // std::system_error.
  void write(std::string_view text) const;
};

// Writes all of text, however long the reader takes. Returns 0, or the errno of what prevents it.
int write_all(int fd, std::string_view text);

// Standard output, for what was asked for, and standard error, for what went wrong.
struct Console {
  Terminal out;
  Terminal err;
};

// Text of others as one line that cannot move the cursor, change colours, reorder its neighbours or hide: C0 and C1 controls, DEL,
// directional and invisible characters and bytes that are not UTF-8 become visible escapes (\n, \x1b, \u202e).
std::string sanitised(std::string_view text);

// As sanitised, for a line that a rank printed: colours are dropped, and of a line that was drawn over with carriage returns only
// the last state is kept.
std::string sanitised_output(std::string_view line);

// One code point of text at `at`, which moves past it. Bytes that are not UTF-8 come one by one with valid = false.
struct CodePoint {
  char32_t value = 0;
  bool valid = true;
};
CodePoint next_code_point(std::string_view text, std::size_t& at);

// Columns that text takes: 2 for wide characters (East Asian, emoji), 0 for combining ones. Escape sequences of our own colours
// count nothing.
std::size_t display_width(std::string_view text);

// Text with spaces added on its right (left: on its left) up to width columns.
std::string padded(std::string_view text, std::size_t width);
std::string padded_left(std::string_view text, std::size_t width);

// Text cut to width columns, ending in ... where something is missing.
std::string shortened(std::string_view text, std::size_t width);

// Plain text broken at spaces into lines of at most width columns; a longer word stands alone on its line.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

// Rows of cells in columns as wide as their widest cell, two spaces between. Cells may be painted. The last column takes what is
// left of width and is wrapped if it is plain text that does not fit. `right` names the columns that are set flush right.
std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t indent, std::size_t width,
                  const std::vector<std::size_t>& right = {});

}  // namespace fabric
