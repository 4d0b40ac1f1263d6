#include "cli/rank_terminal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string_view>
#include <system_error>

#include "cli/terminal.hpp"

namespace fabric {
namespace {

constexpr int look_at_size_every = 200;         // milliseconds
constexpr std::size_t most_waiting = 64 << 10;  // bytes that were typed and that the rank has not taken

// For a signal handler, which has nothing else.
termios settings_before;
volatile std::sig_atomic_t settings_changed = 0;

void restore_settings() {
  if (settings_changed) tcsetattr(STDIN_FILENO, TCSADRAIN, &settings_before);
  settings_changed = 0;
}

// Of what ends a process. INT, TERM and HUP end the run in order.
constexpr int deadly[] = {SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU, SIGSYS};

void restore_and_die(int signal) {
  restore_settings();
  std::signal(signal, SIG_DFL);
  raise(signal);
}

FileDescriptor checked(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  return FileDescriptor(fd);
}

}  // namespace

RankTerminal::RankTerminal(const std::string& log)
    : near_(checked(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "cannot make a terminal for the rank")),
      wake_(checked(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
  char name[128];
  if (grantpt(near_.get()) != 0 || unlockpt(near_.get()) != 0 || ptsname_r(near_.get(), name, sizeof name) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot make a terminal for the rank");
  path_ = name;
  fcntl(near_.get(), F_SETFL, O_NONBLOCK);  // a rank may not read what is typed
  // While nobody has it open, the near end would say that all have gone.
  own_end_ = checked(open(name, O_RDWR | O_NOCTTY | O_CLOEXEC), name);
  log_ = FileDescriptor(open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666));
  // As a program finds a terminal that nobody has changed.
  if (tcgetattr(STDIN_FILENO, &settings_before) == 0) tcsetattr(own_end_.get(), TCSANOW, &settings_before);
  follow_size();
}

void RankTerminal::begin() {
  termios raw = settings_before;
  cfmakeraw(&raw);
  for (const int signal : deadly) std::signal(signal, restore_and_die);
  // Those that end the run in order wait until it can take them.
  sigset_t orderly;
  sigemptyset(&orderly);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&orderly, signal);
  pthread_sigmask(SIG_BLOCK, &orderly, &mask_);
  settings_changed = 1;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  active_ = begun_ = true;
  // Signals are for the thread that conducts the run.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { relay(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void RankTerminal::end() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_.get(), &one, sizeof one);
  thread_.join();
  for (const int signal : deadly) std::signal(signal, SIG_DFL);
}

RankTerminal::~RankTerminal() {
  end();
  if (begun_) pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
}

void RankTerminal::say(const std::string& text) { write_all(STDOUT_FILENO, "\r\n" + text + "\r\n"); }

void RankTerminal::relay() {
  bool hears = true;
  for (;;) {
    pollfd watched[] = {{near_.get(), static_cast<short>(typed_.empty() ? POLLIN : POLLIN | POLLOUT), 0},
                        {hears ? STDIN_FILENO : -1, POLLIN, 0},
                        {wake_.get(), POLLIN, 0}};
    if (poll(watched, 3, look_at_size_every) < 0 && errno != EINTR) break;
    follow_size();
    if ((watched[0].revents & ~POLLOUT) && !pass_on_output()) break;
    if (watched[0].revents & POLLOUT)
      if (const ssize_t n = write(near_.get(), typed_.data(), typed_.size()); n > 0) typed_.erase(0, static_cast<std::size_t>(n));
    if (watched[1].revents) hears = pass_on_input();
    // What the rank has printed last is still to be shown.
    if (watched[2].revents & POLLIN) {
      for (pollfd last{near_.get(), POLLIN, 0}; poll(&last, 1, 0) > 0 && pass_on_output();) {}
      break;
    }
  }
  restore_settings();
  active_ = false;
}

bool RankTerminal::pass_on_input() {
  char buffer[4096];
  const ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
  if (n <= 0) return n < 0 && (errno == EINTR || errno == EAGAIN);
  const std::string_view typed(buffer, static_cast<std::size_t>(n));
  for (std::size_t begin = 0; begin < typed.size();) {
    const std::size_t key = std::min(typed.find(leave, begin), typed.size());
    // As a terminal does whose line is full; the key that ends the run has to come through.
    if (typed_.size() < most_waiting) typed_ += typed.substr(begin, key - begin);
    else write_all(STDOUT_FILENO, "\a");
    if (key < typed.size()) kill(getpid(), SIGINT);
    begin = key + 1;
  }
  return true;
}

// False once nobody has the other end.
bool RankTerminal::pass_on_output() {
  char buffer[1 << 14];
  const ssize_t n = read(near_.get(), buffer, sizeof buffer);
  if (n <= 0) return n < 0 && (errno == EINTR || errno == EAGAIN);
  const std::string_view text(buffer, static_cast<std::size_t>(n));
  write_all(STDOUT_FILENO, text);
  if (log_ && write_all(log_.get(), text) != 0) log_.reset();
  return true;
}

void RankTerminal::follow_size() {
  winsize size{};
  if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) return;
  const std::int64_t now = std::int64_t{size.ws_row} << 16 | size.ws_col;
  if (now == size_) return;
  size_ = now;
  ioctl(near_.get(), TIOCSWINSZ, &size);
}

void DebugView::on_event(const Event& event) {
  if (event.kind == "rank_started" && event.rank == rank_) terminal_.rank_has_started();
  // What it has left behind may still hold its terminal.
  if (event.kind == "rank_exited" && event.rank == rank_) terminal_.end();
  if (!terminal_.active()) return view_.on_event(event);
  const Value* text = event.detail.find(event.kind == "stopping" ? "why" : "message");
  if ((event.kind == "stopping" || event.kind == "note") && text && text->is_string())
    terminal_.say(event.kind + ": " + sanitised(text->as_string()));
}

void DebugView::on_line(std::int64_t node, std::int64_t rank, std::string_view line) {
  if (!terminal_.active() && rank != rank_) view_.on_line(node, rank, line);
}

void DebugView::on_unfinished(std::int64_t node, std::int64_t rank, std::string_view text, bool redraws) {
  if (!terminal_.active() && rank != rank_) view_.on_unfinished(node, rank, text, redraws);
}

void DebugView::on_tick() {
  if (!terminal_.active()) view_.on_tick();
}

}  // namespace fabric
