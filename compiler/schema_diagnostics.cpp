#include "compiler/schema_diagnostics.hpp"

#include <algorithm>
#include <set>

#include "schema/catalog.hpp"
#include "schema/job_schema.hpp"
#include "schema/json.hpp"
#include "schema/json_schema.hpp"
#include "schema/spelling.hpp"

namespace fabric {
namespace {

// The field names on the way to path, as they stand in the schema: `profiles.NAME.` in front is skipped, and list positions end it.
std::vector<std::string> field_names(const Path& path) {
  std::vector<std::string> names;
  for (const Path::Step& step : path.steps()) {
    if (std::holds_alternative<std::size_t>(step)) break;
    names.push_back(std::get<std::string>(step));
  }
  if (names.size() >= 2 && names[0] == "profiles") names.erase(names.begin(), names.begin() + 2);
  return names;
}

// The schema of what stands at path, in lists too: restart.on[0].signal.
const Value* schema_at(const Path& path) {
  std::vector<std::string> names = field_names(path);
  const Value* at = field_schema(names);
  bool in_list = false;
  for (const Path::Step& step : path.steps()) {
    in_list |= std::holds_alternative<std::size_t>(step);
    if (!in_list || !at) continue;
    if (std::holds_alternative<std::size_t>(step)) {
      at = at->find("items");
    } else {
      const Value* properties = field_properties(*at);
      at = properties ? properties->find(std::get<std::string>(step)) : nullptr;
    }
  }
  return at;
}

// Of what stands at path, the field that can be explained.
std::string see_explain(Path path) {
  while (!path.empty() && (std::holds_alternative<std::size_t>(path.steps().back()) || !field_schema(field_names(path)) ||
                           std::any_of(path.steps().begin(), path.steps().end(),
                                       [](const Path::Step& s) { return std::holds_alternative<std::size_t>(s); })))
    path = path.parent();
  return "see `fabric explain " + path.str() + "`";
}

std::string quoted(const Value& value) { return value.is_string() ? '`' + value.as_string() + '`' : '`' + canonical_json(value) + '`'; }

std::string listed(const std::vector<std::string>& words, const char* last = " or ") {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : i + 1 == words.size() ? last : ", ") + words[i];
  return text;
}

// What was found where something else is expected: an integer 5, a map.
std::string found(const Value& value) {
  std::string text(kind_name(value.kind()));
  if (value.is_object()) return text;
  std::string json = canonical_json(value);
  if (json.size() > 40) json = json.substr(0, 37) + "...";
  return text + ' ' + json;
}

// "at least 1", of the four keywords that bound a number.
std::optional<std::string> bound_in_words(const std::string& keyword, const Value& expected) {
  for (const auto& [name, words] : {std::pair{"minimum", "at least "},
                                    {"exclusiveMinimum", "greater than "},
                                    {"maximum", "at most "},
                                    {"exclusiveMaximum", "less than "}})
    if (keyword == name) return words + canonical_json(expected);
  return std::nullopt;
}

// What a field takes, gathered from its schema and the branches of it.
struct Expectation {
  std::vector<std::string> choices;  // words, aliases included
  std::vector<std::string> later;    // words of versions to come
  std::set<std::string> types;
  std::string unit;
  bool may_be_auto = false;

  explicit Expectation(const Value& field) { gather(field); }

  std::string str() const {
    if (unit == "duration") return "a duration such as 90s, 10m, 36h or 1-12:00:00";
    if (unit == "interval") return "an interval such as `500 steps` or `1 epoch`";
    if (unit == "extends") return "a path, `site:NAME`, or a list of these";
    if (unit == "inherit") return "`all`, `none`, or a list of patterns such as [PATH, CUDA_*]";
    if (unit == "devices") return "`auto`, a count from 1 to 99999 (-1: all), or different indices such as [0, 2]";
    std::vector<std::string> parts;
    if (may_be_auto) parts.push_back("`auto`");
    for (const std::string& choice : choices) parts.push_back('`' + choice + '`');
    if (choices.empty())
      for (const auto& [type, words] : {std::pair{"integer", "an integer"},
                                        {"number", "a number"},
                                        {"string", "a string"},
                                        {"boolean", "true or false"},
                                        {"array", "a list"},
                                        {"object", "a map"}})
        if (types.contains(type)) parts.push_back(words);
    return listed(parts);
  }

