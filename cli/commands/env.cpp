#include "cli/commands/commands.hpp"
#include "cli/event_detail.hpp"
#include "cli/find_run.hpp"
#include "cli/planning.hpp"
#include "cli/rank_filter.hpp"
#include "cli/show_plan.hpp"
#include "launch_backends/bind_ranks.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr Option env_options[] = {
    {"--rank", "N", "The rank whose variables these are; 0 by default."},
    runs_option,
};

constexpr Example env_examples[] = {
    {"eval \"$(fabric env train --rank 1)\"; gdb --args python3 train.py", "a rank by hand, in this shell"},
};

std::int64_t rank_of(const Arguments& arguments) {
  const std::string text = arguments.value("rank").value_or("0");
  const std::optional<Value> number = read_json(text);
  if (!number || !number->is_integer() || number->as_integer() < 0)
    throw UsageError("`--rank " + text + "` is no rank", "write for example --rank 1");
  return number->as_integer();
}

// What was bound when the last attempt started.
void take_bound(const RunDirectory& run, RankPlace& place) {
  run.each_event([&place](const std::string& kind, const Value& event) {
    const Value* detail = kind == "bound" ? event.find("detail") : nullptr;
    if (!detail) return;
    if (const std::string address = text_in(*detail, "main_address"); !address.empty()) place.main_address = address;
    place.main_port = integer_in(*detail, "main_port").value_or(place.main_port);
    place.attempt = integer_in(*detail, "attempt").value_or(place.attempt);
    if (const std::string path = text_in(*detail, "resume_path"); !path.empty()) place.resume_path = path;
    place.devices.clear();
    if (const Value* v = detail->find("device_ids"); v && v->is_array())
      for (const Value& id : v->as_array())
        if (id.is_integer()) place.devices.push_back(std::to_string(id.as_integer()));
  });
}

int run_env(const Invocation& invocation) {
  const RunDirectory run = find_run(invocation.arguments);
  const std::int64_t rank = rank_of(invocation.arguments);
  const Plan plan = plan_of(run);
  const std::optional<RankSeat> seat = seat_of(plan, rank);
  if (!seat) refuse_rank(rank, plan, std::nullopt);
  const RankTemplate& rank_template = seat->group.rank;
  RankPlace place;
  place.rank = rank;
  place.local_rank = seat->local_rank;
  place.node_rank = seat->node;
  place.run_id = run.id();
  place.run_directory = run.path();
  place.events_file = run.rank_file(place.node_rank, rank, ".events.jsonl");
  place.error_file = run.rank_file(place.node_rank, rank, ".error.json");
  place.stop_file = run.path() + "/nodes/" + std::to_string(place.node_rank) + "/stop";
  take_bound(run, place);
  place.role_address = place.main_address;
  const BoundRank bound = bind_rank(rank_template, place, {}, variables_of_file(rank_template));
  std::string text;
  for (const std::string& name : scrubbed_names(rank_template, own_environment())) text += "unset " + name + '\n';
  for (const std::string& variable : bound.env) {
    const std::size_t equals = variable.find('=');
    text += "export " + variable.substr(0, equals) + '=' + shell_line({variable.substr(equals + 1)}) + '\n';
  }
  text += "cd " + shell_line({bound.cwd}) + "\n# " + shell_line(bound.argv) + '\n';
  invocation.console.out.write(text);
  return exit_with(ExitCode::success);
}

}  // namespace

const Command env_command{
    .name = "env",
    .summary = "print the variables of a rank, to start it by hand",
    .about =
        "Prints, for a shell to read, the variables that a rank of a run was given, those of its file of variables included, its folder, and "
        "in a comment its command. The address and "
        "port are those of the last attempt; nobody listens there unless rank 0 runs.",
    .operand = Operand{"RUN", "NAME, NAME/ID, or the folder of a run"},
    .options = env_options,
    .examples = env_examples,
    .run = run_env,
};

}  // namespace fabric
