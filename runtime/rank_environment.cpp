#include "runtime/rank_environment.hpp"

#include <charconv>
#include <fstream>
#include <iterator>
#include <limits>

#include "runtime/failure.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Failure(FailureClass::usage, what + "; fabric-worker is started by `fabric apply`, which sets its environment");
}

std::string text(const ReadVariable& variable, const char* name) {
  std::optional<std::string> value = variable(name);
  if (!value || value->empty()) refuse(std::string(name) + " is not set");
  return *value;
}

std::int64_t integer(const char* name, const std::string& value, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < least || number > most)
    refuse(std::string(name) + " is '" + value + "', not an integer from " + std::to_string(least) + " to " + std::to_string(most));
  return number;
}

}  // namespace

RankEnvironment read_rank_environment(const ReadVariable& variable) {
  constexpr std::int64_t any = std::numeric_limits<std::int32_t>::max();
  RankEnvironment place;
  place.world_size = integer("WORLD_SIZE", text(variable, "WORLD_SIZE"), 1, any);
  place.rank = integer("RANK", text(variable, "RANK"), 0, place.world_size - 1);
  place.local_rank = integer("LOCAL_RANK", text(variable, "LOCAL_RANK"), 0, place.rank);
  place.plan_path = text(variable, "FABRIC_PLAN");
  place.run_directory = text(variable, "FABRIC_RUN_DIR");
  place.events_path = variable("FABRIC_EVENTS").value_or("");
  place.stop_file = variable("FABRIC_STOP_FILE").value_or("");
  place.attempt = integer("FABRIC_ATTEMPT", variable("FABRIC_ATTEMPT").value_or("0"), 0, any);
  place.resume_from = variable("FABRIC_RESUME_FROM");
  if (place.resume_from && place.resume_from->empty()) place.resume_from.reset();
  if (place.world_size > 1) {
    place.main_address = text(variable, "MASTER_ADDR");
    place.main_port = integer("MASTER_PORT", text(variable, "MASTER_PORT"), 1, 65535);
    if (place.rank == 0)
      if (const std::optional<std::string> fd = variable("FABRIC_STORE_FD"); fd && !fd->empty())
        place.store_fd = static_cast<int>(integer("FABRIC_STORE_FD", *fd, 0, any));
  }
  return place;
}

Plan load_plan(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Failure(FailureClass::plan, path + ": the plan cannot be opened");
  const std::string saved{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::string why;
  const std::optional<Value> document = read_json(saved, &why);
  if (!document) throw Failure(FailureClass::plan, path + ": not a plan: " + why);
  const Value* id = document->find("plan_id");
  const Value* content = document->find("plan");
  if (!id || !id->is_string() || !content) throw Failure(FailureClass::plan, path + ": not a saved plan: it needs plan_id and plan");
  try {
    Plan plan = from_value<Plan>(*content);
    if (plan_id(plan) != id->as_string())
      throw Failure(FailureClass::plan, path + ": the plan was edited: its content does not have the id that it states; plan again");
    return plan;
  } catch (const BindingError& error) {
    throw Failure(FailureClass::plan, path + ": not a plan that this version runs: " + error.what());
  }
}

}  // namespace fabric