 private:
  void gather(const Value& schema) {
    const Value& at = follow_reference(schema);
    if (const Value* u = at.find("x-unit")) unit = u->as_string();
    if (const Value* c = at.find("const"); c && *c == Value("auto")) may_be_auto = true;
    if (const Value* e = at.find("enum"))
      for (const Value& word : e->as_array()) {
        const std::string text = word.is_string() ? word.as_string() : canonical_json(word);
        if (std::find(choices.begin(), choices.end(), text) == choices.end()) choices.push_back(text);
      }
    if (const Value* words = at.find("x-later"))
      for (const Value& word : words->as_array()) later.push_back(word.is_string() ? word.as_string() : canonical_json(word));
    if (const Value* type = at.find("type")) {
      if (type->is_string()) types.insert(type->as_string());
      else
        for (const Value& t : type->as_array()) types.insert(t.as_string());
    }
    for (const char* key : {"anyOf", "allOf"})
      if (const Value* branches = at.find(key))
        for (const Value& branch : branches->as_array()) gather(branch);
  }
};

// Every field of the schema by its last name: where a misplaced key would belong.
void collect_fields(const Value& schema, const std::string& prefix, std::vector<std::pair<std::string, std::string>>& out) {
  const Value* properties = field_properties(schema);
  if (!properties) return;
  for (const Member& m : properties->as_object()) {
    const std::string path = prefix.empty() ? m.key : prefix + '.' + m.key;
    out.emplace_back(m.key, path);
    if (m.key != "profiles") collect_fields(m.value, path, out);
  }
}

const std::vector<std::pair<std::string, std::string>>& all_fields() {
  static const auto fields = [] {
    std::vector<std::pair<std::string, std::string>> out;
    collect_fields(*job_schema().find("definitions")->find("job"), "", out);
    return out;
  }();
  return fields;
}

class SchemaChecker {
 public:
  SchemaChecker(const Value& job, const SourceMap& origins, const Sources& sources, Diagnostics& diagnostics)
      : job_(job), origins_(origins), sources_(sources), diagnostics_(diagnostics) {
    for (const Diagnostic& d : diagnostics.all()) {
      if (d.at.span) already_blamed_.insert(*d.at.span);
      merge_key_refused_ |= d.code == "FAB0104";
    }
  }

  std::vector<Path> refused() const { return {refused_.begin(), refused_.end()}; }

