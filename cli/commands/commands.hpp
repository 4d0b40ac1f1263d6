// The rows of the command table, each defined in the file of its name.
#pragma once

#include "cli/command.hpp"

namespace fabric {

extern const Command plan_command;
extern const Command apply_command;
extern const Command attach_command;
extern const Command run_command;
extern const Command list_command;
extern const Command status_command;
extern const Command logs_command;
extern const Command cancel_command;
extern const Command clean_command;
extern const Command env_command;
extern const Command resume_command;
extern const Command validate_command;
extern const Command explain_command;
extern const Command schema_command;
extern const Command probe_command;
extern const Command doctor_command;
extern const Command version_command;
extern const Command help_command;
extern const Command init_command;
extern const Command import_command;

}  // namespace fabric
