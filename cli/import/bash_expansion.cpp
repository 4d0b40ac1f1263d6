#include "cli/import/bash_expansion.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "cli/import/bash_statements.hpp"
#include "launch_backends/bash_word.hpp"

namespace fabric {
namespace {

constexpr std::size_t most_fields = 10000;
constexpr std::size_t longest_value = 100 << 10;  // a script that doubles a variable again and again ends here

bool is_white(char c) { return c == ' ' || c == '\t' || c == '\n'; }

std::size_t size_of(const BashField& field) {
  std::size_t size = 0;
  for (const BashPart& part : field.parts) size += part.text.size();
  return size;
}

bool has_white(const BashField& field) {
  return std::any_of(field.parts.begin(), field.parts.end(),
                     [](const BashPart& p) { return !p.open && std::any_of(p.text.begin(), p.text.end(), is_white); });
}

bool runs_something(const BashField& field) {
  return std::any_of(field.parts.begin(), field.parts.end(), [](const BashPart& p) {
    return p.open &&
           (p.text.find("$(") != std::string::npos || p.text.find('`') != std::string::npos || p.text.find("RANDOM") != std::string::npos ||
            p.text.find("$$") != std::string::npos || p.text.find("{") != std::string::npos || p.text == "~" || names_arguments(p.text));
  });
}

// + - * / % and ( ) over whole numbers.
class Arithmetic {
 public:
  Arithmetic(std::string_view text, const BashVariables& variables) : text_(text), variables_(variables) {}

  std::optional<std::int64_t> value() {
    const std::optional<std::int64_t> found = sum();
    space();
    return at_ == text_.size() ? found : std::nullopt;
  }