  void report(const Violation& violation) {
    if (!violation.property.empty()) refused_.insert(violation.instance / violation.property);
    if (violation.keyword == "additionalProperties" && !violation.property.empty()) return unknown_key(violation);
    if (violation.keyword == "required") return missing(violation);
    if (violation.keyword == "propertyNames") return bad_name(violation);
    const Value* value = find(job_, violation.instance);
    // A scalar that its front end refused is not judged again.
    if (const Origin* origin = origins_.find(violation.instance); origin && already_blamed_.contains(origin->value)) {
      refused_.insert(violation.instance);
      return;
    }
    // `if` of the required section passes its branch's violations on.
    if (!value) return;
    // A section that has a short form is judged field by field, as the map that it is.
    if (const Value* section = schema_at(violation.instance);
        section && violation.keyword == "anyOf" && (section->find("x-short") || section->find("x-short-list")))
      for (const auto& branch : violation.branches)
        if (!branch.empty() && !(branch.front().keyword == "type" && branch.front().instance == violation.instance)) {
          for (const Violation& inner : branch) report(inner);
          return;
        }
    refused_.insert(violation.instance);
    // Several keywords of one value: its first complaint says it all.
    if (!reported_.insert(violation.instance).second) return;
    for (Path up = violation.instance; !up.empty(); up = up.parent())
      if (up != violation.instance && reported_.contains(up)) return;
    if (violation.instance.empty()) return;

    // Inside a list: the element itself is judged.
    const bool element = std::holds_alternative<std::size_t>(violation.instance.steps().back());
    const Value* field = schema_at(violation.instance);
    if (!field) {  // a value of env or args, or a profile that is no map
      std::string help = type_help(*value, violation);
      if (help.empty()) help = see_explain(violation.instance);
      diagnostics_.add({.code = "FAB2002",
                        .message = violation.instance.str() + ": expected " + expected_type(violation) + ", found " + found(*value),
                        .at = Place(violation.instance),
                        .label = "expected " + expected_type(violation),
                        .help = std::move(help),
                        .fix = quote_fix(*value, violation)});
      return;
    }
    if (element) return element_violation(violation, *value);
    judge(violation, *value, *field);
  }

 private:
  void unknown_key(const Violation& violation) {
    const Path path = violation.instance / violation.property;
    const std::string where = violation.instance.empty() ? "a job" : '`' + violation.instance.str() + '`';
    Diagnostic d{.code = "FAB2001",
                 .message = "unknown key `" + violation.property + "` in " + where,
                 .at = Place(path, true),
                 .label = "not a field of " + where};
    const Value* section = violation.instance.empty() || field_names(violation.instance).empty()
                               ? job_schema().find("definitions")->find("job")
                               : schema_at(violation.instance);
    std::vector<std::string> siblings;
    if (const Value* properties = section ? field_properties(*section) : nullptr)
      for (const Member& m : properties->as_object()) siblings.push_back(m.key);

    const std::string prefix = field_names(violation.instance).empty() ? "" : Path(violation.instance).str() + '.';
    if (const auto peer = peer_word(violation.property)) {
      const std::string ours(peer->path);
      if (ours.empty()) {
        d.help = std::string(peer->hint);
      } else {
        const std::optional<Path> meant = Path::parse(ours);
        const bool there = meant && find(job_, *meant) && origins_.find(*meant);
        d.help = there ? "`" + ours + "` says this, and is written already: remove `" + violation.property + "`"
                       : "did you mean `" + ours + "`?";
        if (!peer->hint.empty()) d.help += (there ? "; " : " ") + std::string(peer->hint);
        const bool here = ours.starts_with(prefix) && ours.find('.', prefix.size()) == std::string::npos;
        const std::string leaf = ours.substr(prefix.size());
        if (here && peer->hint.empty() && !find(job_, violation.instance / leaf)) set_fix(d, path, leaf);
      }
    } else if (const auto meant = closest(violation.property, siblings)) {
      const Origin* written = origins_.find(path);
      // One of the command line goes over what is written.
      const bool on_command_line = written && sources_[written->value.source].kind == Source::Kind::option;
      const bool there = !on_command_line && find(job_, violation.instance / *meant);
      d.help = there ? "did you mean `" + *meant + "`? That is written already: remove one" : "did you mean `" + *meant + "`?";
      if (!there) set_fix(d, path, *meant);
    } else if (const auto elsewhere = field_elsewhere(violation.property)) {
      d.help = *elsewhere == violation.property ? "`" + *elsewhere + "` is a field of the job itself: write it outside of " + where
                                                : "did you mean `" + *elsewhere + "`?";
    } else {
      d.help = "the fields of " + where + " are: " + listed(siblings, " and ");
    }
    diagnostics_.add(std::move(d));
  }

  // The fields of this name elsewhere.
  static std::optional<std::string> field_elsewhere(const std::string& name) {
    std::vector<std::string> paths;
    for (const auto& [leaf, path] : all_fields())
      if (leaf == name) paths.push_back(path);
    if (paths.empty()) return std::nullopt;
    return listed(paths, "` or `");
  }

