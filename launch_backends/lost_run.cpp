#include "launch_backends/lost_run.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <exception>
#include <fstream>
#include <iterator>

#include "launch_backends/descriptor.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/run_directory.hpp"
#include "schema/json.hpp"

namespace fabric {

constexpr std::int64_t lost_exit_code = 125;

static std::string loss_file(const std::string& run_directory, std::int64_t node) {
  return run_directory + "/nodes/" + std::to_string(node) + "/lost.json";
}

void note_loss(const std::string& run_directory, std::int64_t node, const std::string& message) {
  Value loss = Value::object();
  loss.set("message", message);
  loss.set("time", now_seconds());
  const std::string text = canonical_json(loss) + '\n';
  const std::string path = loss_file(run_directory, node);
  const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file) [[maybe_unused]]
    const ssize_t n = write(file.get(), text.data(), text.size());
}

std::string noted_loss(const std::string& run_directory, std::int64_t node) {
  std::ifstream in(loss_file(run_directory, node));
  const std::optional<Value> loss = read_json(std::string(std::istreambuf_iterator<char>(in), {}));
  const Value* message = loss ? loss->find("message") : nullptr;
  return message && message->is_string() ? message->as_string() : "";
}

void close_lost_run(const std::string& run_directory, std::int64_t attempt, const std::string& message) try {
  RunDirectory run = RunDirectory::open(run_directory);
  // Whoever has resumed it meanwhile speaks for it now; but the lost controller may be a moment from letting go.
  for (int times = 0; !run.lock(); ++times) {
    if (times == 25) return;
    usleep(20'000);
  }
  RunStatus status = run.status();
  if (status.attempt != attempt || status.ended) return;
  status.state = "lost";
  status.ended = now_seconds();
  status.exit_code = lost_exit_code;
  status.message = message;
  run.write_status(status);
  Event event;
  event.kind = "run_finished";
  event.time = *status.ended;
  event.detail = Value::object();
  event.detail.set("exit_code", lost_exit_code);
  event.detail.set("verdict", "lost");
  event.detail.set("message", message);
  run.append_event(event);
} catch (const std::exception&) {}

}  // namespace fabric
