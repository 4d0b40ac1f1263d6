#include "cli/import/bash_statements.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace fabric {
namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

constexpr int deepest = 50;  // of substitutions in substitutions

std::size_t behind_part(std::string_view text, std::size_t at, int depth_of_parts);

// Behind the character that closes what begins at `at` with `open`; parts inside are passed over whole.
std::size_t behind_closing(std::string_view text, std::size_t at, char open, char close, int depth_of_parts = 0) {
  if (depth_of_parts > deepest) return text.size();
  for (int depth = 0; at < text.size();) {
    const char c = text[at];
    if (c == '\\') {
      at += 2;
    } else if (c == '\'' || c == '"' || c == '`' ||
               (c == '$' && at + 1 < text.size() && (text[at + 1] == '(' || text[at + 1] == '{' || text[at + 1] == '\''))) {
      at = behind_part(text, at, depth_of_parts + 1);
    } else {
      if (c == open) ++depth;
      if (c == close && --depth == 0) return at + 1;
      ++at;
    }
  }
  return text.size();
}

// NAME=, NAME+= or NAME[...]=: where its value begins; 0: none.
std::size_t assignment_value(std::string_view text, std::size_t begin, std::size_t end) {
  std::size_t at = begin;
  if (at == end || !is_name_start(text[at])) return 0;
  while (at < end && is_name_part(text[at])) ++at;
  if (at < end && text[at] == '[') at = std::min(behind_closing(text, at, '[', ']'), end);
  if (at < end && text[at] == '+') ++at;
  return at < end && text[at] == '=' ? at + 1 : 0;
}

class StatementReader {
 public:
  StatementReader(std::string_view text, std::size_t begin, std::size_t end) : text_(text.substr(0, end)), at_(begin) {}

  std::vector<BashStatement> read() {
    std::vector<BashStatement> all;
    for (;;) {
      skip_space(true);
      if (at_ >= text_.size()) break;
      const std::size_t before = at_;
      BashStatement statement = one();
      if (!statement.commands.empty()) all.push_back(std::move(statement));
      if (at_ == before) ++at_;  // a stray sign
    }
    for (BashStatement& statement : all)
      for (BashCommand& c : statement.commands)
        for (const Document& document : read_)
          if (document.announced >= c.begin && document.announced < c.end && document.begin >= c.end)
            c.documents.emplace_back(document.begin, document.end);
    return all;
  }

 private:
  struct Document {
    std::string word;
    bool tabs = false;
    std::size_t announced = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }

  void skip_space(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\r') ++at_;
      else if (starts("\\\n")) at_ += 2;
      else if (c == '#') at_ = std::min(text_.find('\n', at_), text_.size());
      else if (lines && c == '\n') newline();
      else if (lines && c == ';') ++at_;
      else return;
    }
  }

  // Documents that were announced by << follow their line.
  void newline() {
    ++at_;
    for (Document& document : std::exchange(announced_, {})) {
      document.begin = at_;
      while (at_ < text_.size()) {
        document.end = std::min(text_.find('\n', at_), text_.size());
        std::string_view line = text_.substr(at_, document.end - at_);
        at_ = std::min(document.end + 1, text_.size());
        if (document.tabs) line.remove_prefix(std::min(line.find_first_not_of('\t'), line.size()));
        if (line == document.word) break;
      }
      read_.push_back(std::move(document));
    }
  }

  BashStatement one() {
    BashStatement statement;
    statement.begin = at_;
    for (;;) {
      BashCommand next = command();
      if (next.words.empty() && next.assignments.empty() && next.redirections.empty()) break;
      statement.end = next.end;
      statement.commands.push_back(std::move(next));
      skip_space(false);
      std::string connective;
      for (const std::string_view sign : {"&&", "||", "|&", "|"})
        if (starts(sign)) {
          connective = sign;
          break;
        }
      if (connective.empty()) break;
      statement.operators.push_back(connective);
      statement.operators_at.push_back(at_);
      at_ += connective.size();
      skip_space(true);
    }
    skip_space(false);
    if (at_ < text_.size() && text_[at_] == '&') {
      statement.background = true;
      ++at_;
    }
    return statement;
  }

  BashCommand command() {
    skip_space(false);
    BashCommand c;
    c.begin = c.end = at_;
    while (at_ < text_.size()) {
      skip_space(false);
      if (at_ >= text_.size() || text_[at_] == '\n' || text_[at_] == ';' || text_[at_] == '|' || text_[at_] == ')') break;
      if (text_[at_] == '&' && !starts("&>")) break;
      if (c.words.empty() && compound(c)) return c;
      if (redirection(c)) {
        c.end = at_;
        continue;
      }
      if (text_[at_] == '(') {  // NAME () is a function
        c.compound = true;
        while (at_ < text_.size() && text_[at_] != '{') ++at_;
        skip_compound();
        c.words.push_back("()");
        c.end = at_;
        break;
      }
      const std::size_t begin = at_;
      word();
      const std::string_view written = text_.substr(begin, at_ - begin);
      if (c.words.empty() && assignment_value(written, 0, written.size())) c.assignments.emplace_back(written);
      else c.words.emplace_back(written);
      if (at_ == begin) break;
      c.end = at_;
    }
    return c;
  }

  void word() {
    const std::size_t begin = at_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ' ' || c == '\t' || c == '\n' || c == ';' || c == '|' || c == ')' || c == '<' || c == '>' || c == '&') return;
      if (c == '(') {
        // NAME=( ... )
        if (at_ == begin || text_[at_ - 1] != '=' || !assignment_value(text_, begin, at_)) return;
        at_ = behind_closing(text_, at_, '(', ')');
      } else if (c == '\\') {
        at_ = std::min(at_ + 2, text_.size());
      } else {
        at_ = behind_bash_part(text_, at_);
      }
    }
  }

  bool redirection(BashCommand& c) {
    std::size_t at = at_;
    while (at < text_.size() && text_[at] >= '0' && text_[at] <= '9') ++at;
    if (text_.substr(at).starts_with("&>")) ++at;
    if (at >= text_.size() || (text_[at] != '<' && text_[at] != '>')) return false;
    // <(...) and >(...) are words.
    if (at == at_ && at + 1 < text_.size() && text_[at + 1] == '(') {
      const std::size_t begin = at_;
      at_ = behind_closing(text_, at + 1, '(', ')');
      c.words.emplace_back(text_.substr(begin, at_ - begin));
      return true;
    }
    const std::size_t begin = at_;
    const bool document = text_.substr(at).starts_with("<<") && !text_.substr(at).starts_with("<<<");
    at_ = at;
    while (at_ < text_.size() && (text_[at_] == '<' || text_[at_] == '>' || text_[at_] == '&' || text_[at_] == '|')) ++at_;
    const bool tabs = document && at_ < text_.size() && text_[at_] == '-';
    if (tabs) ++at_;
    skip_space(false);
    const std::size_t target = at_;
    word();
    if (document) {
      std::string name;
      for (const char sign : text_.substr(target, at_ - target))
        if (sign != '"' && sign != '\'' && sign != '\\') name += sign;
      announced_.push_back({.word = name, .tabs = tabs, .announced = begin});
    }
    c.redirections.emplace_back(text_.substr(begin, at_ - begin));
    return true;
  }

  std::string_view bare_word_here() const {
    std::size_t end = at_;
    while (end < text_.size() && (is_name_part(text_[end]) || text_[end] == '!')) ++end;
    if (end == at_ && end < text_.size() && (text_[end] == '{' || text_[end] == '(')) ++end;
    if (text_.substr(at_).starts_with("[[")) return text_.substr(at_, 2);
    const bool alone =
        end >= text_.size() || text_[at_] == '(' || std::string_view(" \t\n;&|()").find(text_[end]) != std::string_view::npos;
    return alone ? text_.substr(at_, end - at_) : std::string_view();
  }

  // Takes a compound command whole, redirections and all.
  bool compound(BashCommand& c) {
    const std::string_view first = bare_word_here();
    constexpr std::array<std::string_view, 10> openers{"if", "for", "while", "until", "case", "select", "function", "{", "(", "[["};
    if (std::find(openers.begin(), openers.end(), first) == openers.end()) return false;
    c.compound = true;
    c.words.emplace_back(first);
    if (first == "[[") {
      const std::size_t end = text_.find("]]", at_);
      at_ = end == std::string_view::npos ? text_.size() : end + 2;
    } else if (first == "function") {
      while (at_ < text_.size() && text_[at_] != '{') ++at_;
      skip_compound();
    } else {
      skip_compound();
    }
    do c.end = at_;
    while (skip_space(false), at_ < text_.size() && redirection(c));
    return true;
  }

  // From an opening word to behind its closing one.
  void skip_compound() {
    std::vector<std::string_view> open;
    bool first = true;  // where a command may begin
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ' ' || c == '\t') {
        ++at_;
        continue;
      }
      if (c == '\n') {
        newline();
        first = true;
        continue;
      }
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
        continue;
      }
      if (c == ';' || c == '&' || c == '|') {
        ++at_;
        first = true;
        continue;
      }
      if (c == '<' || c == '>') {
        BashCommand ignored;
        if (!redirection(ignored)) ++at_;
        continue;
      }
      if (c == '(' && first) {
        open.push_back(")");
        ++at_;
        continue;
      }
      if (c == '(' || c == ')') {
        ++at_;
        first = true;
        if (c == ')' && !open.empty() && open.back() == ")") {
          open.pop_back();
          if (open.empty()) return;
        }
        continue;
      }
      const std::string_view here = bare_word_here();
      if (first && !here.empty()) {
        if (here == "if") open.push_back("fi");
        else if (here == "for" || here == "while" || here == "until" || here == "select") open.push_back("done");
        else if (here == "case") open.push_back("esac");
        else if (here == "{") open.push_back("}");
        const bool closes = !open.empty() && here == open.back();
        const bool goes_on = here == "then" || here == "do" || here == "else" || here == "elif" || here == "if" || here == "while" ||
                             here == "until" || here == "{" || here == "!";
        at_ += here.size();
        if (closes) {
          open.pop_back();
          if (open.empty()) return;
        }
        first = goes_on;
        continue;
      }
      if (first && c == '}' && !open.empty() && open.back() == "}") {
        ++at_;
        open.pop_back();
        if (open.empty()) return;
        continue;
      }
      const std::size_t before = at_;
      word();
      if (at_ == before) ++at_;
      // `in` of for and case, and what stands before a pattern's ).
      first = false;
    }
  }

  std::string_view text_;
  std::size_t at_;
  std::vector<Document> announced_, read_;
};

}  // namespace

