#include "schema/path.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>

namespace fabric {
namespace {

bool is_plain(std::string_view key) { return !key.empty() && key.find_first_of(".[]\"\\ =") == std::string_view::npos; }

}  // namespace

std::optional<Path> Path::parse(std::string_view text) {
  Path path;
  std::size_t i = 0;
  while (i < text.size()) {
    if (text[i] == '[') {
      const std::size_t close = text.find(']', i);
      if (close == std::string_view::npos) return std::nullopt;
      std::size_t index = 0;
      const char* end = text.data() + close;
      const auto [stop, error] = std::from_chars(text.data() + i + 1, end, index);
      if (error != std::errc{} || stop != end) return std::nullopt;
      path.steps_.emplace_back(index);
      i = close + 1;
      continue;
    }
    if (!path.steps_.empty()) {
      if (text[i] != '.') return std::nullopt;
      ++i;
    }
    std::string key;
    if (i < text.size() && text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\\' && i + 1 < text.size()) ++i;
        key += text[i];
      }
      if (i == text.size()) return std::nullopt;
      ++i;
    } else {
      while (i < text.size() && text[i] != '.' && text[i] != '[') key += text[i++];
      if (!is_plain(key)) return std::nullopt;
    }
    path.steps_.emplace_back(std::move(key));
  }
  return path;
}

Path::Path(const char* text) {
  std::optional<Path> parsed = parse(text);
  assert(parsed);
  *this = std::move(*parsed);
}

Path Path::operator/(std::string_view key) const {
  Path child;
  child.steps_.reserve(steps_.size() + 1);
  child.steps_ = steps_;
  child.steps_.emplace_back(std::string(key));
  return child;
}

Path Path::operator/(std::size_t index) const {
  Path child;
  child.steps_.reserve(steps_.size() + 1);
  child.steps_ = steps_;
  child.steps_.emplace_back(index);
  return child;
}

Path Path::parent() const {
  Path up = *this;
  if (!up.steps_.empty()) up.steps_.pop_back();
  return up;
}

bool Path::starts_with(const Path& prefix) const {
  return prefix.steps_.size() <= steps_.size() && std::equal(prefix.steps_.begin(), prefix.steps_.end(), steps_.begin());
}

std::string Path::str() const {
  std::string text;
  for (const Step& step : steps_) {
    if (const std::size_t* index = std::get_if<std::size_t>(&step)) {
      text += '[' + std::to_string(*index) + ']';
      continue;
    }
    const std::string& key = std::get<std::string>(step);
    if (!text.empty()) text += '.';
    if (is_plain(key)) {
      text += key;
      continue;
    }
    text += '"';
    for (const char c : key) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text;
}

const Value* find(const Value& root, const Path& path) {
  const Value* at = &root;
  for (const Path::Step& step : path.steps()) {
    if (const std::size_t* index = std::get_if<std::size_t>(&step)) {
      if (!at->is_array() || *index >= at->as_array().size()) return nullptr;
      at = &at->as_array()[*index];
    } else {
      at = at->find(std::get<std::string>(step));
      if (!at) return nullptr;
    }
  }
  return at;
}

}  // namespace fabric
