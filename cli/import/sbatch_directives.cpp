#include "cli/import/sbatch_directives.hpp"

#include <algorithm>
#include <map>

#include "launch_backends/slurm_options.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

constexpr std::string_view mark = "#SBATCH";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }

// A word of a directive, without its quotes.
struct DirectiveWord {
  std::string text;
  std::size_t begin = 0;
  std::size_t end = 0;
};

class DirectiveReader {
 public:
  DirectiveReader(std::string_view text, std::uint32_t source, Diagnostics& diagnostics)
      : text_(text), source_(source), diagnostics_(diagnostics) {}

  SbatchDirectives read() {
    out_.body = text_.size();
    bool in_body = false;
    for (std::size_t begin = 0; begin < text_.size();) {
      const std::size_t end = std::min(text_.find('\n', begin), text_.size());
      const std::string_view line = text_.substr(begin, end - begin);
      const std::size_t first = std::min(line.find_first_not_of(" \t\r\v\f"), line.size());
      const bool is_command = first < line.size() && line[first] != '#';
      if (!in_body && is_command) {
        in_body = true;
        out_.body = begin;
      }
      if (line.starts_with(mark) && in_body)
        passed_over(begin, end, "behind the first command", "sbatch reads options up to the first command");
      else if (line.starts_with(mark)) directive(begin, end);
      else look_alike(line, begin, end, in_body);
      begin = end + 1;
    }
    overwritten();
    return std::move(out_);
  }

 private:
  Span span(std::size_t begin, std::size_t end) const {
    while (end > begin && is_blank(text_[end - 1])) --end;
    return {source_, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(std::max(end, begin + 1))};
  }
  void warn(const char* code, std::string message, Span at, std::string label, std::string help) {
    diagnostics_.add({.severity = Severity::warning,
                      .code = code,
                      .message = std::move(message),
                      .at = at,
                      .label = std::move(label),
                      .help = std::move(help)});
  }
  void passed_over(std::size_t begin, std::size_t end, std::string label, const std::string& why) {
    warn("FAB6102", "sbatch passes over this line", span(begin, end), std::move(label), why + "; nothing was taken from it");
  }

