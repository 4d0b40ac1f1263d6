// What is known of a batch script while a job is made of it, and the parts that this is done in.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "cli/import/batch_body.hpp"
#include "cli/import/import_place.hpp"
#include "cli/import/imported_job.hpp"
#include "cli/import/sbatch_directives.hpp"
#include "cli/import/sbatch_needs.hpp"
#include "schema/diagnostic.hpp"

namespace fabric {

class ScriptImport {
 public:
  ScriptImport(const std::string& text, std::uint32_t source, const ImportPlace& place, Diagnostics& diagnostics)
      : text_(text), source_(source), place_(place), diagnostics_(diagnostics) {}

  ImportedJob run();

 private:
  // Names of options and values, those of a step of srun before those of the job.
  std::map<std::string, std::string> options(bool with_launch) const;
  BashVariables variables_of_slurm() const;  // what the batch script finds in its environment
  void look_at_the_form();
  bool is_for_a_shell();
  void in_order();
  void name();
  void threads();
  void time();
  double signal(const SbatchDirective& directive);
  void variable(const std::string& name, const std::string& value, const std::string& origin, Span at);
  void variables();
  void exported(const std::string& list, const std::string& origin, Span at);
  void values_cut_at_commas(const std::vector<std::string>& parts, Span at);

  // How many ranks, and on what.
  void ranks();
  std::int64_t nodes_of_launcher();
  std::string origin_of_nodes() const;
  void nodes_that_vary(std::int64_t nodes);
  void devices_of_tasks(std::int64_t tasks, std::int64_t gpus, std::int64_t nodes, std::string& origin);
  void devices_of_one(std::int64_t tasks, std::int64_t nodes);
  void devices_of_launcher(std::int64_t tasks, std::int64_t gpus, std::int64_t nodes, std::string& origin);

  // What each is.
  void program();
  bool needs_shell() const;
  std::string program_path(const std::string& program) const;
  void plain_program(const std::string& origin);
  void command_program(const std::string& origin);
  void shell_program(const std::string& origin);
  void cwd();
  std::optional<std::string> folder_of_container();
  void of_accelerate();

  // The section `slurm`.
  void slurm();
  void cpus();
  void threads_of_unknown_cpus();
  void rest_of_srun();
  void resources_of_no_place(const std::string& gres, Span at);
  void output();
  void environments();
  void container();
  void rest(const SbatchDirective& directive);

  std::string line(std::size_t at) const;
  std::string line_of(std::initializer_list<std::string_view> names) const;  // of the first of these that is written
  const SbatchDirective* directive(std::string_view name) const;
  const BashField* srun_option(const char* name) const;
  Span at_launch() const;
  Span first_line() const;
  void warn(const char* code, std::string message, Span at, std::string label, std::string help);
  // A path of the script, as the job file is to name it; and an absolute one.
  std::string from_job(const std::string& path) const;
  std::string shortened_path(const std::string& path) const;
  ScriptFolders folders() const;
  std::string launch_folder() const;                       // where ranks start
  std::string from_launch(const std::string& path) const;  // a path that is looked for there

  const std::string& text_;
  std::uint32_t source_;
  const ImportPlace& place_;
  Diagnostics& diagnostics_;
  SbatchDirectives directives_;
  BatchBody body_;
  SbatchNeeds needs_;
  ImportedJob out_;
  std::int64_t devices_ = 1;
  bool alone_ = false;  // one process a node, which has all devices
};

// A count that is known.
std::optional<std::int64_t> count_in(const std::optional<BashField>& field);
std::optional<std::int64_t> count_in_text(const std::string& text);

}  // namespace fabric
