// What a rank tells its agent while it works: JSON lines in the file that FABRIC_EVENTS names, one write() a line, so that a
// reader never sees half a line of a living rank. schema/event.hpp has the shape; docs and the agent read `kind` and `detail`.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/value.hpp"

namespace fabric {

class EventFile {
 public:
  // An empty path drops all events. Throws Failure(output) if the file cannot be opened.
  EventFile(const std::string& path, std::int64_t rank);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // detail is a map. An event that cannot be written is lost: it is a view of the run, and training goes on without it. The
  // first loss is logged.
  void write(std::string_view kind, Value detail);

 private:
  std::string path_;
  std::int64_t rank_;
  int fd_ = -1;
  bool lost_ = false;
};

// A map from alternating names and values. A real that JSON cannot hold, such as a loss that diverged, becomes null.
template <class... Rest>
Value detail(Rest&&... rest) {
  Value map = Value::object();
  const auto put = [&map](auto&& self, std::string_view name, auto&& value, auto&&... more) -> void {
    Value held(std::forward<decltype(value)>(value));
    map.set(name, held.is_real() && !std::isfinite(held.as_real()) ? Value() : std::move(held));
    if constexpr (sizeof...(more) > 0) self(self, std::forward<decltype(more)>(more)...);
  };
  if constexpr (sizeof...(rest) > 0) put(put, std::forward<Rest>(rest)...);
  return map;
}

}  // namespace fabric
