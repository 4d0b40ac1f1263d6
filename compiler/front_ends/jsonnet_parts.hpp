// The parts of the Jsonnet front end: imports found in a text, places of what it writes down, and libjsonnet's errors in our words.
#pragma once

#include <optional>
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
  std::string text;    // of a string: what it means, escapes aside; else as written
  bool plain = false;  // a string whose text is exactly what it means
};

// Cuts a program into tokens; comments are dropped. Where it is no Jsonnet the tokens end early: libjsonnet says what is wrong.
std::vector<JsonnetToken> tokenize_jsonnet(std::string_view text);

// A program with all its files, and the source of each of them.
struct GatheredJsonnet {
  JsonnetProgram program;
  std::vector<std::uint32_t> sources;  // parallel to program.files
};

// Gathers main and everything it imports. Files outside of the folder of main are refused, and so are bytes that no source may hold.
// inputs receives each file; nullopt if there were errors.
std::optional<GatheredJsonnet> gather_jsonnet(Sources& sources, std::uint32_t source, const std::string& path, const Outside& outside,
                                              std::vector<Input>& inputs, Diagnostics& diagnostics);

// Puts the places of the fields of the program's last expression into origins, where that is an object literal or a sum that ends in
// one: the exact span of each key, and of the text that gives its value. A place that says something else than value is left out.
void find_jsonnet_literals(std::string_view text, std::uint32_t source, const Value& value, SourceMap& origins);

// libjsonnet's text as a diagnostic with the place in the first of the program's own files that it names.
Diagnostic explain_jsonnet_error(const std::string& error, const GatheredJsonnet& gathered);

}  // namespace fabric