  void set_fix(Diagnostic& d, const Path& path, const std::string& replacement) {
    const Origin* origin = origins_.find(path);
    if (!origin || !origin->key || origin->computed) return;
    const Source& source = sources_[origin->key->source];
    if (source.kind == Source::Kind::file) d.fix = Fix{*origin->key, replacement};
  }

  void missing(const Violation& violation) {
    const Path path = violation.instance / violation.property;
    if (!missing_.insert(path).second) return;
    if (merge_key_refused_) return;
    const Value* field = schema_at(path);
    std::string wants;
    if (field) {
      wants = Expectation(*field).str();
      if (field_properties(*field)) wants.clear();
    }
    const bool version = violation.property == "fabric";
    if (version) wants.clear();
    const std::string example = version ? "fabric: 1" : violation.property + ": ...";
    Diagnostic d{.code = "FAB2005",
                 .message = violation.instance.empty() ? "the job lacks the field `" + violation.property + "`"
                                                       : "`" + violation.instance.str() + "` lacks the field `" + violation.property + "`",
                 .at = Place(violation.instance, true),
                 .label = "`" + violation.property + "` is missing here",
                 .help = "add `" + example + "`" + (wants.empty() ? "" : ": " + wants) + "; " + see_explain(path)};
    if (violation.instance.empty()) {
      // The version line belongs on top; the first line that is written is where it would go.
      const Origin* root = origins_.find(Path());
      const Origin* first = nullptr;
      for (const auto& [p, origin] : origins_.all())
        if (root && p.steps().size() == 1 && origin.key && !origin.computed && origin.key->source == root->value.source &&
            (!first || origin.key->begin < first->key->begin))
          first = &origin;
      if (first) d.at = Place(*first->key);
      if (first && violation.property == "fabric" && sources_[first->key->source].text.find('{') != first->key->begin)
        insert_version(d, *first->key);
    }
    diagnostics_.add(std::move(d));
  }

  void insert_version(Diagnostic& d, const Span& first) {
    const std::string& text = sources_[first.source].text;
    const bool own_line = first.begin == 0 || text[first.begin - 1] == '\n';
    if (own_line) d.fix = Fix{Span{first.source, first.begin, first.begin}, "fabric: 1\n"};
  }

  void bad_name(const Violation& violation) {
    diagnostics_.add({.code = "FAB2008",
                      .message = "`" + violation.property + "` cannot be a name in `" + violation.instance.str() + "`",
                      .at = Place(violation.instance / violation.property, true),
                      .label = "not a name",
                      .help = violation.instance == Path("env") || violation.instance.steps().back() == Path::Step("env")
                                  ? "the name of a variable has letters, digits and underscores, and no digit in front"
                                  : "a name has letters, digits, dots, dashes and underscores"});
  }