 private:
  void space() {
    while (at_ < text_.size() && is_white(text_[at_])) ++at_;
  }
  bool sign(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::optional<std::int64_t> sum() {
    std::optional<std::int64_t> left = product();
    for (;;) {
      const bool plus = sign('+');
      if (!plus && !sign('-')) return left;
      const std::optional<std::int64_t> right = product();
      std::int64_t result = 0;
      if (!left || !right || (plus ? __builtin_add_overflow(*left, *right, &result) : __builtin_sub_overflow(*left, *right, &result)))
        return std::nullopt;
      left = result;
    }
  }
  std::optional<std::int64_t> product() {
    std::optional<std::int64_t> left = atom();
    for (;;) {
      const char op = sign('*') ? '*' : sign('/') ? '/' : sign('%') ? '%' : 0;
      if (op == 0) return left;
      const std::optional<std::int64_t> right = atom();
      std::int64_t result = 0;
      if (!left || !right || (op != '*' && *right <= 0) || (op == '*' && __builtin_mul_overflow(*left, *right, &result)))
        return std::nullopt;
      left = op == '*' ? result : op == '/' ? *left / *right : *left % *right;
    }
  }
  std::optional<std::int64_t> atom() {
    if (++depth_ > 100) return std::nullopt;
    if (sign('(')) {
      const std::optional<std::int64_t> inner = sum();
      return sign(')') ? inner : std::nullopt;
    }
    space();
    std::size_t end = at_;
    std::string written;
    if (end < text_.size() && (text_[end] == '$' || is_bash_name(text_.substr(end, 1)))) {
      const std::size_t begin = end;
      if (text_[end] == '$') ++end;
      if (end < text_.size() && text_[end] == '{') end = std::min(text_.find('}', end), text_.size() - 1) + 1;
      else
        while (end < text_.size() && is_bash_name("_" + std::string(text_.substr(end, 1)))) ++end;
      std::string word(text_.substr(begin, end - begin));
      if (word.front() != '$') word.insert(0, "$");
      const BashField field = variables_.expand_as_one(word);
      if (!field.known()) return std::nullopt;
      written = field.text();
    } else {
      while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') written += text_[end++];
    }
    at_ = end;
    std::int64_t number = 0;
    const auto [stop, error] = std::from_chars(written.data(), written.data() + written.size(), number);
    return error == std::errc() && stop == written.data() + written.size() && !written.empty() ? std::optional(number) : std::nullopt;
  }

  std::string_view text_;
  const BashVariables& variables_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

// Turns one word into fields.
class Expander {
 public:
  Expander(std::string_view word, const BashVariables& variables, bool splits) : text_(word), variables_(variables), splits_(splits) {}

  std::vector<BashField> expand() {
    run(false);
    if (begun_ || !splits_) fields_.push_back(std::move(field_));
    return std::move(fields_);
  }

 private:
  void letters(std::string_view text, bool quoted) {
    begun_ = begun_ || quoted || !text.empty();
    if (text.empty()) return;
    if (!field_.parts.empty() && !field_.parts.back().open) field_.parts.back().text += text;
    else field_.parts.push_back({std::string(text)});
  }
  void open(std::string_view text, bool quoted) {
    begun_ = true;
    field_.parts.push_back({std::string(text), true, quoted});
  }
  void end_field() {
    if (begun_) fields_.push_back(std::move(field_));
    field_ = {};
    begun_ = false;
  }

  // A value of which nothing is quoted any more: white space in it ends a field.
  void splice(const BashField& value, bool quoted) {
    begun_ = begun_ || quoted;
    for (const BashPart& part : value.parts) {
      if (part.open) {
        open(part.text, quoted);
        continue;
      }
      if (quoted || !splits_) {
        letters(part.text, quoted);
        continue;
      }
      for (std::size_t at = 0; at < part.text.size();) {
        const std::size_t end = std::min(part.text.find_first_of(" \t\n", at), part.text.size());
        if (end > at) letters(std::string_view(part.text).substr(at, end - at), false);
        if (end < part.text.size()) end_field();
        at = end + 1;
      }
    }
  }

  // ${...} or $NAME, at the $; where it is not known it stays open.
  void parameter(bool quoted) {
    const std::size_t begin = at_;
    const bool braces = at_ + 1 < text_.size() && text_[at_ + 1] == '{';
    const std::size_t end = braces ? behind_bash_part(text_, at_) : name_end(at_ + 1);
    at_ = end;
    const std::string_view whole = text_.substr(begin, end - begin);
    if (whole.size() < 2) return letters("$", quoted);
    const std::string inner(braces ? whole.substr(2, std::max<std::size_t>(whole.size(), 3) - 3) : whole.substr(1));
    std::size_t stop = 0;
    while (stop < inner.size() && is_bash_name("_" + inner.substr(stop, 1))) ++stop;
    const std::string name = inner.substr(0, stop), rest = inner.substr(stop);
    if (inner.find_first_of("@*#0123456789") == 0 && argument(inner, whole, quoted)) return;
    const BashVariable* found = is_bash_name(name) ? variables_.find(name) : nullptr;
    if (found && found->array && (rest == "[@]" || rest == "[*]")) {
      for (std::size_t i = 0; i < found->fields.size(); ++i) {
        if (i > 0) end_field();
        splice(found->fields[i], true);
      }
      return;
    }
    if (found && found->array && rest == "[0]" && !found->fields.empty()) return splice(found->fields.front(), quoted);
    const std::size_t sign = default_sign(rest);
    if (found && (rest.empty() || sign > 0) && !found->fields.empty()) {
      const BashField& value = found->fields.front();
      if (sign == 2 && value.known() && value.text().empty()) return by_default(rest.substr(sign), quoted);
      // Something that is done once, in the script, and not by each rank.
      if (found->of_its_time || (runs_something(value) && !has_white(value))) return open(braces ? "${" + name + '}' : whole, quoted);
      if (size_of(field_) + size_of(value) < longest_value) return splice(value, quoted);
    }
    open(whole, quoted);
  }

  // Of ":-x" and ":=x" 2, of "-x" and "=x" 1, otherwise 0.
  static std::size_t default_sign(std::string_view rest) {
    if (rest.starts_with(":-") || rest.starts_with(":=")) return 2;
    return rest.starts_with('-') || rest.starts_with('=') ? 1 : 0;
  }

  void by_default(const std::string& word, bool quoted) { splice(variables_.expand_as_one(word), quoted); }

  // $1, $@ and $#; false where it stays open. With a default, a script is taken to be submitted without arguments.
  bool argument(const std::string& inner, std::string_view whole, bool quoted) {
    const auto& words = variables_.arguments();
    if (inner == "@" || inner == "*") {
      if (!words) return false;
      for (std::size_t i = 0; i < words->size(); ++i) {
        if (i > 0) inner == "*" && quoted ? letters(" ", true) : end_field();
        splice((*words)[i], quoted);
      }
      return true;
    }
    if (inner == "#") return words ? (letters(std::to_string(words->size()), quoted), true) : false;
    const std::size_t digits = std::min(inner.find_first_not_of("0123456789"), inner.size());
    std::size_t number = 0;
    if (std::from_chars(inner.data(), inner.data() + digits, number).ec != std::errc() || number == 0) return false;
    const std::string rest = inner.substr(digits);
    const std::size_t sign = default_sign(rest);
    if (!rest.empty() && sign == 0) return false;
    const bool there = words && number <= words->size() && (sign != 2 || !(*words)[number - 1].text().empty());
    if (there) splice((*words)[number - 1], quoted);
    else if (sign > 0) by_default(rest.substr(sign), quoted);
    else if (!words) open(whole, quoted);
    begun_ = begun_ || quoted;
    return true;
  }

  std::size_t name_end(std::size_t at) const {
    if (at >= text_.size()) return at;
    if (std::string_view("@*#?$!-0123456789").find(text_[at]) != std::string_view::npos) return at + 1;
    while (at < text_.size() && is_bash_name("_" + std::string(text_.substr(at, 1)))) ++at;
    return at;
  }

  void substitution(bool quoted) {
    const std::size_t end = behind_bash_part(text_, at_);
    const std::string_view whole = text_.substr(at_, end - at_);
    at_ = end;
    if (whole == "$(pwd)" || whole == "`pwd`")
      if (const BashVariable* here = variables_.find("PWD")) return splice(here->fields.front(), quoted);
    if (const std::optional<std::string> path = path_of(whole)) return splice(BashField{{{*path}}}, quoted);
    if (whole.starts_with("$((") && whole.ends_with("))")) {
      const std::optional<std::int64_t> number = Arithmetic(whole.substr(3, whole.size() - 5), variables_).value();
      if (number) return letters(std::to_string(*number), quoted);
    }
    open(whole, quoted);
  }

  // $(dirname X), $(basename X) and $(cd X && pwd), of what is known.
  std::optional<std::string> path_of(std::string_view whole) const {
    if (whole.size() < 4 || (!whole.starts_with("$(") && whole.front() != '`')) return std::nullopt;
    const std::size_t skipped = whole.front() == '`' ? 1 : 2;
    const std::string inner(whole.substr(skipped, whole.size() - skipped - 1));
    const std::vector<BashStatement> statements = bash_statements(inner, 0, inner.size());
    std::vector<BashCommand> commands;
    for (const BashStatement& statement : statements) commands.insert(commands.end(), statement.commands.begin(), statement.commands.end());
    if (commands.empty() || commands.front().compound) return std::nullopt;
    const std::vector<BashField> fields = variables_.expand(commands.front().words);
    if (fields.size() != 2 || !fields[0].known() || !fields[1].known()) return std::nullopt;
    const std::string what = fields[0].text();
    const std::filesystem::path path(fields[1].text());
    const BashVariable* here = variables_.find("PWD");
    if (commands.size() == 1 && what == "dirname") return path.has_parent_path() ? path.parent_path().string() : std::string(".");
    if (commands.size() == 1 && what == "basename") return path.filename().string();
    const bool moves = commands.size() == 2 && what == "cd" && commands[1].words == std::vector<std::string>{"pwd"};
    if (!moves || !here || !here->fields.front().known()) return std::nullopt;
    std::string there = (std::filesystem::path(here->fields.front().text()) / path).lexically_normal().string();
    while (there.size() > 1 && there.ends_with('/')) there.pop_back();
    return there;
  }

  void run(bool quoted) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : 0;
      if (c == '\\') {
        at_ += 2;
        if (next == '\n') continue;
        const bool kept = quoted && std::string_view("\\\"$`").find(next) == std::string_view::npos;
        letters((kept ? "\\" : "") + std::string(next ? 1 : 0, next), true);
      } else if (c == '$' && next == '(') {
        substitution(quoted);
      } else if (c == '$' && next == '\'' && !quoted) {
        ansi_quoted();
      } else if (c == '$') {
        parameter(quoted);
      } else if (c == '`') {
        substitution(quoted);
      } else if (c == '"') {
        if (quoted) {
          ++at_;
          return;
        }
        ++at_;
        begun_ = true;
        run(true);
      } else if (c == '\'' && !quoted) {
        const std::size_t end = behind_bash_part(text_, at_);
        const bool closed = end > at_ + 1 && text_[end - 1] == '\'';
        letters(text_.substr(at_ + 1, end - at_ - (closed ? 2 : 1)), true);
        at_ = end;
      } else if (!quoted && splits_ &&
                 (c == '*' || c == '?' || (c == '~' && !begun_) || (c == '[' && text_.find(']', at_) != std::string_view::npos) ||
                  is_braces())) {
        const std::size_t end = c == '{' ? text_.find('}', at_) + 1 : at_ + 1;
        open(text_.substr(at_, end - at_), false);
        at_ = end;
      } else {
        letters(text_.substr(at_, 1), quoted);
        ++at_;
      }
    }
  }

