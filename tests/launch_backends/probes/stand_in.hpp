// The machine that the stand-in for libnvidia-ml.so.1 plays while an object of this lives.
#pragma once

#include <cstdlib>
#include <string>

namespace fabric::test {

inline std::string stand_in_library(const std::string& variant = "stand_in_nvml") {
  return std::string(FABRIC_BINARY_DIR) + "/tests/" + variant + "/libnvidia-ml.so.1";
}

class StandIn {
 public:
  explicit StandIn(const std::string& words) { setenv("FABRIC_STAND_IN_NVML", words.c_str(), 1); }
  ~StandIn() { unsetenv("FABRIC_STAND_IN_NVML"); }
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  // Sessions of the driver that were opened and not closed.
  static int open_sessions() {
    const char* open = std::getenv("FABRIC_STAND_IN_NVML_OPEN");
    return open ? std::atoi(open) : 0;
  }
};

}  // namespace fabric::test
