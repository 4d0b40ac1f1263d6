// Lines at the bottom of a terminal that are drawn over again and again, and taken away before anything else is written there.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fabric {

class LiveBlock {
 public:
  // What draws these lines over those that stand there. None may be wider than the terminal.
  std::string drawing(const std::vector<std::string>& lines) const;
  // What takes the block away, with the cursor where it began.
  std::string erasing() const;
  // Says that so many lines stand there now, since one of these was written.
  void stands(std::size_t rows) { rows_ = rows; }
  bool shown() const { return rows_ > 0; }

 private:
  std::string to_top() const;
  std::size_t rows_ = 0;
};

}  // namespace fabric
