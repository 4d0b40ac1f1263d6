#include "schema/env_file.hpp"

#include <algorithm>

namespace fabric {
namespace {

constexpr std::string_view blanks = " \t";

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(blanks);
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

class EnvFileReader {
 public:
  explicit EnvFileReader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // a byte order mark, as some editors write
  }

  EnvFile run() {
    while (at_ < text_.size()) line();
    return std::move(file_);
  }

 private:
  void line() {
    const std::size_t begin = at_;
    std::size_t end = std::min(text_.find('\n', at_), text_.size());
    at_ = end + 1;
    if (end > begin && text_[end - 1] == '\r') --end;
    std::string_view content = trimmed(text_.substr(begin, end - begin));
    if (content.empty() || content.front() == '#') return;
    if (content.starts_with("export ") || content.starts_with("export\t")) content = trimmed(content.substr(7));
    const std::size_t equals = content.find('=');
    const std::string_view name = trimmed(content.substr(0, equals));
    const auto offset = [this](std::string_view part) { return static_cast<std::size_t>(part.data() - text_.data()); };
    if (equals == std::string_view::npos || !is_name(name))
      return mistake(offset(content), offset(content) + content.size(), "this line is not NAME=value",
                     "write NAME=value; a line that says nothing begins with #");
    std::string_view value = content.substr(equals + 1);
    const std::size_t blank = value.find_first_not_of(blanks);
    value = blank == std::string_view::npos ? value.substr(value.size()) : value.substr(blank);
    if (!value.empty() && (value.front() == '"' || value.front() == '\'')) return quoted(name, offset(value));
    for (std::size_t i = 0; i < value.size(); ++i)
      if (value[i] == '#' && (i == 0 || blanks.find(value[i - 1]) != std::string_view::npos)) value = value.substr(0, i);
    value = trimmed(value);
    if (value.find('\0') != std::string_view::npos)
      return mistake(offset(content), offset(content) + content.size(), "a variable cannot hold a NUL byte", "remove it");
    add(name, std::string(value));
  }

  void add(std::string_view name, std::string value) {
    const auto begin = static_cast<std::size_t>(name.data() - text_.data());
    file_.variables.push_back({std::string(name), std::move(value), begin, begin + name.size()});
  }

  void quoted(std::string_view name, std::size_t begin) {
    const char quote = text_[begin];
    std::string value;
    std::size_t i = begin + 1;
    for (; i < text_.size() && text_[i] != quote; ++i) {
      if (quote == '"' && text_[i] == '\\' && i + 1 < text_.size()) {
        const char next = text_[++i];
        value += next == 'n' ? "\n" : next == 't' ? "\t" : next == '"' || next == '\\' ? std::string(1, next) : std::string{'\\', next};
      } else {
        value += text_[i];
      }
    }
    const std::size_t line_end = std::min(text_.find('\n', begin), text_.size());
    if (i >= text_.size()) {
      at_ = text_.size();  // what follows may be its value
      return mistake(begin, line_end, "the quote is never closed", std::string("close it with ") + quote);
    }
    if (value.find('\0') != std::string::npos) return mistake(begin, line_end, "a variable cannot hold a NUL byte", "remove it");
    const std::size_t end = std::min(text_.find('\n', i), text_.size());
    std::string_view rest = trimmed(text_.substr(i + 1, end - i - 1));
    while (!rest.empty() && rest.back() == '\r') rest.remove_suffix(1);
    if (!rest.empty() && rest.front() != '#')
      return mistake(i + 1, end, "text follows the closing quote", "put the whole value into the quotes");
    at_ = end + 1;
    add(name, std::move(value));
  }

  void mistake(std::size_t begin, std::size_t end, std::string what, std::string help) {
    file_.mistakes.push_back({begin, end, std::move(what), std::move(help)});
  }

  std::string_view text_;
  std::size_t at_ = 0;
  EnvFile file_;
};

}  // namespace

std::string masked_env_file(std::string_view text) {
  std::string masked(text);
  bool open = false;  // inside a quote that goes over lines
  for (std::size_t at = 0; at < masked.size();) {
    const std::size_t end = std::min(masked.find('\n', at), masked.size());
    const std::string_view line = text.substr(at, end - at);
    const std::size_t equals = line.find('=');
    std::string_view name = trimmed(line.substr(0, equals));
    if (name.starts_with("export ")) name = trimmed(name.substr(7));
    const bool comment = !open && trimmed(line).starts_with('#');
    const bool named = !open && equals != std::string_view::npos && (comment || is_name(name));
    const std::size_t shown = named ? equals + 1 : comment ? line.size() : 0;
    for (std::size_t i = at + shown; i < end; ++i) masked[i] = '*';
    if (named && !comment) {
      const std::string_view value = trimmed(line.substr(equals + 1));
      open = !value.empty() && (value.front() == '"' || value.front() == '\'') && value.find(value.front(), 1) == std::string_view::npos;
    } else if (open) {
      open = line.find_first_of("\"'") == std::string_view::npos;
    }
    at = end + 1;
  }
  return masked;
}

EnvFile read_env_file(std::string_view text) { return EnvFileReader(text).run(); }

}  // namespace fabric
