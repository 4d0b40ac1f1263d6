#include "runtime/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace fabric {
namespace {

spdlog::logger& worker_log() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("worker", std::make_shared<spdlog::sinks::stdout_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l: %v");
    made->flush_on(spdlog::level::info);  // a killed worker leaves its last line behind
    return made;
  }();
  return *logger;
}

}  // namespace

void log_line(std::string_view text) { worker_log().info("{}", text); }
void log_warning(std::string_view text) { worker_log().warn("{}", text); }

}  // namespace fabric