  void judge(const Violation& violation, const Value& value, const Value& field) {
    const Expectation expected(field);
    const std::string path = violation.instance.str();
    Diagnostic d{.at = Place(violation.instance)};
    const std::string word = value.is_string() ? value.as_string() : value.is_integer() ? std::to_string(value.as_integer()) : "";
    const bool known_later = !word.empty() && std::find(expected.later.begin(), expected.later.end(), word) != expected.later.end();
    if (field_names(violation.instance) == std::vector<std::string>{"precision"} && word.starts_with("16") && on_cpu()) {
      d.code = "FAB3010";
      d.message = "precision " + quoted(value) + " cannot run on a CPU";
      d.label = "float16 trains on a GPU";
      d.help =
          "gradients underflow in float16, and LibTorch trains on a CPU in bfloat16, which has the range of 32 bits: write "
          "`precision: bf16-mixed` or `32-true`";
      set_value_fix(d, violation.instance, "bf16-mixed");
    } else if (known_later) {
      d.code = "FAB2004";
      d.message = path + ": " + quoted(value) + " is not in this version of fabric";
      d.label = "known, but not built yet";
      d.help = "this version runs " + expected.str();
    } else if (const auto number = unquote_fix(value, expected, violation.instance); number && !expected.types.contains("string")) {
      d.code = "FAB2002";
      d.message = path + ": expected " + expected.str() + ", found " + found(value);
      d.label = "expected " + expected.str();
      d.help = "write the number without quotes";
      d.fix = number;
    } else if (!expected.choices.empty() && (value.is_string() || value.is_integer())) {
      d.code = "FAB2003";
      d.message = path + ": unknown choice " + quoted(value);
      d.label = "expected " + expected.str();
      std::vector<std::string> words = expected.choices;
      words.insert(words.end(), expected.later.begin(), expected.later.end());
      if (expected.may_be_auto) words.push_back("auto");
      // SIGTERM is TERM, and so is term.
      std::string capitals = word;
      for (char& c : capitals)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
      if (capitals.starts_with("SIG")) capitals.erase(0, 3);
      const bool signal = std::find(words.begin(), words.end(), capitals) != words.end();
      auto meant = signal ? std::optional(capitals) : closest(word, words);
      if (const Value* peers = field.find("x-peers"))
        if (const Value* ours = peers->find(word)) meant = ours->as_string();
      const auto peer = violation.instance.steps().back() == Path::Step("strategy") ? peer_strategy(word) : std::nullopt;
      if (peer) {
        const bool ours = std::find(words.begin(), words.end(), peer->path) != words.end();
        meant = ours ? std::optional<std::string>(peer->path) : std::nullopt;
      }
      const bool usable = meant && std::find(expected.later.begin(), expected.later.end(), *meant) == expected.later.end();
      d.help = !meant   ? "write one of these; " + see_explain(violation.instance)
               : usable ? "did you mean `" + *meant + "`?"
                        : "`" + *meant + "` is not in this version of fabric; write " + expected.str();
      if (peer && peer->path.empty()) d.help = peer->hint;
      else if (peer && !peer->hint.empty()) d.help += (usable ? " " : "; ") + std::string(peer->hint);
      if (usable) set_value_fix(d, violation.instance, *meant);
      if (path == "fabric") {
        d.help = "this program reads version 1 of the job file: write `fabric: 1`";
        set_value_fix(d, violation.instance, "1", false);
      }
    } else if (!accepts_kind(expected, value)) {
      d.code = "FAB2002";
      d.message = path + ": expected " + expected.str() + ", found " + found(value);
      d.label = "expected " + expected.str();
      d.help = type_help(value, violation);
      if (value.is_string() && (field.find("x-short-list") || field.find("x-words"))) word_list(d, value.as_string());
      if (d.help.empty()) d.help = see_explain(violation.instance);
      if (auto unquoted = unquote_fix(value, expected, violation.instance)) {
        d.fix = std::move(unquoted);
        d.help = "write the number without quotes";
      }
    } else if (expected.unit == "duration" || expected.unit == "interval" || expected.unit == "devices" || expected.unit == "inherit") {
      d.code = "FAB2006";
      d.message = path + ": " + quoted(value) + " is not " + expected.str();
      d.label = "cannot be read";
      d.help = "write " + expected.str();
    } else {
      const Violation* inner = deepest(violation);
      const std::string& keyword = inner->keyword;
      d.code = "FAB2007";
      if (const auto bound = bound_in_words(keyword, inner->expected)) {
        d.message = path + ": " + shown(value) + " is out of range: it must be " + *bound;
        d.label = *bound;
      } else if (keyword == "minLength" || keyword == "minItems") {
        const std::size_t size = value.is_array() ? value.as_array().size() : value.is_string() ? value.as_string().size() : 0;
        d.message = size == 0 ? path + " is empty" : path + " has " + std::to_string(size) + (value.is_array() ? " values" : " characters");
        if (size == 1) d.message.pop_back();
        d.label = "needs at least " + canonical_json(inner->expected);
      } else if (keyword == "maxLength" || keyword == "maxItems") {
        d.message = path + " is too long: at most " + canonical_json(inner->expected);
        d.label = "at most " + canonical_json(inner->expected);
      } else if (keyword == "pattern") {
        d.code = "FAB2009";
        d.message = path + ": " + quoted(value) + " has characters that it may not have";
        d.label = "must match " + inner->expected.as_string();
      } else {
        d.message = path + ": " + shown(value) + " is not allowed";
        d.label = "expected " + expected.str();
      }
      d.help = see_explain(violation.instance);
    }
    diagnostics_.add(std::move(d));
  }

