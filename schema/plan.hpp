// What will run, closed and canonical: what a backend, an agent and a worker receive. Equal input gives equal bytes.
// A plan holds node groups and a rank template, not one entry a rank; text that is known only at start is a typed placeholder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schema/binding.hpp"
#include "schema/job.hpp"

namespace fabric {

// The closed list of what is bound at start, and again at each restart. docs/placeholders.md says who binds what, when.
enum class Binding {
  main_address,
  main_port,
  device_ids,
  node_name,
  rank,
  local_rank,
  node_rank,
  attempt,
  resume_path,
  role_address,
  run_id,
  run_directory,
  events_file,
  error_file,
  stop_file,
  store_fd,
  own_device,
  network_interface
};

// clang-format off
template <> struct Names<Binding> {
  static constexpr std::array<std::pair<std::string_view, Binding>, 18> table{{{"main_address", Binding::main_address},
      {"main_port", Binding::main_port}, {"device_ids", Binding::device_ids}, {"node_name", Binding::node_name}, {"rank", Binding::rank},
      {"local_rank", Binding::local_rank}, {"node_rank", Binding::node_rank}, {"attempt", Binding::attempt},
      {"resume_path", Binding::resume_path}, {"role_address", Binding::role_address}, {"run_id", Binding::run_id},
      {"run_directory", Binding::run_directory}, {"events_file", Binding::events_file}, {"error_file", Binding::error_file}, {"stop_file", Binding::stop_file},
      {"store_fd", Binding::store_fd}, {"own_device", Binding::own_device},
      {"network_interface", Binding::network_interface}}};
};
// clang-format on

// A literal string, or {"bind": "rank"} with an optional suffix: {"bind": "run_directory", "then": "/plan.json"}.
// A variable whose placeholder has no value for a rank (resume_path in a first attempt, store_fd in any rank but 0) is not set.
struct Text {
  std::variant<std::string, Binding> base;
  std::string then;

  Text() = default;
  Text(std::string literal) : base(std::move(literal)) {}
  Text(const char* literal) : base(std::string(literal)) {}
  Text(Binding b, std::string suffix = {}) : base(b), then(std::move(suffix)) {}

  bool is_literal() const { return std::holds_alternative<std::string>(base); }
  std::string str() const;  // for people: <rank>, <run_directory>/plan.json

