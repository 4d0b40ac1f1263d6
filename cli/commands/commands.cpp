#include "cli/commands/commands.hpp"

namespace fabric {
namespace {

constexpr const Command* table_of_commands[] = {
    &init_command,    &import_command, &plan_command,   &apply_command,  &run_command,     &resume_command, &list_command,
    &status_command,  &logs_command,   &attach_command, &cancel_command, &clean_command,   &env_command,    &validate_command,
    &explain_command, &schema_command, &probe_command,  &doctor_command, &version_command, &help_command,
};

}  // namespace

std::span<const Command* const> commands() { return table_of_commands; }

}  // namespace fabric
