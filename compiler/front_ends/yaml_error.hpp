// A syntax error of yaml-cpp in our words: where the mistake is, which is seldom where the parser stumbled, and a way out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "compiler/front_ends/yaml_tree.hpp"
#include "schema/diagnostic.hpp"

namespace fabric {

// message is yaml-cpp's, `at` the byte of the text of `source` that it names, progress what was understood before.
Diagnostic explain_yaml_error(const std::string& message, std::string_view text, std::uint32_t source, std::uint32_t at,
                              const YamlTree::Progress& progress);

}  // namespace fabric
