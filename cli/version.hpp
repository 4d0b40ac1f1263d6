// Which build of fabric this is.
#pragma once

#include <string>
#include <string_view>

namespace fabric {

std::string_view version_number();  // 0.1.0
std::string_view version_commit();  // twelve hex digits, a + behind them for a changed tree; empty outside a git checkout
std::string version_text();         // 0.1.0 (1f2e3d4c5b6a)

}  // namespace fabric
