// Two plans, value by value: which paths differ and how.
#pragma once

#include <string>
#include <vector>

#include "schema/value.hpp"

namespace fabric {

struct Difference {
  std::string path;   // decisions[devices].value; a list whose elements have a name of their own is walked by these names
  std::string saved;  // canonical JSON; empty: absent
  std::string now;
  std::string str() const;  // path: saved -> now
  friend bool operator==(const Difference&, const Difference&) = default;
};

// In the order of the paths in `now`, then those that only `saved` has.
std::vector<Difference> differences(const Value& saved, const Value& now);

}  // namespace fabric
