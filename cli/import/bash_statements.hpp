// A bash script cut into statements and words, nothing expanded yet. What it cannot cut, an unclosed quote, it takes for one word: nobody
// runs what comes of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fabric {

// A simple command, or one whose inside is not looked at: if, for, while, case, a function, ( ), { }.
struct BashCommand {
  std::vector<std::string> assignments;  // NAME=value in front, as written
  std::vector<std::string> words;        // as written, quotes and all
  std::vector<std::string> redirections;
  bool compound = false;
  std::size_t begin = 0;
  std::size_t end = 0;
  // Of each document that it reads and that stands behind it: where that begins, and the end of the line that closes it.
  std::vector<std::pair<std::size_t, std::size_t>> documents;
};

// Commands joined by |, && and ||, up to a newline, a ; or a &.
struct BashStatement {
  std::vector<BashCommand> commands;
  std::vector<std::string> operators;     // between them
  std::vector<std::size_t> operators_at;  // where each begins
  bool background = false;
  std::size_t begin = 0;
  std::size_t end = 0;  // behind its last word
};

// What a statement does with what its command at `at` prints, and what it does behind it: | tee log, and || exit 1. As written.
struct BashSequel {
  std::string_view pipe;
  std::string_view then;
};
BashSequel bash_sequel(std::string_view text, const BashStatement& statement, std::size_t at);

// Whether an operator between two commands hands on what the first one prints.
bool is_pipe(std::string_view sign);

// The statements of text[begin, end).
std::vector<BashStatement> bash_statements(std::string_view text, std::size_t begin, std::size_t end);

// Behind the quoted or substituted part that begins at text[at]: '...', "...", `...`, $(...), ${...}, $'...'; at + 1 where none does.
std::size_t behind_bash_part(std::string_view text, std::size_t at);

// Words of a statement, for a message of one line.
std::string in_one_line(std::string_view text);

// Whether a name may be a variable's.
bool is_bash_name(std::string_view text);

}  // namespace fabric
