// What the job schema says of a field, in words.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/terminal.hpp"

namespace fabric {

using FieldNames = std::vector<std::string>;  // {"train", "optimizer", "lr"}

// All fields of a job, parents before children, in the order of the schema. A profile's fields are the job's own and not repeated.
std::vector<FieldNames> all_fields();

// The field that the user means: its path, or its last name if only one field has it.
std::optional<FieldNames> find_field(const std::string& asked);

// Type, unit, default, choices, what auto does, and an example that can be copied.
std::string explain_field(const FieldNames& field, const Terminal& terminal);

// All fields as a tree, a line each.
std::string fields_tree(const Terminal& terminal);

// All of this of all fields, as a Markdown page.
std::string fields_page();

std::string dotted(const FieldNames& field);

}  // namespace fabric
