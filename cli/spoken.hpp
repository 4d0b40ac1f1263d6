// Numbers as people read them.
#pragma once

#include <string>

namespace fabric {

// 4.2 s, 1 min 07 s, 2 h 05 min
std::string spoken_duration(double seconds);

// 12,345
std::string grouped(double number);

}  // namespace fabric
