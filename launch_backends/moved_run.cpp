#include "launch_backends/moved_run.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "launch_backends/heard_files.hpp"
#include "launch_backends/process.hpp"
#include "launch_backends/ssh_fleet.hpp"
#include "launch_backends/written_at.hpp"

namespace fabric {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto patience_with_first_host = 15s;
constexpr auto pause_after_silence = 10s;  // a host that does not answer holds up whoever waits for it
constexpr double time_to_begin = 120;      // seconds; whoever conducts it may look at its hosts first
constexpr auto patience_with_others = 5s;  // who ask about the same run
constexpr auto told_at_once = 2s;          // of a long log the rest comes the next time

// One first host, with its connection.
class FirstHostLink {
 public:
  FirstHostLink(const ControllerPlace& place) : place_(place) {}

  // Throws std::runtime_error if it does not answer.
  messages::RunReport ask(const messages::RunInquiry& about) {
    if (!problem_.empty() && Clock::now() < silent_until_) throw std::runtime_error(problem_);
    if (!fleet_ || !fleet_->problem(0).empty()) {
      Ssh how;
      how.options = place_.options;
      how.fabric = place_.fabric;
      how.lease.seconds = 60;
      fleet_ = std::make_unique<SshFleet>(std::vector<std::string>{place_.host}, std::move(how), place_.fabric, FabricThere::any);
    }
    fleet_->connect();
    messages::Inquiry inquiry;
    inquiry.run = about;
    const SshFleet::Answer answer = fleet_->ask({inquiry}, patience_with_first_host).front();
    problem_ = answer.report ? "" : place_.host + " does not answer: " + fleet_->problem(0);
    if (!answer.report) {
      silent_until_ = Clock::now() + pause_after_silence;
      throw std::runtime_error(problem_);
    }
    if (!answer.report->run) throw std::runtime_error("the fabric on " + place_.host + " does not know what is asked: " + place_.fabric);
    const std::optional<std::string>& machine = answer.report->run->machine;
    if (machine && !place_.machine.empty() && *machine != place_.machine)
      throw std::runtime_error(place_.host + " is another machine now, " + *machine + ": the run was given to " + place_.machine);
    if (!answer.report->run->problem.empty()) throw std::runtime_error(place_.host + ": " + answer.report->run->problem);
    return *answer.report->run;
  }

 private:
  const ControllerPlace place_;
  std::unique_ptr<SshFleet> fleet_;
  std::string problem_;
  Clock::time_point silent_until_{};
};

FirstHostLink& link_to(const ControllerPlace& place) {
  static std::map<std::string, std::unique_ptr<FirstHostLink>> links;
  std::string name = place.host + '\n' + place.fabric + '\n' + place.machine;
  for (const std::string& option : place.options) name += '\n' + option;
  std::unique_ptr<FirstHostLink>& link = links[name];
  if (!link) link = std::make_unique<FirstHostLink>(place);
  return *link;
}

// The end of what was ordered stands in its files, and not that of an attempt before.
bool has_ended_since(const RunDirectory& run, double ordered) {
  try {
    return run.status().ended.value_or(0) >= ordered;
  } catch (const std::exception&) {
    return false;
  }
}

FileDescriptor lock_folder(const RunDirectory& run, const ControllerPlace& place) {
  FileDescriptor lock(open(run.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const Clock::time_point deadline = Clock::now() + patience_with_others;
  while (!lock || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (!lock || (errno != EWOULDBLOCK && errno != EINTR))
      throw std::system_error(errno, std::generic_category(), "cannot lock " + run.path());
    if (Clock::now() > deadline) throw std::runtime_error("another fabric is asking " + place.host + " about it, and still waits");
    poll(nullptr, 0, 20);
  }
  return lock;
}

// Whether it goes on there, with all that is new written here.
MovedStanding follow_there(const RunDirectory& run, const ControllerPlace& place) {
  FirstHostLink& link = link_to(place);
  // Others may be watching it too.
  const FileDescriptor lock = lock_folder(run, place);
  messages::RunInquiry inquiry;
  inquiry.run = run.path();
  inquiry.files = !place.shared;
  HeardFiles files(run.path());
  const Clock::time_point begin = Clock::now();
  messages::RunReport report;
  for (;;) {
    if (inquiry.files) inquiry.had = files.all();
    report = link.ask(inquiry);
    for (const messages::FilePart& part : report.parts) files.take(part);
    if (inquiry.files && !report.more) files.end_where_heard();
    if (!report.parts.empty()) files.keep();
    if (!report.more || Clock::now() - begin >= told_at_once) break;
  }
  MovedStanding standing{.goes_on = report.goes_on || report.more, .more = report.more};
  if (report.unreadable) standing.note = place.host + ": " + *report.unreadable;
  if (standing.goes_on) return standing;
  bool begun = place.begun;
  if (!begun) {
    // It may be only about to begin.
    const double ordered = written_at(run.path() + "/controller.json").value_or(0);
    begun = report.known && has_ended_since(run, ordered);
    standing.goes_on = !begun && now_seconds() - ordered < time_to_begin;
  }
  // A folder that is not there may come back, as with a disk.
  if (place.shared || !begun || !report.known) return standing;
  ControllerPlace home = place;
  home.home = true;
  write_controller_place(run.path(), home);
  files.forget();
  return standing;
}

}  // namespace

MovedStanding ask_about_moved(const RunDirectory& run, const ControllerPlace& place) {
  try {
    return follow_there(run, place);
  } catch (const std::exception& error) {
    return {.goes_on = true, .problem = error.what()};
  }
}

bool stop_moved(const RunDirectory& run, const ControllerPlace& place, int signal, bool hurry) {
  messages::RunInquiry inquiry;
  inquiry.run = run.path();
  inquiry.signal = signal;
  inquiry.hurry = hurry;
  return link_to(place).ask(inquiry).stopped;
}

}  // namespace fabric
