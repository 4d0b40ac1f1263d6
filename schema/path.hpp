// The way from the root of a Value to one of its parts, and how it is written for people: train.optimizer.lr, program.command[2].
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "schema/value.hpp"

namespace fabric {

class Path {
 public:
  using Step = std::variant<std::string, std::size_t>;

  Path() = default;
  // Reads the written form. A key that is not a plain word is quoted: profiles."a.b".seed. Ill-formed text answers nullopt.
  static std::optional<Path> parse(std::string_view text);
  // For paths that the program itself writes: parse, or an assertion.
  Path(const char* text);

  Path operator/(std::string_view key) const;
  Path operator/(std::size_t index) const;
  Path parent() const;

  bool empty() const { return steps_.empty(); }
  const std::vector<Step>& steps() const { return steps_; }
  bool starts_with(const Path& prefix) const;
  std::string str() const;

  friend bool operator==(const Path&, const Path&) = default;
  friend auto operator<=>(const Path&, const Path&) = default;

 private:
  std::vector<Step> steps_;
};

// The part of root at path, or nullptr.
const Value* find(const Value& root, const Path& path);

}  // namespace fabric
