// Whether this rank was asked to stop: by the job's stop signal, or by a file that appears.
#pragma once

#include <string>

namespace fabric {

class StopRequest {
 public:
  // Catches the signal (TERM, INT, USR1, USR2 or HUP) from now on. One object a process; never undone.
  StopRequest(const std::string& signal, std::string file);
  bool asked() const;

 private:
  std::string file_;  // empty: by signal only
};

}  // namespace fabric
