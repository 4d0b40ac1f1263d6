// A job as the text of a file. What YAML would read otherwise than it is meant stands in quotes.
#pragma once

#include <string>

#include "schema/value.hpp"

namespace fabric {

// The job, which is a map, as a YAML file that says the same; maps stand in block style, lists on one line.
std::string job_as_yaml(const Value& job);

// A text, number, list or map on one line.
std::string yaml_flow(const Value& value);

}  // namespace fabric