  void element_violation(const Violation& violation, const Value& value) {
    const Violation* inner = deepest(violation);
    Diagnostic d{.at = Place(violation.instance), .help = see_explain(violation.instance)};
    if (inner->keyword == "type") {
      d.code = "FAB2002";
      d.message = violation.instance.str() + ": expected " + expected_type(*inner) + ", found " + found(value);
      d.label = "expected " + expected_type(*inner);
      if (const std::string help = type_help(value, *inner); !help.empty()) d.help = help;
      d.fix = quote_fix(value, *inner);
    } else {
      d.code = "FAB2007";
      const auto bound = bound_in_words(inner->keyword, inner->expected);
      d.message =
          violation.instance.str() + ": " + shown(value) + (bound ? " is out of range: it must be " + *bound : " is not allowed here");
      d.label = bound ? *bound : inner->keyword == "minLength" ? "empty" : "not allowed";
    }
    diagnostics_.add(std::move(d));
  }

  // The branch of a choice that comes nearest: the one that already takes the kind of value.
  static const Violation* deepest(const Violation& violation) {
    const Violation* best = &violation;
    for (const auto& branch : violation.branches)
      for (const Violation& inner : branch)
        if (inner.keyword != "type" && inner.keyword != "const") best = deepest(inner);
    return best;
  }

  static bool accepts_kind(const Expectation& expected, const Value& value) {
    const auto takes = [&](const char* type) { return expected.types.contains(type); };
    switch (value.kind()) {
      case Value::Kind::boolean: return takes("boolean");
      case Value::Kind::integer: return takes("integer") || takes("number");
      case Value::Kind::real: return takes("number");
      case Value::Kind::string: return takes("string") || (expected.may_be_auto && value.as_string() == "auto");
      case Value::Kind::array: return takes("array");
      case Value::Kind::object: return takes("object");
      case Value::Kind::null: return false;
    }
    return false;
  }

  static std::string expected_type(const Violation& violation) {
    const Violation* inner = deepest(violation);
    const Value& type = inner->keyword == "type" ? inner->expected : violation.expected;
    std::vector<std::string> words;
    for (const Value& t : type.is_array() ? type.as_array() : Value::Array{type}) {
      if (!t.is_string()) continue;
      for (const auto& [name, text] : {std::pair{"integer", "an integer"},
                                       {"number", "a number"},
                                       {"string", "a string"},
                                       {"boolean", "true or false"},
                                       {"array", "a list"},
                                       {"object", "a map"}})
        if (t.as_string() == name) words.push_back(text);
    }
    return words.empty() ? "another kind of value" : listed(words);
  }

  static std::string shown(const Value& value) {
    std::string text = canonical_json(value);
    if (text.size() > 40) text = text.substr(0, 37) + "...";
    return text;
  }

