// The parts of the Jsonnet front end: imports found in a text, places of what it writes down, and libjsonnet's errors in our words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "compiler/outside.hpp"
#include "schema/diagnostic.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

struct JsonnetToken {
  enum class Kind { word, number, string, sign, end };
  Kind kind = Kind::end;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  std::string text;  // of a string: what it means; else as written
};

// Cuts a program into tokens; comments are dropped. Where it is no Jsonnet the tokens end early: libjsonnet says what is wrong.
std::vector<JsonnetToken> tokenize_jsonnet(std::string_view text);

// Gathers main and everything it imports. Files outside of the folder of main are refused. inputs receives each file; false if
// there were errors.
bool gather_jsonnet(const Sources& sources, std::uint32_t source, const std::string& path, const Outside& outside, JsonnetProgram& program,
                    std::vector<Input>& inputs, Diagnostics& diagnostics);

// Puts the places of the fields of the program's last expression into origins, where that is an object literal: the exact span of
// each key, and of the text that gives its value.
void find_jsonnet_literals(std::string_view text, std::uint32_t source, const Value& value, SourceMap& origins);

// libjsonnet's text as a diagnostic with the place in the first of the program's own files that it names.
Diagnostic explain_jsonnet_error(const std::string& error, const JsonnetProgram& program, Sources& sources, std::uint32_t main_source,
                                 const std::string& working_directory);

}  // namespace fabric
