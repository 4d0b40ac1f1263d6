// What ends a worker before its time, in words for the user: what happened, to which file or peer, and a way out.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace fabric {

// Who can mend it. The word goes into the error event, where the controller tells culprits from victims by it: a rank that fails
// with `communication` is most often the victim of another.
enum class FailureClass { usage, plan, data, checkpoint, output, communication, device, internal };

constexpr std::string_view word(FailureClass c) {
  constexpr std::string_view words[] = {"usage", "plan", "data", "checkpoint", "output", "communication", "device", "internal"};
  return words[static_cast<int>(c)];
}

struct Failure : std::runtime_error {
  Failure(FailureClass c, const std::string& what) : std::runtime_error(what), failure_class(c) {}
  FailureClass failure_class;
};

}  // namespace fabric
