// A plan through its saved form and back, and what its id depends on.
#include "schema/plan.hpp"

#include <functional>

#include <boost/test/unit_test.hpp>

#include "schema/json.hpp"

using namespace fabric;

namespace {

Plan example() {
  Plan plan;
  plan.fabric_version = "0.1.0 \xC3\xA9";
  plan.name = "example";
  plan.request = {"/jobs/job.yaml", {"quick"}, {"seed=3"}};
  plan.inputs = {{"/jobs/job.yaml", std::string(64, 'a')}};
  plan.job.name = "example";
  plan.job.devices = {.all = false, .count = 2, .ids = {2, 0}};
  plan.job.process_group.timeout = Duration{1800};
  plan.job.train.emplace();
  plan.job.train->optimizer.lr = 1e20;  // a real that is written without an exponent
  plan.job.train->optimizer.eps = 1e-8;
  plan.job.train->optimizer.betas = {0.9, 0.999};
  plan.job.train->epochs = 3;
  plan.job.env = {{"A", "line\nbreak"}, {"B", ""}};
  plan.job.stop.grace = Duration{0.5};
  plan.job.seed = 4294967295;
  plan.decisions = {{"devices", Value(Value::Array{2, 0}), "all-visible", "two GPUs", {{"host.gpus.count", 2}}, {{"1", "one is enough"}}},
                    {"main_port", Value(), "bound-at-start", "", {}, {}}};
  plan.world_size = 2;
  NodeGroup group{.role = "main", .ranks_per_node = 2, .accelerator = Accelerator::cuda, .device_ids = {2, 0}};
  group.rank.argv = {"/opt/fabric-worker", Text(Binding::run_directory, "/plan.json")};
  group.rank.env = {{"RANK", Binding::rank}, {"PLAIN", "$HOME"}, {"BIND", "{\"bind\": \"rank\"}"}};
  group.rank.scrub = {"SLURM_*"};
  group.rank.cwd = "/jobs";
  plan.groups = {group};
  plan.questions = {{QuestionKind::is_directory, "/data", "train.data.path"}};
  plan.outputs = {{"checkpoints/", "checkpoints"}};
  return plan;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(plan)

BOOST_AUTO_TEST_CASE(a_saved_plan_comes_back) {
  const Plan plan = example();
  const std::string saved = save_plan(plan);
  BOOST_CHECK(saved.ends_with("}\n"));
  std::string why;
  const std::optional<Value> document = read_json(saved, &why);
  BOOST_REQUIRE_MESSAGE(document, why);
  const auto back = from_value<Plan>(*document->find("plan"));
  BOOST_CHECK(back == plan);
  BOOST_CHECK_EQUAL(save_plan(back), saved);
  BOOST_CHECK_EQUAL(document->find("plan_id")->as_string(), plan_id(plan));
  // The id can be checked on the document itself, whatever a later version added to it.
  BOOST_CHECK_EQUAL(canonical_json(*document->find("plan")), canonical_json(to_value(plan)));
}

BOOST_AUTO_TEST_CASE(the_id_depends_on_everything) {
  const std::string id = plan_id(example());
  BOOST_CHECK_EQUAL(id.size(), 64u);
  BOOST_CHECK_EQUAL(plan_id(example()), id);
  const std::function<void(Plan&)> changes[] = {
      [](Plan& p) { p.fabric_version += "x"; },
      [](Plan& p) { p.request.sets.push_back("a=1"); },
      [](Plan& p) { p.inputs[0].sha256[0] = 'b'; },
      [](Plan& p) { p.job.seed = 1; },
      [](Plan& p) { p.job.train->optimizer.lr = 1.0000000000000002e20; },
      [](Plan& p) { p.job.train->epochs = std::nullopt; },
      [](Plan& p) {
        p.job.devices.ids = {0, 2};
      },
      [](Plan& p) { p.job.env["B"] = " "; },
      [](Plan& p) { p.decisions[0].because = ""; },
      [](Plan& p) { p.decisions[1].value = 1; },
      [](Plan& p) { p.groups[0].rank.argv[1] = Text(Binding::run_directory); },
      [](Plan& p) { p.groups[0].rank.argv[1] = "<run_directory>/plan.json"; },
      [](Plan& p) { p.groups[0].rank.env["RANK"] = Binding::local_rank; },
      [](Plan& p) { p.groups.push_back(p.groups[0]); },
      [](Plan& p) { p.questions.clear(); },
      [](Plan& p) { p.outputs[0].what = ""; },
  };
  for (std::size_t i = 0; i < std::size(changes); ++i) {
    Plan plan = example();
    changes[i](plan);
    BOOST_CHECK_MESSAGE(plan_id(plan) != id, "change " << i << " leaves the id alone");
  }
}

BOOST_AUTO_TEST_CASE(texts_and_placeholders) {
  for (const Text& t :
       {Text("plain"), Text(""), Text("<rank>"), Text(Binding::rank), Text(Binding::run_directory, "/x"), Text("{\"bind\": \"rank\"}")})
    BOOST_CHECK(from_value<Text>(to_value(t)) == t);
  BOOST_CHECK_EQUAL(Text(Binding::run_directory, "/x").str(), "<run_directory>/x");
  BOOST_CHECK(Text("<rank>").is_literal());
  for (const auto& [word, binding] : Names<Binding>::table) BOOST_CHECK(from_value<Text>(to_value(Text(binding))) == Text(binding));
  for (const char* json :
       {"1", "null", "[]", "{}", "{\"bind\": \"nothing\"}", "{\"bind\": 1}", "{\"bind\": \"rank\", \"then\": 1}", "{\"then\": \"x\"}"})
    BOOST_CHECK_THROW(from_value<Text>(*read_json(json), "argv[0]"), BindingError);
}

BOOST_AUTO_TEST_CASE(no_two_placeholders_share_a_word) {
  std::map<std::string_view, int> words;
  for (const auto& [word, binding] : Names<Binding>::table) BOOST_CHECK_EQUAL(++words[word], 1);
}

BOOST_AUTO_TEST_SUITE_END()
