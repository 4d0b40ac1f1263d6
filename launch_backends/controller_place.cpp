#include "launch_backends/controller_place.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "launch_backends/kept_record.hpp"
#include "launch_backends/replace_file.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

std::string file_of_place(const std::string& run) { return run + "/controller.json"; }

}  // namespace

std::string this_machine() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  std::ifstream in("/etc/machine-id");
  std::string id;
  in >> id;
  return id.empty() ? name : name + (' ' + id);
}

std::optional<ControllerPlace> controller_elsewhere(const std::string& run) {
  std::optional<ControllerPlace> place = kept_record<ControllerPlace>(file_of_place(run));
  if (place && (place->home || place->machine == this_machine())) return std::nullopt;
  return place;
}

void write_controller_place(const std::string& run, const ControllerPlace& place) {
  replace_file(file_of_place(run), pretty_json(to_value(place)) + '\n');
}

void forget_controller_place(const std::string& run) {
  std::error_code none;
  std::filesystem::remove(file_of_place(run), none);
}

}  // namespace fabric
