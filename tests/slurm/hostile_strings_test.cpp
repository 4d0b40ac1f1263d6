// Arguments, variables and names of folders arrive byte for byte, whatever is in them, on this machine and through SLURM and ssh: the
// strings of hostile_strings.json, and 500 random ones, 60 where FABRIC_CLUSTERS is not set. FABRIC_HOSTILE_SEED has those of an earlier
// time.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <random>

#include "schema/json.hpp"
#include "schema/utf8.hpp"
#include "tests/clusters/slurm_cluster.hpp"
#include "tests/clusters/ssh_hosts.hpp"
#include "tests/slurm/applied_job.hpp"

using namespace fabric;
using namespace fabric::testing;

namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

SlurmCluster::Options two_nodes() { return {.nodes = 2, .gpus = 0}; }
using Slurm = ForSuite<SlurmCluster, two_nodes>;
SshHosts::Options two_hosts() { return {.hosts = 2}; }
using Ssh = ForSuite<SshHosts, two_hosts>;

struct Backend {
  const char* name;
  const char* lines;
  int nodes;
  bool reads_files;  // of variables
  const Cluster& (*cluster)();
  bool (*left_out)();
};
const Cluster& slurm_cluster() { return Slurm::cluster(); }
const Cluster& ssh_cluster() { return Ssh::cluster(); }
const Backend backends[] = {
    {"local", "devices: 2\n", 1, true, slurm_cluster, Slurm::left_out},
    {"slurm-agent", "backend: slurm\nnum_nodes: 2\ndevices: 1\n", 2, true, slurm_cluster, Slurm::left_out},
    {"slurm-srun", "backend: slurm\nnum_nodes: 2\ndevices: 1\nslurm: {shape: srun}\n", 2, false, slurm_cluster, Slurm::left_out},
    {"ssh", "backend: ssh\nnum_nodes: 2\ndevices: 1\nssh: {hosts: [h1, h2], send: [CALLER*]}\n", 2, true, ssh_cluster, Ssh::left_out},
};

// Each byte as the character of its number.
std::string as_text(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) append_utf8(text, static_cast<unsigned char>(c));
  return text;
}

// Back again, as rank_report writes.
std::string as_bytes(const std::string& text) {
  std::string bytes;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const bool two = byte(at) >= 0x80;
    bytes += static_cast<char>(two ? (byte(at) & 3) << 6 | (byte(at + 1) & 0x3F) : byte(at));
    at += two ? 2 : 1;
  }
  return bytes;
}

// With escapes for all that a file may not hold as it is, and for more. The front ends differ in how a character beyond U+FFFF is written.
enum class Language { yaml, jsonnet };

std::string quoted(const std::string& text, Language language = Language::yaml) {
  std::string all = "\"";
  const auto escape = [&all](const char* form, std::uint32_t point) {
    char escaped[16];
    std::snprintf(escaped, sizeof escaped, form, point);
    all += escaped;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = utf8_length(text, at);
    BOOST_REQUIRE(length > 0);
    const unsigned char first = static_cast<unsigned char>(text[at]);
    std::uint32_t point = length == 1 ? first : first & (0x7Fu >> length);
    for (std::size_t i = 1; i < length; ++i) point = point << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3Fu);
    at += length;
    if (point > 0xFFFF && language == Language::jsonnet) {
      escape("\\u%04x", 0xD800 + ((point - 0x10000) >> 10));
      escape("\\u%04x", 0xDC00 + (point & 0x3FF));
    } else if (point > 0xFFFF) {
      escape("\\U%08x", point);
    } else if (point < 0x20 || point >= 0x7F || point == '"' || point == '\\') {
      escape("\\u%04x", point);
    } else {
      all += static_cast<char>(point);
    }
  }
  return all + '"';
}

std::string list_of(const Strings& texts, Language language) {
  std::string list = "[";
  for (const std::string& text : texts) list += (list.size() > 1 ? ", " : "") + quoted(text, language);
  return list + ']';
}

std::string map_of(const std::string& prefix, const Strings& texts, Language language) {
  std::string map = "{";
  for (std::size_t i = 0; i < texts.size(); ++i)
    map += (i ? ", \"" : "\"") + prefix + std::to_string(i) + "\": " + quoted(texts[i], language);
  return map + '}';
}

