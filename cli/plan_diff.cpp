#include "cli/plan_diff.hpp"

#include <algorithm>

#include "cli/terminal.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

// The member by which elements of a list are told apart, if every element of both lists has one of its own.
std::string_view key_of(const Value::Array& a, const Value::Array& b) {
  for (const std::string_view key : {"field", "path", "name", "subject", "role"}) {
    const auto unique = [&](const Value::Array& list) {
      std::vector<std::string> seen;
      for (const Value& v : list) {
        const Value* name = v.find(key);
        if (!name || !name->is_string()) return false;
        seen.push_back(name->as_string());
      }
      std::sort(seen.begin(), seen.end());
      return std::adjacent_find(seen.begin(), seen.end()) == seen.end();
    };
    if (!(a.empty() && b.empty()) && unique(a) && unique(b)) return key;
  }
  return {};
}

const Value* named(const Value::Array& list, std::string_view key, const std::string& name) {
  for (const Value& v : list)
    if (v.find(key)->as_string() == name) return &v;
  return nullptr;
}

void walk(const std::string& path, const Value* saved, const Value* now, std::vector<Difference>& out) {
  if (saved && now && *saved == *now) return;
  if (saved && now && saved->is_object() && now->is_object()) {
    const auto below = [&](const std::string& key) { return path.empty() ? key : path + '.' + key; };
    for (const Member& m : now->as_object()) walk(below(m.key), saved->find(m.key), &m.value, out);
    for (const Member& m : saved->as_object())
      if (!now->find(m.key)) walk(below(m.key), &m.value, nullptr, out);
    return;
  }
  if (saved && now && saved->is_array() && now->is_array()) {
    const Value::Array& a = saved->as_array();
    const Value::Array& b = now->as_array();
    const std::size_t known = out.size();
    if (const std::string_view key = key_of(a, b); !key.empty()) {
      for (const Value& v : b) {
        const std::string& name = v.find(key)->as_string();
        walk(path + '[' + name + ']', named(a, key, name), &v, out);
      }
      for (const Value& v : a)
        if (const std::string& name = v.find(key)->as_string(); !named(b, key, name)) walk(path + '[' + name + ']', &v, nullptr, out);
    } else {
      for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i)
        walk(path + '[' + std::to_string(i) + ']', i < a.size() ? &a[i] : nullptr, i < b.size() ? &b[i] : nullptr, out);
    }
    // The same elements in another order.
    if (out.size() == known) out.push_back({path, canonical_json(*saved), canonical_json(*now)});
    return;
  }
  out.push_back({path, saved ? canonical_json(*saved) : "", now ? canonical_json(*now) : ""});
}

}  // namespace

std::string Difference::str() const {
  const auto shown = [](const std::string& json) { return json.empty() ? "(absent)" : shortened(json, 72); };
  return (path.empty() ? "plan" : path) + ": " + shown(saved) + " -> " + shown(now);
}

std::vector<Difference> differences(const Value& saved, const Value& now) {
  std::vector<Difference> out;
  walk("", &saved, &now, out);
  return out;
}

}  // namespace fabric
