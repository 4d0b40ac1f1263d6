// What the text of a Python script gives away. A look suggests and never decides: names may be imported, built or commented out in
// ways that only Python knows.
#pragma once

#include <string_view>

namespace fabric {

struct ScriptLook {
  bool lightning_fabric = false;     // makes a Fabric object of Lightning's
  bool launches = false;             // calls .launch( somewhere
  bool local_rank_option = false;    // parses --local-rank or --local_rank
  bool local_rank_variable = false;  // reads LOCAL_RANK
};

ScriptLook look_at_script(std::string_view text);

}  // namespace fabric
