#include "cli/command_line_job.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <optional>

#include "cli/accelerate_line.hpp"
#include "cli/carry_out.hpp"
#include "cli/planning.hpp"
#include "cli/rank_filter.hpp"
#include "compiler/resolve_auto.hpp"
#include "schema/catalog.hpp"
#include "schema/json.hpp"
#include "schema/spelling.hpp"
#include "schema/utf8.hpp"

namespace fabric {
namespace {

struct Draft {
  CommandLineJob out;
  bool module = false;
  bool no_python = false;
  Value& program() {
    Value* found = out.job.find("program");
    return found ? *found : out.job.set("program", Value::object());
  }
  Value& variables() {
    Value* found = out.job.find("env");
    return found ? *found : out.job.set("env", Value::object());
  }
};

[[noreturn]] void refuse(const std::string& what, const std::string& help) { throw UsageError(what, help); }

// Where the machines are named they are reached over ssh.
Value& over_ssh(Draft& draft) {
  draft.out.job.set("backend", "ssh");
  Value* found = draft.out.job.find("ssh");
  return found ? *found : draft.out.job.set("ssh", Value::object());
}

void hosts(Draft& draft, const std::string& text) {
  Value list = Value::array();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) list.as_array().emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (list.as_array().empty()) refuse("`--hosts` names no host", "write for example --hosts gpu1,gpu2");
  over_ssh(draft).set("hosts", std::move(list));
}

std::optional<std::int64_t> number_in(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::int64_t whole(const std::string& option, const std::string& text) {
  const std::optional<std::int64_t> number = number_in(text);
  if (!number) refuse("`" + option + " " + text + "` is not a whole number", "give a number, such as " + option + " 2");
  return *number;
}

void devices(Draft& draft, const std::string& text) {
  if (text == "cpu" || text == "gpu") {
    draft.out.job.set("accelerator", text == "cpu" ? "cpu" : "cuda");
    draft.out.job.set("devices", "auto");
    if (text == "cpu")
      draft.out.remarks.push_back("on a CPU fabric starts one rank for all cores; --nproc-per-node takes a count of ranks");
    return;
  }
  const std::optional<std::int64_t> count = number_in(text);
  draft.out.job.set("devices", count ? Value(*count) : Value(text));
}

void nodes(Draft& draft, const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon != std::string::npos && text.substr(0, colon) != text.substr(colon + 1))
    refuse("`--nnodes " + text + "` lets the number of nodes change, and a plan is for one number",
           "give one number: --nnodes " + text.substr(colon + 1));
  draft.out.job.set("num_nodes", whole("--nnodes", text.substr(0, colon)));
}

void port(Draft& draft, const std::string& text) {
  if (const std::int64_t number = whole("--main-port", text)) draft.out.job.set("main_port", number);
}

void endpoint(Draft& draft, const std::string& text) {
  if (text.empty()) return;
  const std::size_t colon = text.rfind(':');
  draft.out.job.set("main_address", text.substr(0, colon));
  if (colon != std::string::npos && colon + 1 < text.size()) port(draft, text.substr(colon + 1));
}

void restarts(Draft& draft, const std::string& text) {
  if (const std::int64_t number = whole("--max-restarts", text)) draft.out.job.set("restart", number);
}

void variable(Draft& draft, const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    refuse("`--env " + text + "` is not NAME=value", "write for example --env NCCL_DEBUG=INFO");
  draft.variables().set(text.substr(0, equals), text.substr(equals + 1));
}

// torchrun's four: all CPUs of the GPU's NUMA node or socket, or a part of its cores for each rank.
void numa_binding(Draft& draft, const std::string& text) {
  if (text == "node" || text == "socket") draft.out.job.set("binding", "numa");
  else if (text == "exclusive" || text == "core-complex") draft.out.job.set("binding", "cores");
  else
    refuse("`--numa-binding " + text + "` is not known",
           "torchrun knows node, socket, exclusive and core-complex; fabric's own word is `binding`");
}

void shutdown_timeout(Draft& draft, const std::string& text) {
  Value stop = Value::object();
  stop.set("grace", whole("--shutdown-timeout", text));
  draft.out.job.set("stop", std::move(stop));
}

void ignored(Draft&, const std::string&) {}

void not_used(Draft& draft, const std::string& option, const std::string& why) {
  draft.out.remarks.push_back(option + " is not used: " + why);
}

struct Row {
  Option option;
  void (*take)(Draft&, const std::string&);
};

template <class F>
constexpr Row row(std::string_view names, std::string_view value, std::string_view help, F take, bool repeats = false) {
  return {{names, value, help, repeats}, take};
}

template <class F>
constexpr Row row(const Option& option, F take) {
  return {option, take};
}

// The main name first, as --help shows it; others behind it.
constexpr Row rows[] = {
    row("--print-job", "", "Print the job file that this command line stands for, and run nothing.",
        [](Draft& d, const std::string&) { d.out.print_job = true; }),
    row("--plan", "", "Show what would run, and run nothing.", [](Draft& d, const std::string&) { d.out.plan_only = true; }),
    row(format_option,
        [](Draft& d, const std::string& v) {
          if (v != "human" && v != "json") refuse("`" + v + "` is not a format", "the formats are human and json");
          d.out.format = v;
        }),
    row(debug_option, [](Draft& d, const std::string& v) { d.out.debug = v; }),
    row(detach_option, [](Draft& d, const std::string&) { d.out.detach = true; }),
    row(runs_option, [](Draft& d, const std::string& v) { d.out.options["runs"] = {v}; }),
    row(rank_option, [](Draft& d, const std::string& v) { d.out.options["rank"] = {v}; }),
    row("--local-ranks-filter", "RANKS", "torchrun's way: by the numbers that ranks have on their node.",
        [](Draft& d, const std::string& v) { d.out.options["local-ranks-filter"] = {v}; }),
    row(node_option, [](Draft& d, const std::string& v) { d.out.options["node"] = {v}; }),
    row(grep_option, [](Draft& d, const std::string& v) { d.out.options["grep"] = {v}; }),
    row("--name,--rdzv-id", "NAME", "Names the run and its folder; by default after the script.",
        [](Draft& d, const std::string& v) { d.out.job.set("name", v); }),
    row("--nproc-per-node,--devices", "N", "Ranks of each node, one a device: a count, indices such as 0,2, gpu, or auto; 1 by default.",
        devices),
    row("--nnodes,--num-nodes", "N", "How many nodes take part; 1 by default.", nodes),
    row("--node-rank,--machine-rank", "N",
        "Of several nodes, the one whose part this command starts: run it on each, with the same --main-address and --main-port.",
        [](Draft& d, const std::string& v) { d.out.node_rank = read_node_rank(v); }),
    row("--accelerator", "KIND", "cpu, cuda (gpu), or auto.", [](Draft& d, const std::string& v) { d.out.job.set("accelerator", v); }),
    row("--strategy", "NAME", "Told to the script as LT_STRATEGY, and to Accelerate.",
        [](Draft& d, const std::string& v) { d.out.job.set("strategy", v); }),
    row("--precision", "NAME", "Told to the script as LT_PRECISION, and to Accelerate.",
        [](Draft& d, const std::string& v) { d.out.job.set("precision", v); }),
    row("--main-address,--master-addr", "HOST", "Where rank 0 listens; chosen at start by default.",
        [](Draft& d, const std::string& v) { d.out.job.set("main_address", v); }),
    row("--main-port,--master-port", "PORT", "The port of rank 0; a free one by default.", port),
    row("--rdzv-endpoint", "HOST:PORT", "torchrun's way to say both.", endpoint),
    row("--hosts,--host", "A,B", "Over ssh, on these hosts; rank 0 is on the first.", hosts),
    row("--hostfile", "FILE", "Over ssh, on the hosts of a file with HOST slots=N a line.",
        [](Draft& d, const std::string& v) { over_ssh(d).set("hostfile", v); }),
    row("--include", "HOSTS", "Of these hosts some, as gpu1@gpu2:0,2.",
        [](Draft& d, const std::string& v) { over_ssh(d).set("include", v); }),
    row("--exclude", "HOSTS", "Of these hosts all but some.", [](Draft& d, const std::string& v) { over_ssh(d).set("exclude", v); }),
    row(stage_option, [](Draft& d, const std::string&) { d.out.options["stage"] = {}; }),
    row("--contract", "NAME", "torchrun, fabric-cli, env or none: what a rank is told of its place.",
        [](Draft& d, const std::string& v) { d.program().set("contract", v); }),
    row("--python", "PATH", "The interpreter, or the folder of a virtual environment.",
        [](Draft& d, const std::string& v) { d.program().set("python", v); }),
    row("--env", "NAME=value", "A variable for every rank.", variable, true),
    row("--env-file", "FILE", "A file of variables for every rank.",
        [](Draft& d, const std::string& v) { d.program().set("env_file", v); }),
    row("--local-rank-option", "NAME", "Tell the script its local rank by this option, as torch.distributed.launch does.",
        [](Draft& d, const std::string& v) { d.program().set("local_rank_option", v); }),
    row("-m,--module", "", "SCRIPT is a module, as behind python -m.", [](Draft& d, const std::string&) { d.module = true; }),
    row("--no-python", "", "SCRIPT is a program of its own.", [](Draft& d, const std::string&) { d.no_python = true; }),
    row("--max-restarts", "N", "How often all ranks start again when one fails; 0 by default.", restarts),
    // What fabric does anyway, or has no use for.
    row("--use-env", "", "", ignored),
    row("--signals-to-handle", "LIST", "",
        [](Draft& d, const std::string&) { not_used(d, "--signals-to-handle", "SIGINT, SIGTERM and SIGHUP end a run in order"); }),
    row("--event-log-handler", "NAME", "", ignored),
    row("--logs-specs", "NAME", "", ignored),
    row("--numa-binding", "KIND", "", numa_binding),
    row("--virtual-local-rank", "", "", [](Draft& d, const std::string&) { d.out.job.set("visible_devices", "rank"); }),
    row("--shutdown-timeout", "S", "", shutdown_timeout),
    row("--duplicate-stdout-filters", "LIST", "",
        [](Draft& d, const std::string&) { not_used(d, "--duplicate-stdout-filters", "--grep PATTERN shows the lines that it finds"); }),
    row("--duplicate-stderr-filters", "LIST", "",
        [](Draft& d, const std::string&) { not_used(d, "--duplicate-stderr-filters", "--grep PATTERN shows the lines that it finds"); }),
    row("--standalone", "", "", ignored),
    row("--rdzv-backend", "NAME", "", ignored),
    row("--rdzv-conf", "CONF", "", ignored),
    row("--monitor-interval", "S", "", ignored),
    row("--start-method", "NAME", "", ignored),
    row("--role", "NAME", "", [](Draft& d, const std::string&) { not_used(d, "--role", "ROLE_NAME is main"); }),
    row("-r,--redirects", "SPEC", "", ignored),
    row("-t,--tee", "SPEC", "", ignored),
    row("--local-addr", "HOST", "",
        [](Draft& d, const std::string&) { not_used(d, "--local-addr", "ranks look for rank 0, and --main-address says where that is"); }),
    row("--log-dir", "DIR", "",
        [](Draft& d, const std::string&) {
          not_used(d, "--log-dir", "the log files of a run are in its folder, and --runs DIR keeps that elsewhere");
        }),
    row("--run-path", "", "", ignored),
};

std::string folded(std::string name) {
  if (name.starts_with("--")) std::replace(name.begin() + 2, name.end(), '_', '-');
  return name;
}

std::vector<std::string> names_of(const Row& row) {
  std::vector<std::string> names;
  for (std::string_view rest = row.option.names; !rest.empty();) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    names.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return names;
}

const Row* find_row(const std::string& name) {
  for (const Row& row : rows) {
    const std::vector<std::string> names = names_of(row);
    if (std::find(names.begin(), names.end(), name) != names.end()) return &row;
  }
  return nullptr;
}

// Those that Lightning takes behind the script too; there all others are the script's.
bool is_lightnings(const std::string& name) {
  static constexpr std::array<std::string_view, 10> names{"--accelerator",  "--strategy",  "--devices",   "--num-nodes", "--node-rank",
                                                          "--main-address", "--main-port", "--precision", "--print-job", "--plan"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Takes the option at words[at] and its value; at moves past them. False if it is none of ours.
bool take_option(const std::vector<std::string>& words, std::size_t& at, Draft& draft, bool behind_script) {
  const std::string& word = words[at];
  const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
  const std::string name = folded(word.substr(0, equals));
  if (behind_script && !is_lightnings(name)) return false;
  const Row* row = find_row(name);
  if (!row) return false;
  ++at;
  if (row->option.value.empty()) {
    if (equals != std::string::npos) refuse("`" + name + "` takes no value", "write `" + name + "`");
    row->take(draft, "");
    return true;
  }
  std::string value;
  if (equals != std::string::npos) value = word.substr(equals + 1);
  else if (at < words.size()) value = words[at++];
  else refuse("`" + name + "` needs a value", "`fabric run --help` shows how it is used");
  row->take(draft, value);
  return true;
}

[[noreturn]] void refuse_unknown(const std::string& word) {
  std::vector<std::string> names;
  for (const Row& row : rows)
    for (std::string& name : names_of(row)) names.push_back(std::move(name));
  const std::string name = folded(word.substr(0, word.find('=')));
  if (name == "--help" || name == "-h")
    refuse("`" + name + "` stands alone, or behind the script", "`fabric run --help` shows how it is used");
  std::optional<std::string> meant = closest(name, names);
  std::string hint;
  // A word of Accelerate or SLURM, whose meaning has another name here.
  if (const auto peer = peer_word(name.starts_with("--") ? std::string_view(name).substr(2) : ""); peer && !peer->path.empty())
    if (const std::string option = folded("--" + std::string(peer->path)); std::find(names.begin(), names.end(), option) != names.end()) {
      meant = option;
      if (!peer->hint.empty()) hint = ' ' + std::string(peer->hint);
    }
  refuse("unknown option `" + name + "` for `fabric run`",
         meant ? "did you mean `" + *meant + "`?" + hint
               : "options of the script stand behind the script; `fabric run --help` lists those of fabric");
}

// What a job has at least.
void complete(CommandLineJob& out) {
  Value& job = out.job;
  const Value& program = *job.find("program");
  const Value* command = program.find("command");
  const Value* module = program.find("module");
  const std::string script = command  ? command->as_array().front().as_string()
                             : module ? module->as_string() + ".py"
                                      : program.find("script")->as_string();
  Value whole = Value::object();
  whole.set("fabric", 1);
  whole.set("name", job.find("name") && !job.find("name")->as_string().empty() ? job.find("name")->as_string() : job_name_after(script));
  // torchrun starts one; of hosts that are listed each has its own number.
  const Value* listed = job.find("ssh");
  if (const Value* devices = job.find("devices")) whole.set("devices", *devices);
  else if (!listed || !listed->find("hostfile")) whole.set("devices", 1);
  for (Member& m : job.as_object())
    if (!whole.find(m.key)) whole.set(m.key, std::move(m.value));
  job = std::move(whole);
}

void take_accelerate(const std::vector<std::string>& words, Draft& draft) {
  AccelerateLine line = read_accelerate_line(words);
  if (draft.module || draft.no_python)
    refuse("`--module` and `--no-python` in front of `accelerate` say nothing", "write them behind `accelerate launch`");
  for (Member& m : line.job.as_object()) {
    if (m.key != "program") {
      if (!draft.out.job.find(m.key)) draft.out.job.set(m.key, std::move(m.value));
      continue;
    }
    for (Member& inner : m.value.as_object())
      if (!draft.program().find(inner.key)) draft.program().set(inner.key, std::move(inner.value));
  }
  // A variable in front wins too.
  if (const Value* ours = draft.out.job.find("env"))
    if (Value* theirs = draft.program().find("env"))
      for (const Member& m : ours->as_object()) theirs->erase(m.key);
  if (!draft.out.node_rank) draft.out.node_rank = line.node_rank;
  for (std::string& remark : line.remarks) draft.out.remarks.push_back(std::move(remark));
  complete(draft.out);
}

// Of hosts that ssh reaches each has its own environment.
void keep_threads(const std::string& omp_num_threads, Value& job) {
  const std::optional<std::int64_t> threads = threads_in(omp_num_threads);
  if (threads && !job.find("threads") && !job.find("ssh")) job.set("threads", *threads);
}

CommandLineJob read_words(const std::vector<std::string>& words) {
  Draft draft;
  draft.out.job = Value::object();
  bool lightning = false;
  std::size_t at = 0;
  std::optional<std::string> script;
  std::vector<std::string> rest;
  for (const std::string& word : words)
    if (!is_utf8(word)) refuse("an argument is not UTF-8, and a job is", "give the script such a name in a file");
  for (bool ours = true; at < words.size();) {
    const std::string& word = words[at];
    if (ours && word == "--") {
      ours = false;
      ++at;
    } else if (ours && word.size() > 1 && word[0] == '-' && take_option(words, at, draft, script.has_value())) {
      continue;
    } else if (!script && ours && (word == "accelerate-launch" || (word == "accelerate" && !lightning))) {
      const bool two = word == "accelerate";
      if (two && (at + 1 == words.size() || words[at + 1] != "launch"))
        refuse("of `accelerate` fabric takes the place of `accelerate launch` alone",
               "a script of that name is `./accelerate`; see `fabric help run`");
      take_accelerate({words.begin() + static_cast<std::ptrdiff_t>(at) + (two ? 2 : 1), words.end()}, draft);
      return std::move(draft.out);
    } else if (!script && ours && word == "model" && !lightning) {
      lightning = true;
      ++at;
    } else if (!script) {
      if (ours && word.size() > 1 && word[0] == '-') refuse_unknown(word);
      script = word;
      ++at;
      if (!lightning) ours = false;
    } else {
      rest.push_back(word);
      ++at;
    }
  }
  if (!script) refuse("`fabric run` needs a SCRIPT", "for example: fabric run --nproc-per-node 2 train.py --lr 0.1");
  if (draft.module && draft.no_python) refuse("`--module` and `--no-python` exclude each other", "leave one of them out");
  Value& program = draft.program();
  if (draft.no_python) program.set("command", Value(Value::Array{*script}));
  else program.set(draft.module ? "module" : "script", *script);
  Value::Array arguments(rest.begin(), rest.end());
  if (!arguments.empty()) program.set("args", Value(std::move(arguments)));
  if (lightning && !program.find("contract")) program.set("contract", "fabric-cli");
  complete(draft.out);
  return std::move(draft.out);
}

}  // namespace

std::string job_name_after(const std::string& script) {
  std::string name = std::filesystem::path(script).stem().string();
  for (char& c : name)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-')) c = '-';
  const std::size_t first = name.find_first_not_of(".-_");
  name = first == std::string::npos ? "job" : name.substr(first, 64);
  return name;
}

CommandLineJob read_command_line_job(const std::vector<std::string>& words, const std::string& omp_num_threads) {
  CommandLineJob out = read_words(words);
  keep_threads(omp_num_threads, out.job);
  return out;
}

std::span<const Option> command_line_options() {
  static const std::vector<Option> all = [] {
    std::vector<Option> options;
    for (const Row& row : rows)
      if (!row.option.help.empty()) options.push_back(row.option);
    return options;
  }();
  return all;
}

}  // namespace fabric
