#include "schema/diagnostic.hpp"

#include <algorithm>

namespace fabric {

bool Diagnostics::has_errors() const {
  return std::any_of(all_.begin(), all_.end(), [](const Diagnostic& d) { return d.severity == Severity::error; });
}

bool Diagnostics::blames(const Path& path) const {
  return std::any_of(all_.begin(), all_.end(), [&](const Diagnostic& d) {
    return d.severity == Severity::error && d.at.path && !d.at.path->empty() && path.starts_with(*d.at.path);
  });
}

}  // namespace fabric