  // {a,b} or {0..9}
  bool is_braces() const {
    if (text_[at_] != '{') return false;
    const std::size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) return false;
    const std::string_view inner = text_.substr(at_ + 1, end - at_ - 1);
    return inner.find(',') != std::string_view::npos || inner.find("..") != std::string_view::npos;
  }

  void ansi_quoted() {
    const std::size_t end = behind_bash_part(text_, at_);
    for (std::size_t i = at_ + 2; i + 1 < end; ++i) {
      char c = text_[i];
      if (c == '\\' && i + 2 < end) {
        c = text_[++i];
        if (c == 'n') c = '\n';
        else if (c == 't') c = '\t';
        else if (c == 'x') {
          unsigned byte = 0;
          const auto [stop, error] = std::from_chars(text_.data() + i + 1, text_.data() + std::min(i + 3, end - 1), byte, 16);
          if (error == std::errc()) {
            i = static_cast<std::size_t>(stop - text_.data()) - 1;
            c = static_cast<char>(byte);
          }
        }
      }
      letters(std::string(1, c), true);
    }
    begun_ = true;
    at_ = end;
  }

  std::string_view text_;
  const BashVariables& variables_;
  const bool splits_;
  std::size_t at_ = 0;
  bool begun_ = false;
  BashField field_;
  std::vector<BashField> fields_;
};

}  // namespace

