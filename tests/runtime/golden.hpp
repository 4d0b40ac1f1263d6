// The numbers in tests/runtime/golden, made by PyTorch; make_golden.py there says how.
#pragma once

#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "schema/job.hpp"

namespace fabric::test {

inline nlohmann::json golden(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(FABRIC_SOURCE_DIR "/tests/runtime/golden/" + name));
}

// An optimizer with PyTorch's defaults where a golden case writes nothing.
inline Optimizer golden_optimizer(const std::string& name, const nlohmann::json& options) {
  Optimizer made;
  made.name = *from_name<OptimizerName>(name);
  made.lr = options.at("lr");
  made.weight_decay = options.value("weight_decay", 0.0);
  made.momentum = options.value("momentum", 0.0);
  made.betas = options.value("betas", std::vector<double>{0.9, 0.999});
  made.eps = options.value("eps", 1e-8);
  return made;
}

}  // namespace fabric::test
