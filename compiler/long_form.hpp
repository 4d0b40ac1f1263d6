// The long form of a layer: every layer is brought to it before they are laid over each other, so that one may change a part of what
// another wrote in short.
#pragma once

#include <string>

#include "schema/source_map.hpp"
#include "schema/value.hpp"

namespace fabric {

// The path that a relative one stands for in the folder base; an absolute one stays.
std::string absolute_from(const std::string& base, const std::string& path);

// Brings a layer to the long form: `model: cnn` to `model: {name: cnn}`, and paths that count from `base` to absolute ones. The
// member that a short form stands for gets the origin of the short form.
void bring_to_long_form(Value& layer, const std::string& base, SourceMap& origins);

}  // namespace fabric
