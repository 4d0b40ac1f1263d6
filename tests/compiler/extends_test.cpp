// What lies under a job: sites and files, in which order, and where each value then comes from.
#include <boost/test/unit_test.hpp>

#include "tests/compiler/compile_text.hpp"

using namespace fabric;
using test::blamed;
using test::codes;

namespace {

using Texts = std::map<std::string, std::string>;
using Variables = std::map<std::string, std::string>;

const std::string program = "fabric: 1\naccelerator: cpu\nprogram: [true_]\n";
const std::string sites = "/home/u/.config/fabric/sites/";

Compilation compile_files(Texts texts, Request request = {}, const Variables& variables = {{"HOME", "/home/u"}},
                          const std::string& computed = "") {
  request.job = "/jobs/job.yaml";
  Outside outside = test::Files{std::move(texts)}.outside();
  outside.environment = [variables](const std::string& name) {
    const auto at = variables.find(name);
    return at == variables.end() ? std::string() : at->second;
  };
  // Stands in for Jsonnet: a program without a result of its own is JSON.
  outside.evaluate_jsonnet = [computed](const JsonnetProgram& p) {
    return JsonnetResult{.json = computed.empty() ? p.files.front().second : computed};
  };
  return compile(request, outside, [](const JobSpec&, Diagnostics&) { return test::machine(4); });
}

// The source that gave the value at path.
std::string from(const Compilation& c, const Path& path) {
  const Origin* origin = c.origins.find(path);
  return origin ? c.sources[origin->value.source].name : "(nowhere)";
}

// Message, notes and help of everything that was found.
std::string told(const Compilation& c) {
  std::string text;
  for (const Diagnostic& d : c.diagnostics.all()) {
    text += d.message + '\n';
    for (const Note& note : d.notes) text += note.message + '\n';
    text += d.help + '\n';
  }
  return text;
}

bool tells(const Compilation& c, const std::string& part) { return told(c).find(part) != std::string::npos; }

std::string value_of_a(const Compilation& c) { return c.plan ? c.plan->job.env.at("A") : codes(c); }

}  // namespace

BOOST_AUTO_TEST_SUITE(extends)

