// A file of variables, as `docker run --env-file` and dotenv tools read it: NAME=value a line, # comments, an `export` in front, values
// bare or in quotes. Values are literal: $ means nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fabric {

struct EnvFile {
  struct Mistake {
    std::size_t begin = 0, end = 0;  // bytes of the text
    std::string what;                // one sentence, no full stop
    std::string help;
  };
  struct Variable {
    std::string name, value;
    std::size_t begin = 0, end = 0;  // of its name
  };
  std::vector<Variable> variables;  // in the order of the file; of two alike the later counts
  std::vector<Mistake> mistakes;
};

// In single quotes everything is literal; in double quotes \n, \t, \", \\ are what they are elsewhere, and a value may go over lines.
// A bare value ends at ` #` and loses the blanks around it.
EnvFile read_env_file(std::string_view text);

// The text as it may be shown: of the same length, with names in it and all that may be a value as stars.
std::string masked_env_file(std::string_view text);

}  // namespace fabric