  static Text from_value(const Value& value, const Path& path);
  Value to_value() const;
  friend bool operator==(const Text&, const Text&) = default;
};

// Something that a Decision read, by name: host.cpus.count = 2, job.devices = 4.
struct Fact {
  std::string name;
  Value value;
  static constexpr auto fields() { return listed(field("name", &Fact::name), field("value", &Fact::value)); }
  friend bool operator==(const Fact&, const Fact&) = default;
};

struct Rejected {
  std::string value;
  std::string why;
  static constexpr auto fields() { return listed(field("value", &Rejected::value), field("why", &Rejected::why)); }
  friend bool operator==(const Rejected&, const Rejected&) = default;
};

// Why a field that was `auto` (or unset) has the value that it has.
struct Decision {
  std::string field;    // train.micro_batch_size
  Value value;          // null for a field that is bound at start
  std::string rule;     // short stable word: all-visible, only-one-device
  std::string because;  // one clause for people: 2 CPUs in the affinity mask, 2 ranks
  std::vector<Fact> inputs;
  std::vector<Rejected> rejected;
  static constexpr auto fields() {
    return listed(fabric::field("field", &Decision::field), fabric::field("value", &Decision::value),
                  fabric::field("rule", &Decision::rule), fabric::field("because", &Decision::because),
                  fabric::field("inputs", &Decision::inputs), fabric::field("rejected", &Decision::rejected));
  }
  friend bool operator==(const Decision&, const Decision&) = default;
};

// Variables that were there to be inherited: when a plan was made, or when a run started.
struct Inherited {
  std::vector<std::string> names;  // sorted
  std::string sha256;              // of their lines NAME=value, each with a NUL behind it; lower-case hex
  static constexpr auto fields() { return listed(field("names", &Inherited::names), field("sha256", &Inherited::sha256)); }
  friend bool operator==(const Inherited&, const Inherited&) = default;
};

// How to start each rank of a group. Arguments and variables are exact: no shell reads them.
struct RankTemplate {
  std::vector<Text> argv;
  std::map<std::string, Text> env;       // set on top of the inherited environment
  std::map<std::string, Text> defaults;  // set where neither the inherited environment nor the file of variables nor env has them
  std::vector<std::string> scrub;        // variables of another launcher that are removed first; a trailing * is a prefix
  Text cwd;
  std::optional<std::vector<std::string>> inherit;  // patterns of the variables that are inherited; absent: all
  std::optional<Inherited> inherited;               // where they are named by patterns
  std::optional<std::string> env_file;              // read at start, above the inherited ones and below env
  static constexpr auto fields() {
    return listed(field("argv", &RankTemplate::argv), field("env", &RankTemplate::env), field("defaults", &RankTemplate::defaults),
                  field("scrub", &RankTemplate::scrub), field("cwd", &RankTemplate::cwd), field("inherit", &RankTemplate::inherit),
                  field("inherited", &RankTemplate::inherited), field("env_file", &RankTemplate::env_file));
  }
  friend bool operator==(const RankTemplate&, const RankTemplate&) = default;
};

// The CPUs to which a rank is tied.
struct RankCpus {
  std::int64_t of = 0;  // on cuda a device, else a local rank
  std::string cpus;     // 0-15,32-47
  static constexpr auto fields() { return listed(field("of", &RankCpus::of), field("cpus", &RankCpus::cpus)); }
  friend bool operator==(const RankCpus&, const RankCpus&) = default;
};

// Nodes that are alike. Ranks are numbered node after node, from first_rank on.
struct NodeGroup {
  std::string role;  // main
  std::int64_t nodes = 1;
  std::vector<std::string> hosts;  // where each of them is, if the job names its machines; else empty
  std::int64_t first_node = 0;
  std::int64_t first_rank = 0;
  std::int64_t ranks_per_node = 1;
  Accelerator accelerator{};
  std::vector<std::int64_t> device_ids;  // written by the user; empty: bound at start, idle ones first
  std::vector<RankCpus> cpus;            // a rank that is not among them may use all that fabric may
  RankTemplate rank;
  static constexpr auto fields() {
    return listed(field("role", &NodeGroup::role), field("nodes", &NodeGroup::nodes), field("hosts", &NodeGroup::hosts),
                  field("first_node", &NodeGroup::first_node), field("first_rank", &NodeGroup::first_rank),
                  field("ranks_per_node", &NodeGroup::ranks_per_node), field("accelerator", &NodeGroup::accelerator),
                  field("device_ids", &NodeGroup::device_ids), field("cpus", &NodeGroup::cpus), field("rank", &NodeGroup::rank));
  }
  friend bool operator==(const NodeGroup&, const NodeGroup&) = default;
};

// A file that the compiler read, as it was.
struct Input {
  std::string path;
  std::string sha256;  // lower-case hex
  static constexpr auto fields() { return listed(field("path", &Input::path), field("sha256", &Input::sha256)); }
  friend bool operator==(const Input&, const Input&) = default;
};

// What was asked for: enough to compile the same plan again.
struct Request {
  std::string job;  // absolute path
  std::vector<std::string> profiles;
  std::vector<std::string> sets;
  std::optional<std::string> text;  // of the job, where no file has it; job is then the name that such a file would have
  static constexpr auto fields() {
    return listed(field("job", &Request::job), field("profiles", &Request::profiles), field("sets", &Request::sets),
                  field("text", &Request::text));
  }
  friend bool operator==(const Request&, const Request&) = default;
};

// Something that only the place of the run can answer.
enum class QuestionKind { is_directory, is_file, is_plain_or_gzip_file, is_program };
template <>
struct Names<QuestionKind> {
  static constexpr std::array<std::pair<std::string_view, QuestionKind>, 4> table{
      {{"is_directory", QuestionKind::is_directory},
       {"is_file", QuestionKind::is_file},
       {"is_plain_or_gzip_file", QuestionKind::is_plain_or_gzip_file},  // by this name, or with .gz behind it
       {"is_program", QuestionKind::is_program}}};
};
struct Question {
  QuestionKind kind{};
  std::string subject;  // the path, or a program's name that is looked up on PATH
  std::string field;    // who asks: train.data.path
  static constexpr auto fields() {
    return listed(fabric::field("kind", &Question::kind), fabric::field("subject", &Question::subject),
                  fabric::field("field", &Question::field));
  }
  friend bool operator==(const Question&, const Question&) = default;
};

// A file or folder that the run will write, below the run directory.
struct Output {
  std::string path;
  std::string what;
  static constexpr auto fields() { return listed(field("path", &Output::path), field("what", &Output::what)); }
  friend bool operator==(const Output&, const Output&) = default;
};

// What is known of a program's code beside its files.
struct Code {
  std::optional<std::string> python_version;  // Python 3.11.2
  std::optional<std::string> git_commit;      // 40 hex digits, with -dirty behind them if tracked files differ
  static constexpr auto fields() { return listed(field("python_version", &Code::python_version), field("git_commit", &Code::git_commit)); }
  friend bool operator==(const Code&, const Code&) = default;
};

struct Plan {
  std::int64_t plan_version = 2;
  std::string fabric_version;  // version and commit of the compiler
  std::string name;
  Request request;
  std::vector<Input> inputs;
  ResolvedJob job;
  Code code;
  std::vector<Decision> decisions;
  std::int64_t world_size = 1;
  std::vector<NodeGroup> groups;
  std::vector<Question> questions;
  std::vector<Output> outputs;
  static constexpr auto fields() {
    return listed(field("plan_version", &Plan::plan_version), field("fabric_version", &Plan::fabric_version), field("name", &Plan::name),
                  field("request", &Plan::request), field("inputs", &Plan::inputs), field("job", &Plan::job), field("code", &Plan::code),
                  field("decisions", &Plan::decisions), field("world_size", &Plan::world_size), field("groups", &Plan::groups),
                  field("questions", &Plan::questions), field("outputs", &Plan::outputs));
  }
  friend bool operator==(const Plan&, const Plan&) = default;
};

// Whether a variable of this name in the environment of fabric reaches a rank.
bool is_inherited(const RankTemplate& rank, std::string_view name);

// What of an environment (NAME=value) reaches a rank.
Inherited inherited_of(const RankTemplate& rank, const std::vector<std::string>& environment);

// SHA-256, lower-case hex, of the canonical JSON of the plan.
std::string plan_id(const Plan& plan);

// The saved form: {"plan_id": ..., "plan": {...}} as canonical JSON with a newline at its end.
std::string save_plan(const Plan& plan);

// Compiled once, in bindings.cpp.
extern template NodeGroup from_value<NodeGroup>(const Value&, const Path&);
extern template Value to_value<NodeGroup>(const NodeGroup&);
extern template Plan from_value<Plan>(const Value&, const Path&);
extern template Value to_value<Plan>(const Plan&);

}  // namespace fabric