namespace {

std::size_t behind_part(std::string_view text, std::size_t at, int depth_of_parts) {
  const char c = text[at];
  const char next = at + 1 < text.size() ? text[at + 1] : 0;
  const auto behind = [&](std::size_t from, char close) {
    for (std::size_t i = from; i < text.size(); ++i) {
      if (text[i] == '\\') ++i;
      else if (text[i] == close) return i + 1;
    }
    return text.size();
  };
  if (c == '\'') return std::min(text.find('\'', at + 1), text.size() - 1) + 1;
  if (c == '$' && next == '\'') return behind(at + 2, '\'');
  if (c == '`') return behind(at + 1, '`');
  if (c == '$' && next == '(') return behind_closing(text, at + 1, '(', ')', depth_of_parts);
  if (c == '$' && next == '{') return behind_closing(text, at + 1, '{', '}', depth_of_parts);
  if (c != '"') return at + 1;
  for (std::size_t i = at + 1; i < text.size();) {
    if (text[i] == '\\') i += 2;
    else if (text[i] == '"') return i + 1;
    else if (text[i] == '`' || (text[i] == '$' && i + 1 < text.size() && (text[i + 1] == '(' || text[i + 1] == '{')))
      i = depth_of_parts > deepest ? text.size() : behind_part(text, i, depth_of_parts + 1);
    else ++i;
  }
  return text.size();
}

}  // namespace

std::size_t behind_bash_part(std::string_view text, std::size_t at) { return behind_part(text, at, 0); }

bool is_bash_name(std::string_view text) {
  return !text.empty() && is_name_start(text.front()) && std::all_of(text.begin(), text.end(), is_name_part);
}

bool is_pipe(std::string_view sign) { return sign == "|" || sign == "|&"; }

BashSequel bash_sequel(std::string_view text, const BashStatement& statement, std::size_t at) {
  std::size_t behind = at;
  while (behind < statement.operators.size() && is_pipe(statement.operators[behind])) ++behind;
  const auto part = [&](std::size_t first, std::size_t last) {
    if (first >= last || last >= statement.commands.size()) return std::string_view();
    return text.substr(statement.operators_at[first], statement.commands[last].end - statement.operators_at[first]);
  };
  return {part(at, behind), part(behind, statement.commands.size() - 1)};
}

std::string in_one_line(std::string_view text) {
  std::string line;
  for (const char sign : text)
    if (const bool space = sign == ' ' || sign == '\t' || sign == '\n'; !space || !line.ends_with(' ')) line += space ? ' ' : sign;
  return line;
}

std::vector<BashStatement> bash_statements(std::string_view text, std::size_t begin, std::size_t end) {
  return StatementReader(text, begin, end).read();
}

}  // namespace fabric