bool BashField::known() const {
  return std::none_of(parts.begin(), parts.end(), [](const BashPart& part) { return part.open; });
}

std::string BashField::text() const {
  std::string all;
  for (const BashPart& part : parts) all += part.text;
  return all;
}

std::string BashField::source() const {
  if (parts.empty()) return "''";
  std::string all;
  for (const BashPart& part : parts) all += !part.open ? bash_word(part.text) : part.quoted ? '"' + part.text + '"' : part.text;
  return all;
}

void BashVariables::assign(const std::string& assignment, bool exported) {
  const std::string name = assigned_name(assignment);
  const std::size_t equals = assignment.find('=');
  if (name.empty() || equals == std::string::npos) return;
  const bool appends = equals > 0 && assignment[equals - 1] == '+';
  if (assignment[name.size()] == '[') return forget(name);
  BashVariable variable;
  const auto before = variables_.find(name);
  if (before != variables_.end()) variable.exported = before->second.exported;
  if (appends && before == variables_.end()) return;
  std::string value = assignment.substr(equals + 1);
  if (value.starts_with('(') && value.ends_with(')')) {
    variable.array = true;
    if (appends) variable.fields = before->second.fields;
    const std::string inside = value.substr(1, value.size() - 2);
    for (const BashStatement& statement : bash_statements(inside, 0, inside.size()))
      for (const BashCommand& command : statement.commands) {
        for (const BashField& field : expand(command.assignments)) variable.fields.push_back(field);
        for (const BashField& field : expand(command.words)) variable.fields.push_back(field);
        if (variable.fields.size() > most_fields) return forget(name);
      }
  } else {
    BashField field = expand_as_one(value);
    if (appends && !before->second.fields.empty()) {
      BashField whole = before->second.fields.front();
      whole.parts.insert(whole.parts.end(), field.parts.begin(), field.parts.end());
      field = std::move(whole);
    }
    if (size_of(field) > longest_value) return forget(name);
    variable.fields = {std::move(field)};
  }
  variable.exported = variable.exported || exported;
  variables_[name] = std::move(variable);
  keep_what_names(name);
}

// Values that were made with a name are from now on what the script made of them.
void BashVariables::keep_what_names(const std::string& name) {
  for (auto& [other, variable] : variables_)
    for (const BashField& field : variable.fields)
      for (const BashPart& part : field.parts) {
        if (!part.open) continue;
        const std::vector<std::string> names = names_in_bash(part.text);
        // NAME=${NAME:-default} is its value at any time.
        const bool again = other == name && part.text.starts_with("${" + name + ":-");
        if (std::find(names.begin(), names.end(), name) != names.end() && !again) variable.of_its_time = true;
      }
}

