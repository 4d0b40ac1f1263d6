#include "cli/version.hpp"

#include "fabric_commit.inc"  // FABRIC_VERSION and FABRIC_COMMIT, written by commit.cmake

namespace fabric {

std::string_view version_number() { return FABRIC_VERSION; }
std::string_view version_commit() { return FABRIC_COMMIT; }

std::string version_text() {
  std::string text(version_number());
  if (!version_commit().empty()) text += " (" + std::string(version_commit()) + ')';
  return text;
}

}  // namespace fabric
