#include "cli/terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <system_error>

#include <fmt/core.h>

namespace fabric {
namespace {

struct Range {
  char32_t first, last;
};

// Unicode 15, East_Asian_Width W and F, with the unassigned gaps inside blocks of wide characters filled.
constexpr std::array wide{
    Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x2329, 0x232A},   Range{0x23E9, 0x23EC},   Range{0x23F0, 0x23F0},
    Range{0x23F3, 0x23F3},   Range{0x25FD, 0x25FE},   Range{0x2614, 0x2615},   Range{0x2648, 0x2653},   Range{0x267F, 0x267F},
    Range{0x2693, 0x2693},   Range{0x26A1, 0x26A1},   Range{0x26AA, 0x26AB},   Range{0x26BD, 0x26BE},   Range{0x26C4, 0x26C5},
    Range{0x26CE, 0x26CE},   Range{0x26D4, 0x26D4},   Range{0x26EA, 0x26EA},   Range{0x26F2, 0x26F3},   Range{0x26F5, 0x26F5},
    Range{0x26FA, 0x26FA},   Range{0x26FD, 0x26FD},   Range{0x2705, 0x2705},   Range{0x270A, 0x270B},   Range{0x2728, 0x2728},
    Range{0x274C, 0x274C},   Range{0x274E, 0x274E},   Range{0x2753, 0x2755},   Range{0x2757, 0x2757},   Range{0x2795, 0x2797},
    Range{0x27B0, 0x27B0},   Range{0x27BF, 0x27BF},   Range{0x2B1B, 0x2B1C},   Range{0x2B50, 0x2B50},   Range{0x2B55, 0x2B55},
    Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},   Range{0x3400, 0x4DBF},   Range{0x4E00, 0xA4CF},   Range{0xA960, 0xA97F},
    Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},   Range{0xFE10, 0xFE19},   Range{0xFE30, 0xFE6F},   Range{0xFF01, 0xFF60},
    Range{0xFFE0, 0xFFE6},   Range{0x16FE0, 0x18CFF}, Range{0x1AFF0, 0x1B2FF}, Range{0x1F004, 0x1F004}, Range{0x1F0CF, 0x1F0CF},
    Range{0x1F18E, 0x1F18E}, Range{0x1F191, 0x1F19A}, Range{0x1F200, 0x1F320}, Range{0x1F32D, 0x1F335}, Range{0x1F337, 0x1F37C},
    Range{0x1F37E, 0x1F393}, Range{0x1F3A0, 0x1F3CA}, Range{0x1F3CF, 0x1F3D3}, Range{0x1F3E0, 0x1F3F0}, Range{0x1F3F4, 0x1F3F4},
    Range{0x1F3F8, 0x1F43E}, Range{0x1F440, 0x1F440}, Range{0x1F442, 0x1F4FC}, Range{0x1F4FF, 0x1F53D}, Range{0x1F54B, 0x1F54E},
    Range{0x1F550, 0x1F567}, Range{0x1F57A, 0x1F57A}, Range{0x1F595, 0x1F596}, Range{0x1F5A4, 0x1F5A4}, Range{0x1F5FB, 0x1F64F},
    Range{0x1F680, 0x1F6C5}, Range{0x1F6CC, 0x1F6CC}, Range{0x1F6D0, 0x1F6D2}, Range{0x1F6D5, 0x1F6D7}, Range{0x1F6DC, 0x1F6DF},
    Range{0x1F6EB, 0x1F6EC}, Range{0x1F6F4, 0x1F6FC}, Range{0x1F7E0, 0x1F7EB}, Range{0x1F7F0, 0x1F7F0}, Range{0x1F90C, 0x1F93A},
    Range{0x1F93C, 0x1F945}, Range{0x1F947, 0x1F9FF}, Range{0x1FA70, 0x1FAFF}, Range{0x20000, 0x2FFFD}, Range{0x30000, 0x3FFFD},
};

// Marks that sit on the character before them: the blocks of combining marks and the non-spacing marks of scripts in wide use.
constexpr std::array zero{
    Range{0x0300, 0x036F}, Range{0x0483, 0x0489}, Range{0x0591, 0x05BD}, Range{0x05BF, 0x05BF},   Range{0x05C1, 0x05C2},
    Range{0x05C4, 0x05C5}, Range{0x0610, 0x061A}, Range{0x064B, 0x065F}, Range{0x0670, 0x0670},   Range{0x06D6, 0x06DC},
    Range{0x06DF, 0x06E4}, Range{0x0900, 0x0902}, Range{0x093A, 0x093A}, Range{0x093C, 0x093C},   Range{0x0941, 0x0948},
    Range{0x094D, 0x094D}, Range{0x0E31, 0x0E31}, Range{0x0E34, 0x0E3A}, Range{0x0E47, 0x0E4E},   Range{0x1160, 0x11FF},
    Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF}, Range{0x200C, 0x200D}, Range{0x20D0, 0x20F0},   Range{0x302A, 0x302D},
    Range{0x3099, 0x309A}, Range{0xFE00, 0xFE0F}, Range{0xFE20, 0xFE2F}, Range{0xE0100, 0xE01EF},
};

