// Jsonnet -> Value. The parent finds all imports, reads them under allowed roots and hands the bundle to a child process that has
// no file system to speak of; the child is the only door to libjsonnet, which it opens at run time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/outside.hpp"
#include "schema/diagnostic.hpp"
#include "schema/plan.hpp"
#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// Reads the program at sources[source] (absolute path `path`) with its imports, evaluates it, and reads the answer. origins
// receives exact places for values whose text can be found in the program, else `computed` ones. Every file read is appended to
// inputs, and to sources as far as a diagnostic needs it.
std::optional<Value> read_jsonnet(Sources& sources, std::uint32_t source, const std::string& path, const Outside& outside,
                                  SourceMap& origins, std::vector<Input>& inputs, Diagnostics& diagnostics);

// The child: reads a bundle from stdin, evaluates it with the libjsonnet at that path or of that name, writes the result to stdout. The
// main of the hidden subcommand `fabric jsonnet-child LIBRARY`. Its own limits end it: memory, CPU time, stack, files.
int jsonnet_child_main(const char* library);

constexpr const char* default_libjsonnet = "libjsonnet.so.0";

// Why a child that did not end well did not, in words; signal: the one that ended it, 0 if none did.
std::string why_jsonnet_ended(int signal);

// The bundle and the result as they cross the pipe.
std::string encode_jsonnet_program(const JsonnetProgram& program);
std::optional<JsonnetResult> decode_jsonnet_result(const std::string& bytes);

}  // namespace fabric