  // A number or a boolean where a string is wanted: quoting it is the mend.
  static bool wants_string(const Violation& violation) {
    const Violation* inner = deepest(violation);
    return inner->keyword == "type" && inner->expected == Value("string");
  }
  std::string type_help(const Value& value, const Violation& violation) const {
    if (wants_string(violation) && (value.is_number() || value.is_bool())) return "put it in quotes to make it a string";
    if (wants_string(violation)) return "write a string";
    return "";
  }
  std::optional<Fix> quote_fix(const Value& value, const Violation& violation) const {
    if (!wants_string(violation) || (!value.is_number() && !value.is_bool())) return std::nullopt;
    const Origin* origin = origins_.find(violation.instance);
    if (!origin || origin->computed || sources_[origin->value.source].kind != Source::Kind::file) return std::nullopt;
    const std::string& text = sources_[origin->value.source].text;
    return Fix{origin->value, '"' + text.substr(origin->value.begin, origin->value.end - origin->value.begin) + '"'};
  }
  std::optional<Fix> unquote_fix(const Value& value, const Expectation& expected, const Path& path) const {
    if (!value.is_string()) return std::nullopt;
    // A choice of numbers is refused in quotes, and reads as if it were there.
    const bool a_choice =
        expected.types.empty() && std::find(expected.choices.begin(), expected.choices.end(), value.as_string()) != expected.choices.end();
    if (!a_choice && !expected.types.contains("integer") && !expected.types.contains("number")) return std::nullopt;
    std::string why;
    const std::optional<Value> number = read_json(value.as_string(), &why);
    if (!number || !(number->is_integer() || (number->is_real() && expected.types.contains("number")))) return std::nullopt;
    const Origin* origin = origins_.find(path);
    if (!origin || origin->computed || sources_[origin->value.source].kind != Source::Kind::file) return std::nullopt;
    return Fix{origin->value, value.as_string()};
  }

  // A command line where a list of words is wanted.
  void word_list(Diagnostic& d, const std::string& line) {
    const bool plain = line.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _./=-+") == std::string::npos;
    std::string list;
    for (std::size_t at = 0; plain && at < line.size();) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      if (end > at) list += (list.empty() ? "" : ", ") + canonical_json(Value(line.substr(at, end - at)));
      at = end + 1;
    }
    if (line.starts_with('-')) {
      d.help = "a dash makes a list item only with a space behind it: `- python`";
      return;
    }
    if (list.empty()) {
      d.help = "write the words as a list, no shell reads them: `[python, train.py]`; with a shell: `[sh, -c, \"...\"]`";
      return;
    }
    d.help = "write the words as a list, no shell reads them: `[" + list + "]`";
    set_value_fix(d, *d.at.path, '[' + list + ']', false);
  }

  void set_value_fix(Diagnostic& d, const Path& path, const std::string& replacement, bool keep_quotes = true) {
    const Origin* origin = origins_.find(path);
    if (!origin || origin->computed || sources_[origin->value.source].kind != Source::Kind::file) return;
    const std::string& text = sources_[origin->value.source].text;
    const char first = origin->value.begin < text.size() ? text[origin->value.begin] : ' ';
    const bool in_quotes = keep_quotes && (first == '"' || first == '\'');
    d.fix = Fix{origin->value, in_quotes ? first + replacement + first : replacement};
  }

  bool on_cpu() const {
    const Value* accelerator = job_.find("accelerator");
    return accelerator && *accelerator == Value("cpu");
  }

  const Value& job_;
  const SourceMap& origins_;
  const Sources& sources_;
  Diagnostics& diagnostics_;
  std::set<Span> already_blamed_;
  bool merge_key_refused_ = false;  // what it would have brought is not known, and not missed
  std::set<Path> refused_;
  std::set<Path> reported_;
  std::set<Path> missing_;
};

}  // namespace

std::vector<Path> check_against_schema(const Value& job, const SourceMap& origins, const Sources& sources, Diagnostics& diagnostics) {
  static const JsonSchema schema(job_schema());
  SchemaChecker checker(job, origins, sources, diagnostics);
  for (const Violation& violation : schema.validate(job)) checker.report(violation);
  return checker.refused();
}

}  // namespace fabric