void BashVariables::set(const std::string& name, std::string value) {
  BashVariable variable;
  variable.exported = true;
  variable.fields = {BashField{{{std::move(value)}}}};
  variables_[name] = std::move(variable);
}

void BashVariables::mark_exported(const std::string& name) {
  if (const auto found = variables_.find(name); found != variables_.end()) found->second.exported = true;
}

void BashVariables::forget(const std::string& name) {
  variables_.erase(name);
  keep_what_names(name);
}

const BashVariable* BashVariables::find(const std::string& name) const {
  const auto found = variables_.find(name);
  return found == variables_.end() ? nullptr : &found->second;
}

std::vector<BashField> BashVariables::expand(const std::string& word) const { return Expander(word, *this, true).expand(); }

std::vector<BashField> BashVariables::expand(const std::vector<std::string>& words) const {
  std::vector<BashField> all;
  for (const std::string& word : words)
    for (BashField& field : expand(word)) all.push_back(std::move(field));
  return all;
}

BashField BashVariables::expand_as_one(const std::string& word) const {
  std::vector<BashField> fields = Expander(word, *this, false).expand();
  BashField one;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) one.parts.push_back({" "});
    one.parts.insert(one.parts.end(), fields[i].parts.begin(), fields[i].parts.end());
  }
  return one;
}

void BashVariables::set_arguments(std::vector<std::string> words) {
  arguments_.emplace();
  for (std::string& word : words) arguments_->push_back(BashField{{{std::move(word)}}});
}

std::optional<BashField> BashVariables::by_defaults(const BashField& field) const {
  BashField whole;
  for (const BashPart& part : field.parts)
    if (!add_default(part, whole, 0)) return std::nullopt;
  return whole;
}

bool BashVariables::add_default(const BashPart& part, BashField& whole, int depth) const {
  if (!part.open) {
    whole.parts.push_back(part);
    return true;
  }
  if (depth > 20 || !part.text.starts_with('$')) return false;
  const bool braces = part.text.starts_with("${") && part.text.ends_with('}');
  const std::string inner = braces ? part.text.substr(2, part.text.size() - 3) : part.text.substr(1);
  const std::string name = assigned_name(inner);
  const std::string rest = inner.substr(name.size());
  BashField value;
  if (name.empty()) return false;
  if (rest.starts_with(":-") || rest.starts_with(":=")) value = expand_as_one(rest.substr(2));
  else if (const BashVariable* found = find(name); rest.empty() && found && found->fields.size() == 1 && !found->array)
    value = found->fields.front();
  else return false;
  return std::all_of(value.parts.begin(), value.parts.end(), [&](const BashPart& inside) { return add_default(inside, whole, depth + 1); });
}

std::string assigned_name(std::string_view assignment) {
  std::size_t end = 0;
  while (end < assignment.size() && is_bash_name(assignment.substr(0, end + 1))) ++end;
  return std::string(assignment.substr(0, end));
}

bool names_arguments(std::string_view text) {
  bool quoted = false;
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    if (text[at] == '\\') ++at;
    else if (text[at] == '"') quoted = !quoted;
    else if (text[at] == '\'' && !quoted) at = behind_bash_part(text, at) - 1;
    else if (text[at] == '$') {
      const std::size_t name = at + (text[at + 1] == '{' ? 2 : 1);
      if (name >= text.size()) return false;
      if (std::string_view("@*123456789").find(text[name]) != std::string_view::npos) return true;
      if (text[name] == '#' && (name == at + 1 || text.substr(name + 1).starts_with('}'))) return true;
    }
  }
  return false;
}

std::vector<std::string> names_in_bash(std::string_view text) {
  std::vector<std::string> names;
  const auto name_at = [&](std::size_t at) {
    std::size_t end = at;
    while (end < text.size() && is_bash_name(text.substr(at, end - at + 1))) ++end;
    if (end > at) names.emplace_back(text.substr(at, end - at));
    return end;
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '$' || (at > 0 && text[at - 1] == '\\')) continue;
    if (text.substr(at).starts_with("$((")) {
      const std::size_t end = behind_bash_part(text, at);
      for (std::size_t i = at + 3; i < end;) i = std::max(name_at(i), i + 1);
      continue;
    }
    std::size_t begin = at + 1;
    while (begin < text.size() && (text[begin] == '{' || text[begin] == '#' || text[begin] == '!')) ++begin;
    name_at(begin);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace fabric
