#include "compiler/front_ends/jsonnet.hpp"

#include <cmath>

#include "compiler/front_ends/jsonnet_parts.hpp"
#include "compiler/front_ends/source_text.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

// Jsonnet has doubles only: what is whole and exact is an integer again.
void restore_integers(Value& value) {
  constexpr double exact = 9007199254740992.0;  // 2^53
  if (value.is_real() && std::floor(value.as_real()) == value.as_real() && std::abs(value.as_real()) <= exact)
    value = static_cast<std::int64_t>(value.as_real());
  if (value.is_array())
    for (Value& item : value.as_array()) restore_integers(item);
  if (value.is_object())
    for (Member& m : value.as_object()) restore_integers(m.value);
}

void warn_of_large_integers(const std::string& text, std::uint32_t source, Diagnostics& diagnostics) {
  for (const JsonnetToken& token : tokenize_jsonnet(text)) {
    if (token.kind != JsonnetToken::Kind::number || token.text.find_first_of(".eE") != std::string::npos) continue;
    if (token.text.size() < 16 || (token.text.size() == 16 && token.text <= "9007199254740992")) continue;
    diagnostics.add({.severity = Severity::warning,
                     .code = "FAB1013",
                     .message = "Jsonnet cannot hold the integer " + token.text + " exactly",
                     .at = Span{source, token.begin, token.end},
                     .label = "beyond 2^53",
                     .help = "write it as a string, or the job in YAML"});
  }
}

}  // namespace

std::optional<Value> read_jsonnet(Sources& sources, std::uint32_t source, const std::string& path, const Outside& outside,
                                  SourceMap& origins, std::vector<Input>& inputs, Diagnostics& diagnostics) {
  if (!check_source_text(sources, source, 0, diagnostics)) return std::nullopt;
  const std::optional<GatheredJsonnet> gathered = gather_jsonnet(sources, source, path, outside, inputs, diagnostics);
  if (!gathered) return std::nullopt;
  const JsonnetResult result = outside.evaluate_jsonnet(gathered->program);
  if (!result.refusal.empty()) {
    diagnostics.add(
        {.code = "FAB1010",
         .message = "the Jsonnet program could not be evaluated: " + result.refusal,
         .at = Span{source, 0, static_cast<std::uint32_t>(std::min(sources[source].text.find('\n'), sources[source].text.size()))},
         .label = "this program",
         .help = result.help});
    return std::nullopt;
  }
  if (!result.error.empty()) {
    diagnostics.add(explain_jsonnet_error(result.error, *gathered));
    return std::nullopt;
  }
  std::string why;
  std::optional<Value> value = read_json(result.json.value_or(""), &why, LargeIntegers::doubles);
  if (!value) {
    diagnostics.add({.code = "FAB1012",
                     .message = "the program's result cannot be used: " + why,
                     .at = Span{source, 0, 1},
                     .label = "this program",
                     .help = "numbers must be finite and nesting at most 200 deep"});
    return std::nullopt;
  }
  restore_integers(*value);
  warn_of_large_integers(sources[source].text, source, diagnostics);
  find_jsonnet_literals(sources[source].text, source, *value, origins);
  return value;
}

}  // namespace fabric
