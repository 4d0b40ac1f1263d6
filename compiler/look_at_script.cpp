#include "compiler/look_at_script.hpp"

#include <algorithm>
#include <string>

namespace fabric {
namespace {

// Without comments, as far as one can tell without parsing strings.
std::string code_of(std::string_view text) {
  std::string code;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::size_t first = line.find_first_not_of(" \t");
    if (first != std::string_view::npos && line[first] != '#') code.append(line.substr(0, line.find(" #"))) += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return code;
}

}  // namespace

ScriptLook look_at_script(std::string_view text) {
  const std::string code = code_of(text);
  const auto has = [&code](std::string_view part) { return code.find(part) != std::string::npos; };
  ScriptLook look;
  const bool imports = has("import") && has("lightning");
  look.lightning_fabric = imports && (has("Fabric(") || has("Fabric ("));
  look.launches = has(".launch(");
  // torch.distributed.launch gives the first since PyTorch 2.0.
  look.local_rank_option = has("--local-rank") ? "--local-rank" : has("--local_rank") ? "--local_rank" : "";
  look.local_rank_variable = has("LOCAL_RANK");
  for (const char* word : {"RANK", "torch.distributed", "init_process_group", "lightning", "accelerate", "deepspeed", "transformers",
                           "horovod", "MASTER_ADDR", "WORLD_SIZE"})
    look.joins_ranks = look.joins_ranks || has(word);
  look.starts_ranks = has("mp.spawn(") || has("multiprocessing.spawn(") || has("start_processes(");
  return look;
}

}  // namespace fabric
