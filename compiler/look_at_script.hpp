// What the text of a Python script gives away. A look suggests and never decides: names may be imported, built or commented out in
// ways that only Python knows.
#pragma once

#include <string>
#include <string_view>

namespace fabric {

struct ScriptLook {
  bool lightning_fabric = false;     // makes a Fabric object of Lightning's
  bool launches = false;             // calls .launch( somewhere
  std::string local_rank_option;     // --local-rank or --local_rank, whichever it parses; empty: neither
  bool local_rank_variable = false;  // reads LOCAL_RANK
  bool joins_ranks = false;          // names a variable or a library by which ranks find each other
  bool starts_ranks = false;         // starts its own peers, as torch.multiprocessing.spawn does
};

ScriptLook look_at_script(std::string_view text);

}  // namespace fabric