  // One that was meant to be a directive, or is one no more.
  void look_alike(std::string_view line, std::size_t begin, std::size_t end, bool in_body) {
    std::size_t at = std::min(line.find_first_not_of(" \t!"), line.size());
    const bool shifted = at > 0;
    std::size_t marks = 0;
    while (at < line.size() && line[at] == '#') ++at, ++marks;
    if (marks == 0) return;
    const std::size_t word = std::min(line.find_first_not_of(" \t", at), line.size());
    const std::size_t stop = std::min(line.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", word), line.size());
    const std::string name(line.substr(word, stop - word));
    const std::size_t next = std::min(line.find_first_not_of(" \t", stop), line.size());
    const bool option_follows = next < line.size() && line[next] == '-';
    if (!option_follows) return;
    if (name == "SBATCH" && (shifted || marks > 1 || word > at))
      return passed_over(begin, end, "a comment", "a directive begins with #SBATCH, at the beginning of the line");
    if (name == "PBS" || name == "BSUB") {
      if (!in_body)
        warn("FAB6103", "sbatch takes options of other schedulers too, and they were not taken from this line", span(begin, end),
             "not taken", "write it as #SBATCH");
      return;
    }
    if (name == "SLURM" && !in_body && !shifted && marks == 1)
      return warn("FAB6103", "sbatch asks to write #SBATCH in place of #SLURM", span(begin, end), "not taken", "write #SBATCH");
    if (name != "SBATCH" && name.size() > 3 && spelling_distance(name, "SBATCH") <= 2)
      passed_over(begin, end, "misspelt, or no more meant", "it would have to be #SBATCH");
  }

  // Quotes and backslashes go away, and a value ends at a space or at a #.
  std::vector<DirectiveWord> words_of(std::size_t begin, std::size_t end) {
    std::vector<DirectiveWord> words;
    for (std::size_t at = begin; at < end;) {
      while (at < end && is_blank(text_[at])) ++at;
      if (at == end || text_[at] == '#') break;
      DirectiveWord word{.text = "", .begin = at, .end = at};
      char quote = 0;
      while (at < end) {
        const char c = text_[at];
        if (c == '\\' && at + 1 < end && !(quote == 0 && is_blank(text_[at + 1]))) word.text += text_[++at];
        else if (quote != 0) quote == c ? void(quote = 0) : void(word.text += c);
        else if (c == '"' || c == '\'') quote = c;
        else if (is_blank(c) || c == '#') break;
        else if (c != '\\') word.text += c;
        ++at;
      }
      word.end = at;
      if (quote != 0) warn("FAB6103", "sbatch refuses a quote that is not closed", span(word.begin, end), "not closed", "close it");
      if (at < end && text_[at] == '#' && at > word.begin)
        warn("FAB6104", "to sbatch a # begins a comment, wherever it stands", span(word.begin, end), "ends at #",
             "put the value into quotes, if the rest of it is meant");
      // A backslash at the end of a line says nothing.
      if (at > word.begin && text_.substr(word.begin, at - word.begin) != "\\") words.push_back(std::move(word));
      if (at < end && text_[at] == '#') break;
    }
    return words;
  }

  void directive(std::size_t begin, std::size_t end) {
    const std::vector<DirectiveWord> words = words_of(begin + mark.size(), end);
    std::size_t at = 0;
    if (!words.empty() && (words.front().text == "hetjob" || words.front().text == "packjob")) {
      warn("FAB6103", "a job of several parts cannot be imported", span(begin, end), "another part begins", "make a job of each part");
      at = 1;
    }
    refused_ = false;
    while (at < words.size() && !refused_) option(words, at);
  }

  const DirectiveWord* next_value(const std::vector<DirectiveWord>& words, std::size_t& at) {
    return at < words.size() ? &words[at++] : nullptr;
  }

  // The option at words[at] and its value, which may be the next word; at moves past them.
  void option(const std::vector<DirectiveWord>& words, std::size_t& at) {
    const DirectiveWord& word = words[at++];
    if (word.text.starts_with("--") && word.text.size() > 2) {
      const std::size_t equals = word.text.find('=');
      const std::string name = word.text.substr(2, equals == std::string::npos ? equals : equals - 2);
      std::optional<std::string> value;
      if (equals != std::string::npos) value = word.text.substr(equals + 1);
      return take(name, long_option(name), value, words, at, word);
    }
    if (!word.text.starts_with('-') || word.text.size() < 2) {
      refused_ = true;  // sbatch looks no further
      return warn("FAB6103", "sbatch refuses this script for a word that is no option", span(word.begin, word.end), "no option",
                  word.text == "=" ? "write the value right behind its =" : "put # in front of what is a comment");
    }
    // Short ones: without a value several in one word; with one, the rest of the word is it.
    for (std::size_t i = 1; i < word.text.size(); ++i) {
      const SlurmOption* found = find_slurm_option(word.text[i]);
      const std::string name(1, word.text[i]);
      if (!found || found->value == OptionValue::none) {
        take(name, found, std::nullopt, words, at, word);
        if (!found) return;
        continue;
      }
      const std::string rest = word.text.substr(i + 1);
      if (rest.starts_with('='))
        warn("FAB6104", "behind a short option an = is part of the value", span(word.begin, word.end), "says `" + rest + '`',
             "write -" + name + ' ' + rest.substr(1) + ", or the whole name");
      std::optional<std::string> value;
      if (!rest.empty()) value = rest;
      return take(name, found, value, words, at, word);
    }
  }

  static const SlurmOption* long_option(const std::string& name) {
    if (const SlurmOption* whole = find_slurm_option(name)) return whole;
    const SlurmOption* only = nullptr;
    for (const SlurmOption& option : slurm_options()) {
      if (!option.name.starts_with(name)) continue;
      if (only) return nullptr;
      only = &option;
    }
    return only;
  }

  void take(const std::string& name, const SlurmOption* found, std::optional<std::string> value, const std::vector<DirectiveWord>& words,
            std::size_t& at, const DirectiveWord& word) {
    const std::string shown = (name.size() == 1 ? "-" : "--") + name;
    if (!found) {
      std::vector<std::string> names;
      for (const SlurmOption& option : slurm_options()) names.emplace_back(option.name);
      const std::optional<std::string> meant = closest(name, names);
      warn("FAB6103", "sbatch knows no option " + shown + ", unless a plug-in of the site does", span(word.begin, word.end), "not taken",
           meant ? "did you mean --" + *meant + "?" : "look at `sbatch --help` there");
      return;
    }
    std::size_t end = word.end;
    if (found->value == OptionValue::needed && !value) {
      const DirectiveWord* next = next_value(words, at);
      if (!next)
        return warn("FAB6103", "sbatch refuses " + shown + " without a value", span(word.begin, word.end), "has none", "write one");
      value = next->text;
      end = next->end;
    }
    if (found->value == OptionValue::none && value)
      return warn("FAB6103", "sbatch refuses a value for " + shown, span(word.begin, word.end), "takes none", "leave it out");
    if (value && value->empty())
      return warn("FAB6103", "sbatch refuses an empty value for " + shown, span(word.begin, end), "empty", "write one");
    out_.list.push_back({std::string(found->name), std::move(value), span(word.begin, end)});
  }

  void overwritten() {
    std::map<std::string, const SbatchDirective*> last;
    for (const SbatchDirective& d : out_.list) {
      const auto [there, made] = last.try_emplace(d.name, &d);
      if (made) continue;
      if (there->second->value != d.value)
        warn("FAB6104", "of two values sbatch takes the later", there->second->at, "written again", "leave one of them out");
      there->second = &d;
    }
    std::erase_if(out_.list, [&last](const SbatchDirective& d) { return last.at(d.name) != &d; });
  }

  std::string_view text_;
  std::uint32_t source_;
  Diagnostics& diagnostics_;
  bool refused_ = false;
  SbatchDirectives out_;
};

}  // namespace

SbatchDirectives read_sbatch_directives(std::string_view text, std::uint32_t source, Diagnostics& diagnostics) {
  return DirectiveReader(text, source, diagnostics).read();
}

}  // namespace fabric
