#include "cli/explain_field.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <set>

#include "schema/job_schema.hpp"
#include "tests/cli/program.hpp"

namespace fabric {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

BOOST_AUTO_TEST_SUITE(explaining_fields)

BOOST_AUTO_TEST_CASE(every_field_is_explained_with_its_type_and_an_example) {
  for (const FieldNames& field : all_fields()) {
    BOOST_TEST_CONTEXT(dotted(field)) {
      const std::string text = explain_field(field, Terminal{});
      BOOST_TEST(text.starts_with(dotted(field) + "\n"));
      BOOST_TEST(contains(text, "\n  type "));
      BOOST_TEST(contains(text, field_is_required(field) ? "\n  required " : "\n  default "));
      BOOST_TEST(contains(text, "\n  In a job\n"));
      BOOST_TEST(!contains(text, "any value"), "its type is not told");
      BOOST_TEST(!field_schema(field)->find("description")->as_string().empty());
    }
  }
}

struct Row {
  std::string field, says;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.field; }

const Row rows[] = {
    {"train.optimizer.lr", "number, more than 0"},
    {"seed", "integer, at least 0, at most 4294967295"},
    {"stop.grace", "a duration: 90s, 10m"},
    {"checkpoint.every", "an interval: `500 steps`"},
    {"accelerator", "choices  cpu, cuda, gpu"},
    {"accelerator", "gpu for cuda"},
    {"precision", "may be `auto`"},
    {"strategy", "deepspeed_stage_2"},
    {"train.model", "short form  model: X stands for model: {name: X}"},
    {"program", "program: [...] stands for program: {command: [...]}"},
    {"process_group", "fields   backend, timeout"},
    {"train.optimizer.lr", "--set train.optimizer.lr=0.001"},
};

BOOST_DATA_TEST_CASE(what_the_schema_says_is_told, rows, row) {
  const std::optional<FieldNames> field = find_field(row.field);
  BOOST_REQUIRE(field.has_value());
  const std::string text = explain_field(*field, Terminal{});
  BOOST_TEST(contains(text, row.says), text);
}

BOOST_AUTO_TEST_CASE(a_last_name_is_enough_where_one_field_has_it) {
  BOOST_TEST(dotted(find_field("batch_size").value()) == "train.batch_size");
  BOOST_TEST(dotted(find_field("name").value()) == "name");
  BOOST_TEST(!find_field("cwdd"));
}

BOOST_AUTO_TEST_CASE(fields_are_listed_once_with_parents_first) {
  std::set<std::string> seen;
  for (const FieldNames& field : all_fields()) {
    BOOST_TEST(seen.insert(dotted(field)).second);
    if (field.size() > 1) BOOST_TEST(seen.contains(dotted(FieldNames(field.begin(), field.end() - 1))));
  }
  BOOST_TEST(seen.size() > 40u);
}

// FABRIC_ACCEPT=1 writes it anew.
BOOST_AUTO_TEST_CASE(the_reference_page_is_what_the_schema_says) {
  const std::filesystem::path page = std::filesystem::path(FABRIC_SOURCE_DIR) / "docs/job-file.md";
  const char* accept = std::getenv("FABRIC_ACCEPT");
  if (accept && std::string_view(accept) == "1") testing::write_text(page, fields_page());
  BOOST_TEST((testing::read_text(page) == fields_page()), "docs/job-file.md is not what `fabric explain --markdown` writes");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace fabric