// UTF-8 all of them.
Strings committed() {
  Strings strings;
  const std::optional<Value> file = read_json(read_text(FABRIC_SOURCE_DIR "/tests/slurm/hostile_strings.json"));
  BOOST_REQUIRE(file);
  for (const Value& entry : file->as_array()) strings.push_back(entry.as_string());
  std::string every, long_one;
  for (int byte = 1; byte < 256; ++byte) every += static_cast<char>(byte);
  while (long_one.size() < 4096) long_one += "'\"\\ $`\n";
  strings.push_back(as_text(every));
  strings.push_back(long_one.substr(0, 4096));
  return strings;
}

// Of bytes from 1 to 255.
const Strings& random_bytes() {
  static const Strings strings = [] {
    const char* const given = std::getenv("FABRIC_HOSTILE_SEED");
    const unsigned seed = given ? static_cast<unsigned>(std::stoul(given)) : std::random_device()();
    BOOST_TEST_MESSAGE("FABRIC_HOSTILE_SEED=" << seed);
    std::mt19937 random(seed);
    Strings all(std::getenv("FABRIC_CLUSTERS") ? 500 : 60);
    for (std::string& string : all)
      for (std::size_t length = random() % 64; string.size() < length;) string += static_cast<char>(1 + random() % 255);
    return all;
  }();
  return strings;
}

Strings random_texts() {
  Strings texts;
  for (const std::string& bytes : random_bytes()) texts.push_back(as_text(bytes));
  return texts;
}

Strings hostile_texts() {
  Strings all = committed();
  for (std::string& text : random_texts()) all.push_back(std::move(text));
  return all;
}

// Paths as long as the system takes, less what a run puts below, in which every text that can be the name of a folder is one.
Strings hostile_paths() {
  constexpr std::size_t longest = 3400;
  Strings paths = {""};
  for (const std::string& text : hostile_texts()) {
    if (text.empty() || text == "." || text == ".." || text.size() > 255 || text.find('/') != std::string::npos) continue;
    if (paths.back().size() + text.size() > longest) paths.emplace_back();
    paths.back() += (paths.back().empty() ? "" : "/") + text;
  }
  if (!std::getenv("FABRIC_CLUSTERS")) paths.resize(1);
  return paths;
}

// What all ranks of a run said, with bytes again.
struct Report {
  Strings arguments;
  std::map<std::string, std::string> variables;
  std::string folder;
};
std::vector<Report> reports(const fs::path& run, const Backend& backend) {
  std::vector<Report> all;
  for (int rank = 0; rank < 2; ++rank) {
    const std::string text = rank_log(run, backend.nodes == 1 ? 0 : rank, rank);
    const std::optional<Value> value = read_json(text);
    BOOST_REQUIRE_MESSAGE(value, text);
    Report& report = all.emplace_back();
    for (const Value& argument : value->find("argv")->as_array()) report.arguments.push_back(as_bytes(argument.as_string()));
    for (const Member& variable : value->find("env")->as_object()) report.variables[variable.key] = as_bytes(variable.value.as_string());
    report.folder = as_bytes(value->find("cwd")->as_string());
  }
  return all;
}

void check_variables(const Report& report, const std::string& prefix, const Strings& expected) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto found = report.variables.find(prefix + std::to_string(i));
    BOOST_TEST(bool(found != report.variables.end() && found->second == expected[i]),
               prefix << i << " should be " << quoted(as_text(expected[i])));
  }
}

const std::string program = FABRIC_BINARY_DIR "/tests/rank_report";

void apply(AppliedJob& job, const Strings& words) {
  Strings line = {"apply"};
  line.insert(line.end(), words.begin(), words.end());
  const ProgramResult result = job.fabric(line);
  BOOST_REQUIRE_MESSAGE(result.status.good(), said(result));
}