BOOST_AUTO_TEST_CASE(each_layer_goes_over_the_one_below) {
  const Compilation c = compile_files({{sites + "s.yaml", "name: site\nstall: 1m\ndevices: 1\nmain_port: 1\nenv: {A: site, B: site}\n"},
                                       {"/jobs/base.yaml", "name: base\nstall: 2m\ndevices: 2\nmain_port: 2\nenv: {B: base}\n"},
                                       {"/jobs/job.yaml", program + "name: job\nextends: [base.yaml, site:s]\ndevices: 3\nmain_port: 3\n"
                                                                    "profiles: {p: {name: profile, main_port: 4}}\n"}},
                                      {.profiles = {"p"}, .sets = {"main_port=5"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  const ResolvedJob& job = c.plan->job;
  BOOST_TEST(job.env.at("A") == "site");
  BOOST_TEST(job.env.at("B") == "base");
  BOOST_TEST(job.stall->seconds == 120);
  BOOST_TEST(job.devices.count == 3);
  BOOST_TEST(job.name == "profile");
  BOOST_TEST(*job.main_port == 5);

  BOOST_TEST(from(c, "env.A") == sites + "s.yaml");
  BOOST_TEST(from(c, "env.B") == "../jobs/base.yaml");
  BOOST_TEST(from(c, "devices") == "../jobs/job.yaml");
  BOOST_TEST(from(c, "main_port") == "--set");
  BOOST_REQUIRE_EQUAL(c.extended.size(), 2u);
  BOOST_TEST(c.extended[0].name == "site:s");
  BOOST_TEST(c.extended[1].name == "../jobs/base.yaml");
  BOOST_TEST(!c.checked->merged.find("extends"));

  // A plan knows all that it was made of, the job first.
  std::vector<std::string> paths;
  for (const Input& input : c.plan->inputs) paths.push_back(input.path);
  const std::vector<std::string> expected = {"/jobs/job.yaml", "/jobs/base.yaml", sites + "s.yaml"};
  BOOST_TEST(paths == expected, boost::test_tools::per_element());
  BOOST_TEST(c.plan->request.job == "/jobs/job.yaml");
}

BOOST_AUTO_TEST_CASE(what_a_profile_extends_lies_right_under_it) {
  const Texts texts = {{sites + "s.yaml", "devices: 1\nstall: 1m\nenv: {A: site}\n"},
                       {"/jobs/job.yaml", program + "devices: 2\nstall: 2m\nenv: {A: job}\n"
                                                    "profiles:\n  here: {extends: site:s, stall: 3m}\n  there: {extends: site:nowhere}\n"}};
  Compilation c = compile_files(texts, {.profiles = {"here"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(c.plan->job.devices.count == 1);
  BOOST_TEST(c.plan->job.env.at("A") == "site");
  BOOST_TEST(c.plan->job.stall->seconds == 180);
  BOOST_TEST(from(c, "devices") == sites + "s.yaml");

  // What is not chosen is not looked for: a cluster's site need not be on a laptop.
  c = compile_files(texts);
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(c.plan->job.devices.count == 2);
  c = compile_files(texts, {.profiles = {"there"}});
  BOOST_TEST(codes(c) == "FAB0005");
  BOOST_TEST(blamed(c, "FAB0005") == "site:nowhere");

  // One site under the job, another under the profile.
  Texts both = texts;
  both[sites + "t.yaml"] = "devices: 4\nenv: {A: t, B: t}\n";
  both["/jobs/job.yaml"] = program + "extends: site:t\nprofiles:\n  here: {extends: site:s}\n";
  c = compile_files(both, {.profiles = {"here"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(c.plan->job.devices.count == 1);
  BOOST_TEST(c.plan->job.env.at("B") == "t");
}

BOOST_AUTO_TEST_CASE(a_file_brings_what_it_extends_itself) {
  // site:x, a, b: what two of them have in common lies under both.
  Texts texts = {{sites + "x.yaml", "env: {A: x, X: x}\n"},
                 {"/jobs/parts/a.yaml", "extends: site:x\nenv: {A: a}\n"},
                 {"/jobs/parts/b.yaml", "extends: [a.yaml, site:x]\nenv: {B: b}\n"},
                 {"/jobs/job.yaml", program + "extends: [parts/a.yaml, parts/b.yaml]\n"}};
  Compilation c = compile_files(texts);
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(c.plan->job.env.at("A") == "a");
  BOOST_TEST(c.plan->job.env.at("B") == "b");
  BOOST_TEST(c.plan->job.env.at("X") == "x");
  BOOST_TEST(c.extended.size() == 3u);

  // A site lies under every file, in whatever order they are named.
  texts["/jobs/parts/b.yaml"] = "env: {B: b}\n";
  texts["/jobs/parts/a.yaml"] = "env: {A: a}\n";
  texts[sites + "x.yaml"] = "extends: common.yaml\nenv: {B: x}\n";
  texts[sites + "common.yaml"] = "env: {A: common, X: common}\n";
  texts["/jobs/job.yaml"] = program + "extends: [parts/a.yaml, parts/b.yaml, site:x]\n";
  c = compile_files(texts);
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(c.plan->job.env.at("A") == "a");
  BOOST_TEST(c.plan->job.env.at("B") == "b");
  BOOST_TEST(c.plan->job.env.at("X") == "common");
}

BOOST_AUTO_TEST_CASE(where_sites_are_looked_for) {
  Texts texts = {{"/jobs/job.yaml", program + "extends: site:s\n"}, {"/etc/fabric/sites/s.yaml", "env: {A: machine}\n"}};
  BOOST_TEST(value_of_a(compile_files(texts)) == "machine");
  BOOST_TEST(value_of_a(compile_files(texts, {}, {})) == "machine");
  texts["/home/u/.config/fabric/sites/s.yaml"] = "env: {A: home}\n";
  BOOST_TEST(value_of_a(compile_files(texts)) == "home");
  texts["/settings/fabric/sites/s.jsonnet"] = R"({"env": {"A": "settings"}})";
  const Variables elsewhere = {{"HOME", "/home/u"}, {"XDG_CONFIG_HOME", "/settings"}};
  BOOST_TEST(value_of_a(compile_files(texts, {}, elsewhere)) == "settings");
  BOOST_TEST(value_of_a(compile_files(texts, {}, {{"HOME", "/home/u"}, {"XDG_CONFIG_HOME", "settings"}})) == "home");

  texts["/jobs/job.yaml"] = program + "extends: site:t\n";
  const Compilation c = compile_files(texts, {}, elsewhere);
  BOOST_TEST(codes(c) == "FAB0005");
  BOOST_TEST(tells(c, "in /settings/fabric/sites, then in /etc/fabric/sites"), told(c));
  BOOST_TEST(tells(c, "the sites are: s\n"), told(c));
  BOOST_TEST(!tells(c, "/home/u"), told(c));
}

BOOST_AUTO_TEST_CASE(a_relative_path_counts_from_the_file_that_wrote_it) {
  const Compilation c =
      compile_files({{sites + "s.yaml", "checkpoint: {path: out/*.pt}\n"},
                     {"/jobs/parts/a.yaml", "program: {env_file: secrets.env}\n"},
                     {"/jobs/parts/secrets.env", "A=1\n"},
                     {"/jobs/job.yaml", "fabric: 1\nextends: [site:s, parts/a.yaml]\nprogram: {command: [./run], cwd: x}\n"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(*c.plan->job.checkpoint.path == sites + "out/*.pt");
  BOOST_TEST(*c.plan->job.program->env_file == "/jobs/parts/secrets.env");
  BOOST_TEST(c.plan->job.program->command->front() == "/jobs/run");
  BOOST_TEST(*c.plan->job.program->cwd == "/jobs/x");
}

BOOST_AUTO_TEST_CASE(set_says_what_lies_under_the_job) {
  const Texts texts = {{sites + "s.yaml", "env: {A: s}\n"},
                       {"/here/other.yaml", "env: {A: other}\n"},
                       {"/jobs/job.yaml", program + "extends: missing.yaml\nenv: {B: job}\n"}};
  BOOST_TEST(value_of_a(compile_files(texts, {.sets = {"extends=site:s"}})) == "s");
  BOOST_TEST(value_of_a(compile_files(texts, {.sets = {"extends=[site:s, other.yaml]"}})) == "other");
  BOOST_TEST(codes(compile_files(texts, {.sets = {"extends=null"}})) == "");
  const Compilation c = compile_files(texts, {.sets = {"extends=site:t"}});
  BOOST_TEST(blamed(c, "FAB0005") == "site:t");
  BOOST_TEST(codes(compile_files(texts, {.sets = {"extends={}"}})) == "FAB2002");
}

BOOST_AUTO_TEST_CASE(null_takes_back_what_lies_below) {
  Compilation c = compile_files({{"/jobs/base.yaml", "env: {A: base, B: base}\nstall: 1m\ncheckpoint: {keep: 3}\n"},
                                 {"/jobs/job.yaml", program + "extends: base.yaml\nenv: {A: null}\nstall: null\ncheckpoint: null\n"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(!c.plan->job.env.contains("A"));
  BOOST_TEST(!c.plan->job.stall);

  // Where there is nothing to take back, a variable without a value is a mistake in a base as it is in a job, until a layer gives it one.
  Texts texts = {{"/jobs/base.yaml", "env: {A: ~}\n"}, {"/jobs/job.yaml", program + "extends: base.yaml\nenv: {B: b}\n"}};
  c = compile_files(texts);
  BOOST_TEST(codes(c) == "FAB2002");
  BOOST_TEST(from(c, "env.A") == "../jobs/base.yaml");
  texts["/jobs/job.yaml"] = program + "extends: base.yaml\nenv: {A: a}\n";
  BOOST_TEST(value_of_a(compile_files(texts)) == "a");

  // A profile of the base can take back what the job says.
  c = compile_files({{"/jobs/base.yaml", "profiles: {p: {stall: null}}\n"},
                     {"/jobs/job.yaml", program + "extends: base.yaml\nstall: 1m\nprofiles: {q: {devices: 2}}\n"}},
                    {.profiles = {"p"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(!c.plan->job.stall);
  // And so can what a profile extends.
  c = compile_files({{sites + "s.yaml", "stall: null\n"}, {"/jobs/job.yaml", program + "stall: 1m\nprofiles: {p: {extends: site:s}}\n"}},
                    {.profiles = {"p"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_TEST(!c.plan->job.stall);
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_shown_in_its_own_file) {
  Texts texts = {{sites + "s.yaml", "devices: 2\nstop: {grace: soon}\n"}, {"/jobs/job.yaml", program + "extends: site:s\n"}};
  Compilation c = compile_files(texts);
  BOOST_TEST(codes(c) == "FAB2006");
  BOOST_TEST(blamed(c, "FAB2006") == "soon");
  BOOST_TEST(from(c, "stop.grace") == sites + "s.yaml");
  // What a higher layer replaced is not judged.
  texts["/jobs/job.yaml"] += "stop: {grace: 5s}\n";
  BOOST_TEST(codes(compile_files(texts)) == "");

  // A program computed it: then the file and the field are named, and not the text that stands nearest in another file.
  texts = {{sites + "s.jsonnet", R"({"stop": {"grace": "soon"}})"}, {"/jobs/job.yaml", program + "stop: {signal: INT}\nextends: site:s\n"}};
  c = compile_files(texts);
  BOOST_TEST(codes(c) == "FAB2006");
  BOOST_TEST(from(c, "stop.grace") == sites + "s.jsonnet");

  // So it is under a profile.
  c = compile_files({{sites + "s.jsonnet", R"({"stop": {"grace": "so" + "on"}})"},
                     {"/jobs/job.yaml", program + "stop: {signal: INT}\nprofiles: {p: {extends: site:s}}\n"}},
                    {.profiles = {"p"}}, {{"HOME", "/home/u"}}, R"({"stop": {"grace": "soon"}})");
  BOOST_TEST(codes(c) == "FAB2006");
  BOOST_TEST(from(c, "stop.grace") == sites + "s.jsonnet");

  // What is missing is missing in the job.
  texts = {{"/jobs/base.yaml", "seed: 1\ntrain: {task: image_classifier}\n"},
           {"/jobs/job.yaml", "extends: base.yaml\ntrain: {model: cnn}\n"}};
  c = compile_files(texts);
  BOOST_TEST(from(c, Path()) == "../jobs/job.yaml");
  BOOST_TEST(from(c, "train") == "../jobs/job.yaml");
  BOOST_TEST(blamed(c, "FAB2005") == "extends");
}

BOOST_AUTO_TEST_CASE(circles_end) {
  Compilation c = compile_files({{"/jobs/job.yaml", program + "extends: job.yaml\n"}});
  BOOST_TEST(codes(c) == "FAB0007");
  BOOST_TEST(tells(c, "../jobs/job.yaml extends ../jobs/job.yaml"), told(c));
  c = compile_files({{sites + "a.yaml", "extends: site:b\n"},
                     {sites + "b.yaml", "extends: site:a\n"},
                     {"/jobs/job.yaml", program + "extends: site:a\n"}});
  BOOST_TEST(codes(c) == "FAB0007");
  BOOST_TEST(tells(c, sites + "a.yaml extends " + sites + "b.yaml extends " + sites + "a.yaml"), told(c));
  BOOST_TEST(blamed(c, "FAB0007") == "site:a");
  c = compile_files({{"/jobs/base.yaml", "extends: job.yaml\n"}, {"/jobs/job.yaml", program + "profiles: {p: {extends: base.yaml}}\n"}},
                    {.profiles = {"p"}});
  BOOST_TEST(codes(c) == "FAB0007");
}

BOOST_AUTO_TEST_CASE(names_of_sites) {
  for (const char* name : {"", ".", "..", "../s", "a/b", "/etc/passwd", "a..b", "-s", ".s", "a b", "~s", "s:t"}) {
    const Compilation c = compile_files({{"/jobs/job.yaml", program + "extends: \"site:" + name + "\"\n"}});
    BOOST_TEST(codes(c) == "FAB0006", name << ": " << codes(c));
  }
  for (const char* name : {"s", "S-1", "a.b", "juwels_booster"}) {
    const Compilation c = compile_files({{"/jobs/job.yaml", program + "extends: site:" + name + "\n"}});
    BOOST_TEST(codes(c) == "FAB0005", name << ": " << codes(c));
  }
  BOOST_TEST(tells(compile_files({{sites + "juwels.yaml", ""}, {"/jobs/job.yaml", program + "extends: site:juwles\n"}}),
                   "did you mean `site:juwels`?"));
}

BOOST_AUTO_TEST_SUITE_END()