// Characters that change the order of others, break lines or cannot be seen (Unicode TR 36 and CVE-2021-42574).
constexpr std::array deceptive{
    Range{0x00AD, 0x00AD}, Range{0x061C, 0x061C}, Range{0x180E, 0x180E}, Range{0x200B, 0x200B}, Range{0x200E, 0x200F},
    Range{0x2028, 0x202E}, Range{0x2060, 0x206F}, Range{0xFEFF, 0xFEFF}, Range{0xFFF9, 0xFFFB}, Range{0xE0000, 0xE007F},
};

template <std::size_t N>
bool contains(const std::array<Range, N>& ranges, char32_t c) {
  const auto it = std::lower_bound(ranges.begin(), ranges.end(), c, [](const Range& r, char32_t x) { return r.last < x; });
  return it != ranges.end() && it->first <= c;
}

std::size_t width_of(char32_t c) {
  if (c < 0x300) return 1;
  return contains(zero, c) ? 0 : contains(wide, c) ? 2 : 1;
}

std::string_view escape_of(Style style) {
  switch (style) {
    case Style::plain: return "";
    case Style::strong: return "\x1b[1m";
    case Style::faint: return "\x1b[2m";
    case Style::error: return "\x1b[1;31m";
    case Style::warning: return "\x1b[1;33m";
    case Style::note: return "\x1b[1;34m";
    case Style::good: return "\x1b[32m";
    case Style::accent: return "\x1b[36m";
  }
  return "";
}

// The length of the colour sequence ESC [ digits and ; m that starts at `at`, or 0.
std::size_t colour_sequence(std::string_view text, std::size_t at) {
  if (text.substr(at, 2) != "\x1b[") return 0;
  std::size_t end = at + 2;
  while (end < text.size() && (text[end] == ';' || (text[end] >= '0' && text[end] <= '9'))) ++end;
  return end < text.size() && text[end] == 'm' ? end + 1 - at : 0;
}

bool set(const char* text) { return text && *text; }

}  // namespace

Terminal Terminal::of(int fd, bool is_terminal, std::size_t columns, const Environment& environment) {
  Terminal t;
  t.fd = fd;
  const char* term = environment("TERM");
  const bool dumb = !set(term) || std::string_view(term) == "dumb";
  t.interactive = is_terminal && !dumb;
  const char* off = environment("CLICOLOR");
  t.colour = t.interactive && !(off && std::string_view(off) == "0");
  const char* force = environment("CLICOLOR_FORCE");
  if (set(force) && std::string_view(force) != "0") t.colour = true;
  if (set(environment("NO_COLOR"))) t.colour = false;
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* locale = environment(name);
    if (!set(locale)) continue;
    std::string lower(locale);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    t.unicode = lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
    break;
  }
  if (const char* wish = environment("COLUMNS"); set(wish)) {
    const std::string_view digits(wish);
    std::size_t wished = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), wished).ec == std::errc{} && wished > 0) columns = wished;
  }
  if (columns > 0) t.width = std::clamp<std::size_t>(columns, 40, 400);
  return t;
}

Terminal Terminal::of(int fd) {
  winsize size{};
  const bool is_terminal = isatty(fd) == 1;
  if (is_terminal && ioctl(fd, TIOCGWINSZ, &size) != 0) size.ws_col = 0;
  return of(fd, is_terminal, is_terminal ? size.ws_col : 0, [](const char* name) { return std::getenv(name); });
}