// The shell that calls sets CALLER0, CALLER1, ...; a file sets FILE0, FILE1, ...: the ways of bytes that are no UTF-8.
void write_random_bytes(const Cluster& cluster) {
  std::string file, shell;
  for (std::size_t i = 0; i < random_bytes().size(); ++i) {
    const std::string& bytes = random_bytes()[i];
    file += "FILE" + std::to_string(i) + "=\"" + replaced(replaced(bytes, "\\", "\\\\"), "\"", "\\\"") + "\"\n";
    shell += "export CALLER" + std::to_string(i) + "='" + replaced(bytes, "'", "'\\''") + "'\n";
  }
  write_text(cluster.home() / "hostile.env", file);
  write_text(cluster.home() / "hostile.sh", shell);
}

void check_values(const AppliedJob& job, const Backend& backend, const Strings& texts) {
  Strings argv = texts;
  argv.insert(argv.begin(), program);
  for (const Report& report : reports(job.run(), backend)) {
    BOOST_TEST(report.arguments == argv, boost::test_tools::per_element());
    check_variables(report, "JOB", texts);
    check_variables(report, "PROGRAM", texts);
    if (backend.reads_files) check_variables(report, "FILE", random_bytes());
    check_variables(report, "CALLER", random_bytes());
  }
}

// The same text for both front ends, but for the strings.
std::string values(const Strings& texts, Language language, const Backend& backend) {
  return "\"program\": {\"command\": [\"" + program + "\"], \"args\": " + list_of(texts, language) +
         (backend.reads_files ? ", \"env_file\": \"../hostile.env\"" : "") + ", \"env\": " + map_of("PROGRAM", texts, language) +
         "}, \"env\": " + map_of("JOB", texts, language);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hostile_strings, *boost::unit_test::fixture<Slurm>() * boost::unit_test::fixture<Ssh>())

BOOST_AUTO_TEST_CASE(arrive_as_arguments_and_variables) {
  const Strings texts = hostile_texts();
  for (const Backend& backend : backends) BOOST_TEST_CONTEXT(backend.name) {
      if (backend.left_out()) continue;
      write_random_bytes(backend.cluster());
      AppliedJob job(backend.cluster(), std::string("values-") + backend.name, backend.lines);
      job.as_called_by("unset LC_ALL LANG; . ../hostile.sh\n");
      job.write("values.yaml", "{\"extends\": \"job.yaml\", " + values(texts, Language::yaml, backend) + "}\n");
      apply(job, {"values.yaml"});
      check_values(job, backend, texts);
    }
}

BOOST_AUTO_TEST_CASE(are_the_same_in_jsonnet) {
  if (Slurm::left_out()) return;
  const Strings texts = hostile_texts();
  write_random_bytes(Slurm::cluster());
  AppliedJob job(Slurm::cluster(), "values-jsonnet", backends[0].lines);
  job.as_called_by(". ../hostile.sh\n");
  job.write("values.jsonnet", "{\"extends\": \"job.yaml\", " + values(texts, Language::jsonnet, backends[0]) + "}\n");
  apply(job, {"values.jsonnet"});
  check_values(job, backends[0], texts);
}

// Of the folder in which ranks start, of the job file and of the runs: each path is all of them once. The name of the run has all that
// the schema allows.
BOOST_AUTO_TEST_CASE(arrive_as_names_of_folders) {
  const Strings paths = hostile_paths();
  const std::string name = "0.-_NONE." + std::string(55, 'x');
  for (const Backend& backend : backends) {
    if (backend.left_out()) continue;
    for (std::size_t i = 0; i < paths.size(); ++i) BOOST_TEST_CONTEXT(backend.name << ", " << quoted(paths[i])) {
        const std::string folder = std::string("at-") + backend.name + std::to_string(i) + '/' + paths[i];
        AppliedJob job(backend.cluster(), folder, "program: [" + program + "]\n" + backend.lines);
        apply(job, {"job.yaml", "--set", "name='" + name + "'", "--runs", "../" + job.folder().filename().string()});
        for (const Report& report : reports(fs::canonical(job.folder() / name / "latest"), backend)) {
          BOOST_TEST(report.folder == job.folder().string());
          BOOST_TEST(report.variables.at("FABRIC_RUN_ID").starts_with(name + '/'));
        }
      }
  }
}

BOOST_AUTO_TEST_SUITE_END()
