// Which layer wins, and that each value knows where it was written.
#include <boost/test/unit_test.hpp>

#include "tests/compiler/compile_text.hpp"

using namespace fabric;
using test::blamed;
using test::codes;
using test::compile_yaml;

BOOST_AUTO_TEST_SUITE(layers)

BOOST_AUTO_TEST_CASE(defaults_lie_below_the_file) {
  const Compilation c = compile_yaml(test::train_job);
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_REQUIRE(c.plan);
  BOOST_CHECK_EQUAL(c.plan->job.train->optimizer.lr, 0.001);
  BOOST_CHECK_EQUAL(c.plan->job.train->model.width, 32);
  BOOST_CHECK_EQUAL(c.plan->job.name, "job");
  BOOST_CHECK_EQUAL(c.plan->job.stop.grace.seconds, 30);
}

BOOST_AUTO_TEST_CASE(profiles_in_their_order_and_then_set) {
  const std::string text =
      test::train_job + "profiles:\n  small: {seed: 1, train: {model: mlp, batch_size: 32}}\n  other: {seed: 2, env: {A: x}}\n";
  Compilation c = compile_yaml(text, {.profiles = {"small", "other"}, .sets = {"train.batch_size=64"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_CHECK(c.plan->job.train->model.name == ModelName::mlp);
  BOOST_CHECK_EQUAL(c.plan->job.train->batch_size, 64);
  BOOST_CHECK_EQUAL(c.plan->job.seed, 2);
  BOOST_CHECK_EQUAL(c.plan->job.env.at("A"), "x");
  BOOST_CHECK_EQUAL(*c.plan->job.train->epochs, 3);

  c = compile_yaml(text, {.profiles = {"other", "small"}});
  BOOST_CHECK_EQUAL(c.plan->job.seed, 1);
}

BOOST_AUTO_TEST_CASE(null_takes_a_value_back) {
  const Compilation c = compile_yaml(test::train_job, {.sets = {"train.epochs=null", "train.steps=5"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_CHECK(!c.plan->job.train->epochs);
  BOOST_CHECK_EQUAL(*c.plan->job.train->steps, 5);
}

BOOST_AUTO_TEST_CASE(a_variable_that_no_layer_gives_a_value_is_an_error) {
  const std::string base = "fabric: 1\naccelerator: cpu\nprogram: [true_]\n";
  const std::string empty = base + "env: {A: ~, B: b}\nprofiles: {p: {env: {A: x}}, q: {env: {A: null}}}\n";
  BOOST_CHECK_EQUAL(codes(compile_yaml(empty)), "FAB2002");
  BOOST_CHECK_EQUAL(blamed(compile_yaml(empty, {.sets = {"env.B=c"}}), "FAB2002"), "~");
  BOOST_CHECK_EQUAL(compile_yaml(empty, {.profiles = {"p"}}).plan->job.env.at("A"), "x");
  BOOST_CHECK_EQUAL(compile_yaml(empty, {.sets = {"env.A=z"}}).plan->job.env.at("A"), "z");
  for (const Request& taken_back : {Request{.profiles = {"q"}}, Request{.sets = {"env.A=null"}}}) {
    const Compilation c = compile_yaml(empty, taken_back);
    BOOST_REQUIRE_EQUAL(codes(c), "");
    BOOST_CHECK(!c.plan->job.env.contains("A"));
  }
  // Nothing to take back is no mistake.
  const Compilation c = compile_yaml(base + "profiles: {p: {env: {A: null, B: x}}}\n", {.profiles = {"p"}, .sets = {"env.C=null"}});
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_CHECK_EQUAL(c.plan->job.env.size(), 1);
}

BOOST_AUTO_TEST_CASE(an_error_points_into_the_layer_that_won) {
  Compilation c = compile_yaml(test::train_job, {.sets = {"devices=none"}});
  BOOST_CHECK_EQUAL(codes(c), "FAB2006");
  BOOST_CHECK_EQUAL(blamed(c, "FAB2006"), "none");
  BOOST_CHECK_EQUAL(c.sources[1].name, "--set");

  c = compile_yaml(test::train_job, {.sets = {"devcies=2"}});
  BOOST_CHECK_EQUAL(codes(c), "FAB2001");
  BOOST_CHECK_EQUAL(blamed(c, "FAB2001"), "devcies");

  c = compile_yaml(test::train_job + "profiles: {a: {train: {optimizer: {lr: -1}}}}\n", {.profiles = {"a"}});
  BOOST_CHECK_EQUAL(blamed(c, "FAB2007"), "-1");

  // A value that a higher layer replaced is not judged, one that is merged over keeps its own place.
  c = compile_yaml("fabric: 1\ndevices: 0\nprogram: [true_]\n", {.sets = {"devices=1", "name=a b"}});
  BOOST_CHECK_EQUAL(codes(c), "FAB2009");
  BOOST_CHECK_EQUAL(blamed(c, "FAB2009"), "a b");
}

BOOST_AUTO_TEST_CASE(unused_profiles_are_judged_too) {
  const Compilation c = compile_yaml(test::train_job + "profiles:\n  a: {sede: 3}\n  b: {seed: x}\n");
  BOOST_CHECK_EQUAL(codes(c), "FAB2001 FAB2002");
  BOOST_CHECK_EQUAL(blamed(c, "FAB2001"), "sede");
}

BOOST_AUTO_TEST_CASE(bad_options) {
  for (const auto& [set, code] :
       {std::pair{"seed", "FAB2021"}, {"=1", "FAB2021"}, {"a..b=1", "FAB2021"}, {"program.command[0]=x", "FAB2022"}}) {
    const Compilation c = compile_yaml(test::train_job, {.sets = {set}});
    BOOST_CHECK_EQUAL(codes(c), code);
  }
  Compilation c = compile_yaml(test::train_job + "profiles: {quick: {seed: 1}}\n", {.profiles = {"quik"}});
  BOOST_CHECK_EQUAL(codes(c), "FAB2020");
  BOOST_CHECK(c.diagnostics.all()[0].help.find("quick") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(relative_paths_count_from_the_file_and_in_set_from_here) {
  const std::string text = "fabric: 1\nprogram: {command: [./run.sh, ./arg], cwd: sub}\n";
  Compilation c = compile_yaml(text);
  BOOST_REQUIRE_EQUAL(codes(c), "");
  BOOST_CHECK_EQUAL(c.plan->job.program->command->at(0), "/jobs/run.sh");
  BOOST_CHECK_EQUAL(c.plan->job.program->command->at(1), "./arg");
  BOOST_CHECK_EQUAL(*c.plan->job.program->cwd, "/jobs/sub");
  c = compile_yaml(text, {.sets = {"program.cwd=sub"}});
  BOOST_CHECK_EQUAL(*c.plan->job.program->cwd, "/here/sub");
}

BOOST_AUTO_TEST_SUITE_END()