std::size_t Terminal::present_width() const {
  winsize size{};
  if (!interactive || set(std::getenv("COLUMNS")) || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return width;
  return std::clamp<std::size_t>(size.ws_col, 40, 400);
}

std::string Terminal::paint(Style style, std::string_view text) const {
  if (!colour || style == Style::plain || text.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", escape_of(style), text);
}

int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      // Another holder of the same open file has made it non-blocking.
      pollfd watched{fd, POLLOUT, 0};
      poll(&watched, 1, -1);
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

void Terminal::write(std::string_view text) const {
  const int error = write_all(fd, text);
  if (error != 0 && error != EPIPE)
    throw std::system_error(error, std::generic_category(),
                            fd == STDOUT_FILENO ? "cannot write to standard output" : "cannot write to standard error");
}

CodePoint next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  const std::size_t begin = at++;
  if (lead < 0x80) return {lead, true};
  const std::size_t length = lead >= 0xC2 && lead < 0xE0 ? 2 : lead >= 0xE0 && lead < 0xF0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
  if (length == 0 || begin + length > text.size()) return {lead, false};
  char32_t c = lead & (0xFF >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(begin + i) & 0xC0) != 0x80) return {lead, false};
    c = c << 6 | (byte(begin + i) & 0x3F);
  }
  const bool overlong = (length == 3 && c < 0x800) || (length == 4 && c < 0x10000);
  if (overlong || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return {lead, false};
  at = begin + length;
  return {c, true};
}

std::string sanitised(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const CodePoint c = next_code_point(text, at);
    if (!c.valid) {
      fmt::format_to(std::back_inserter(safe), "\\x{:02x}", static_cast<unsigned>(c.value));
    } else if (c.value == '\n') {
      safe += "\\n";
    } else if (c.value == '\r') {
      safe += "\\r";
    } else if (c.value == '\t') {
      safe += "\\t";
    } else if (c.value < 0x20 || c.value == 0x7F) {
      fmt::format_to(std::back_inserter(safe), "\\x{:02x}", static_cast<unsigned>(c.value));
    } else if ((c.value >= 0x80 && c.value < 0xA0) || contains(deceptive, c.value)) {
      fmt::format_to(std::back_inserter(safe), "\\u{:04x}", static_cast<unsigned>(c.value));
    } else {
      safe += text.substr(begin, at - begin);
    }
  }
  return safe;
}

std::string sanitised_output(std::string_view line) {
  while (line.ends_with('\r')) line.remove_suffix(1);
  if (const std::size_t last = line.rfind('\r'); last != std::string_view::npos) line.remove_prefix(last + 1);
  std::string plain;
  for (std::size_t at = 0; at < line.size();) {
    if (const std::size_t n = colour_sequence(line, at)) {
      at += n;
    } else if (line[at] == '\t') {
      plain += "    ";
      ++at;
    } else {
      plain += line[at++];
    }
  }
  return sanitised(plain);
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t n = colour_sequence(text, at)) {
      at += n;
      continue;
    }
    const CodePoint c = next_code_point(text, at);
    width += c.valid ? width_of(c.value) : 1;
  }
  return width;
}

std::string padded(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(text) + std::string(width > used ? width - used : 0, ' ');
}

std::string padded_left(std::string_view text, std::size_t width) {
  const std::size_t used = display_width(text);
  return std::string(width > used ? width - used : 0, ' ') + std::string(text);
}

std::string shortened(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  const std::size_t room = width > 3 ? width - 3 : 0;
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t next = at;
    const CodePoint c = next_code_point(text, next);
    used += c.valid ? width_of(c.value) : 1;
    if (used > room) break;
    at = next;
  }
  return std::string(text.substr(0, at)) + std::string("...").substr(0, width);
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines(1);
  std::size_t used = 0;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    const std::size_t columns = display_width(word);
    if (!lines.back().empty() && used + 1 + columns > width) {
      lines.emplace_back();
      used = 0;
    }
    if (!lines.back().empty()) {
      lines.back() += ' ';
      ++used;
    }
    lines.back() += word;
    used += columns;
    at = end + 1;
  }
  return lines;
}

std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t indent, std::size_t width,
                  const std::vector<std::size_t>& right) {
  constexpr std::size_t gap = 2;
  std::vector<std::size_t> columns;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == columns.size()) columns.push_back(0);
      columns[i] = std::max(columns[i], display_width(row[i]));
    }
  std::size_t last_begin = indent;
  for (std::size_t i = 0; i + 1 < columns.size(); ++i) last_begin += columns[i] + gap;
  const std::size_t room = width > last_begin + 16 ? width - last_begin : 16;

  std::string text;
  for (const auto& row : rows) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == columns.size();
      const bool flush_right = std::find(right.begin(), right.end(), i) != right.end();
      if (last && !flush_right && display_width(row[i]) > room && row[i].find('\x1b') == std::string::npos) {
        const std::vector<std::string> lines = wrapped(row[i], room);
        for (std::size_t k = 0; k < lines.size(); ++k) {
          if (k > 0) line += '\n' + std::string(last_begin, ' ');
          line += lines[k];
        }
      } else if (flush_right) {
        line += padded_left(row[i], columns[i]);
      } else {
        line += i + 1 == row.size() ? row[i] : padded(row[i], columns[i]);
      }
      if (i + 1 < row.size()) line += std::string(gap, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace fabric
