// What words of a bash script stand for, as far as the script itself says it. Nothing is run: what only the shell of the job can know stays
// in it as shell text.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabric {

// A part of a word: letters, or text that only a shell turns into some ($HOME, $(date), *.tar).
struct BashPart {
  std::string text;
  bool open = false;
  bool quoted = false;  // of an open one: stood in double quotes
};

// One argument.
struct BashField {
  std::vector<BashPart> parts;

  bool known() const;
  std::string text() const;    // with open parts as they are written
  std::string source() const;  // as a word that a shell reads back as this
};

struct BashVariable {
  std::vector<BashField> fields;  // several of an array
  bool array = false;
  bool exported = false;
  bool of_its_time = false;  // a name in its value has another one since
};

class BashVariables {
 public:
  // NAME=value, NAME+=value or NAME=( ... ), as written. Whose value is not known at all stays a variable that is not known.
  void assign(const std::string& assignment, bool exported);
  void set(const std::string& name, std::string value);  // known from elsewhere
  void mark_exported(const std::string& name);
  void forget(const std::string& name);                // something that is not looked into may set it
  void set_arguments(std::vector<std::string> words);  // of the script: $1, $@ and $#, which stay shell text otherwise
  void forget_arguments() { arguments_.reset(); }
  const BashVariable* find(const std::string& name) const;

  // The arguments that a word becomes.
  std::vector<BashField> expand(const std::string& word) const;
  // All of them, one behind the other.
  std::vector<BashField> expand(const std::vector<std::string>& words) const;
  // A word that is one argument whatever it holds, as the value of an assignment.
  BashField expand_as_one(const std::string& word) const;
  // A field where nobody else sets what the script has a default for: ${NAME:-this}. Nothing where something else is open.
  std::optional<BashField> by_defaults(const BashField& field) const;
  const std::optional<std::vector<BashField>>& arguments() const { return arguments_; }

 private:
  void keep_what_names(const std::string& name);
  bool add_default(const BashPart& part, BashField& whole, int depth) const;

  std::map<std::string, BashVariable> variables_;
  std::optional<std::vector<BashField>> arguments_;
};

// The name that an assignment is for: NAME of NAME=value, NAME+=value and NAME[0]=value.
std::string assigned_name(std::string_view assignment);

// Whether text refers to arguments of the script: $1, $@, $# and the like, outside of single quotes.
bool names_arguments(std::string_view text);

// Names that the text of a script refers to: $NAME, ${NAME...}, and those in $(( )).
std::vector<std::string> names_in_bash(std::string_view text);

}  // namespace fabric
