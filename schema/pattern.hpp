// Regular expressions in RE2's language, which take time in proportion to the text. The only door to RE2.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace fabric {

class Pattern {
 public:
  explicit Pattern(std::string_view text);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  std::string error() const;  // why it is none; empty if all is well
  bool found_in(std::string_view text) const;

 private:
  std::unique_ptr<re2::RE2> compiled_;
};

}  // namespace fabric
