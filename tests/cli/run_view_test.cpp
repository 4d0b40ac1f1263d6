#include "cli/run_view.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "cli/spoken.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

// A terminal whose text can be read back.
struct Screen {
  Terminal terminal;
  Screen() { terminal.fd = memfd_create("screen", MFD_CLOEXEC); }
  ~Screen() { close(terminal.fd); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  std::string text() const {
    std::string all(static_cast<std::size_t>(lseek(terminal.fd, 0, SEEK_END)), '\0');
    BOOST_REQUIRE(pread(terminal.fd, all.data(), all.size(), 0) == static_cast<ssize_t>(all.size()));
    return all;
  }
};

Event event(std::string kind, std::string_view detail, std::optional<std::int64_t> rank = 0) {
  Event e;
  e.kind = std::move(kind);
  e.rank = rank;
  e.detail = *read_json(detail);
  return e;
}

// What has been written so far, without waiting for more than the writer needs.
std::string screen_text(const Screen& screen) {
  std::string text;
  for (int still = 0; still < 5; usleep(10'000)) {
    std::string now = screen.text();
    still = now == text ? still + 1 : 0;
    text = std::move(now);
  }
  return text;
}

void train(RunView& view) {
  view.on_event(event("start", R"({"steps":20,"epochs":2,"steps_per_epoch":10,"samples":60000,"parameters":421642,"resumed_step":0})"));
  view.on_event(event("first_step", R"({"step":1,"seconds":0.5})"));
  view.on_event(event("step", R"({"step":10,"epoch":1,"loss":0.5,"lr":0.001,"samples_per_s":12345.6})"));
  view.on_event(event("epoch", R"({"epoch":1,"train_loss":0.5,"test_loss":0.4,"accuracy":0.85,"samples_per_s":12345.6})"));
  view.on_line(0, 1, "hello\x1b[2J");
  view.on_event(event("checkpoint", R"({"path":"/r/checkpoints/step-10.safetensors","step":10})"));
  view.on_event(event("epoch", R"({"epoch":2,"train_loss":0.3,"test_loss":0.35,"accuracy":0.9,"samples_per_s":12000})"));
}

BOOST_AUTO_TEST_CASE(what_an_event_says_is_not_said_twice) {
  for (const auto ranks : {RunView::Ranks::own_worker, RunView::Ranks::program}) {
    Screen out, err;
    RunView view(out.terminal, err.terminal, ranks);
    view.on_line(0, 0, "2026-11-26T10:50:50.945 info: epoch 1: training loss 0.4115");
    view.on_line(0, 0, "2026-11-26T10:50:50.946 warning: events are lost");
    view.on_line(0, 0, "info: of something else");
    view.finish();
    const std::string told = "[0:0] 2026-11-26T10:50:50.946 warning: events are lost\n[0:0] info: of something else\n";
    BOOST_TEST(out.text() ==
               (ranks == RunView::Ranks::program ? "[0:0] 2026-11-26T10:50:50.945 info: epoch 1: training loss 0.4115\n" + told : told));
  }
}

BOOST_AUTO_TEST_CASE(a_pipe_gets_plain_lines_only) {
  Screen out, err;
  RunView view(out.terminal, err.terminal);
  train(view);
  view.finish();
  BOOST_TEST(out.text() ==
             "training: 20 steps in 2 epochs, 60,000 samples, 421,642 parameters\n"
             "epoch 1/2  train loss 0.5000  test loss 0.4000  accuracy 0.8500  12,346 images/s\n"
             "[0:1] hello\\x1b[2J\n"
             "epoch 2/2  train loss 0.3000  test loss 0.3500  accuracy 0.9000  12,000 images/s\n");
  BOOST_TEST(err.text() == "");
}

BOOST_AUTO_TEST_CASE(a_terminal_gets_a_bar_that_is_taken_away) {
  Screen screen;
  screen.terminal.interactive = true;
  screen.terminal.width = 100;
  RunView view(screen.terminal, screen.terminal);
  train(view);
  view.finish();
  const std::string text = screen.text();
  BOOST_TEST(text.find("step 10/20  ====") != std::string::npos);
  BOOST_TEST(text.find("50%  loss 0.5000  12,346 images/s") != std::string::npos);
  BOOST_TEST(text.ends_with("\r\x1b[K"));
  // Never wider than the terminal, or it would be wrapped and could not be drawn over.
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_of("\r\n", at), text.size());
    BOOST_TEST(display_width(text.substr(at, end - at)) < 100u + 3);
    at = end + 1;
  }
}

Event of_rank(std::string kind, std::int64_t rank, std::string_view detail = "{}") { return event(std::move(kind), detail, rank); }

BOOST_AUTO_TEST_CASE(on_a_terminal_one_sees_who_lives_and_at_which_step) {
  Screen screen;
  screen.terminal.interactive = true;
  screen.terminal.width = 60;
  RunView view(screen.terminal, screen.terminal);
  view.on_event(event("bound", R"({"attempt":0})", std::nullopt));
  for (std::int64_t rank : {0, 1, 2}) view.on_event(of_rank("rank_started", rank));
  view.on_line(0, 1, "hello");
  BOOST_TEST(screen_text(screen).ends_with("[0:1] hello\n\r3 of 3 ranks live\x1b[K"), screen.text());
  view.on_event(of_rank("step", 0, R"({"step":7})"));
  view.on_event(of_rank("rank_exited", 2, R"({"exit_code":0})"));
  view.on_unfinished(0, 0, "\x1b[32m 40%|####      |\x1b[0m", true);
  view.on_line(0, 1, "again");
  BOOST_TEST(
      screen_text(screen).ends_with("[0:1] again\n\r[0:0]  40%|####      |\x1b[K\r\n2 of 3 ranks live (ended: 2) | step 7\x1b[K"),
      screen.text());
  // What is not shown is drawn no more once the line has ended, and the block never without ranks.
  view.on_line(0, 0, "100%|##########|");
  BOOST_TEST(screen_text(screen).ends_with("[0:0] 100%|##########|\n\r2 of 3 ranks live (ended: 2) | step 7\x1b[K"), screen.text());
  for (std::int64_t rank : {0, 1}) view.on_event(of_rank("rank_exited", rank, R"({"exit_code":0})"));
  view.on_line(0, 0, "last");
  view.finish();
  BOOST_TEST(screen.text().ends_with("[0:0] last\n"), screen.text());
}

BOOST_AUTO_TEST_CASE(a_pipe_gets_the_last_state_of_what_is_redrawn) {
  Screen out, err;
  RunView view(out.terminal, err.terminal);
  view.on_event(of_rank("rank_started", 0));
  for (int i = 0; i < 1000; ++i) {
    view.on_unfinished(0, 0, std::to_string(i), true);
    view.on_tick();
  }
  view.on_line(0, 0, "999");
  view.finish();
  BOOST_TEST(out.text() == "[0:0] 999\n");
  BOOST_TEST(err.text() == "");
}

BOOST_AUTO_TEST_CASE(only_what_is_asked_for_is_shown) {
  Screen screen;
  screen.terminal.interactive = true;
  Arguments arguments;
  arguments.options = {{"rank", {"1,3-4"}}, {"grep", {"loss|error"}}};
  RunView view(screen.terminal, screen.terminal, RunView::Ranks::program, RankFilter(arguments));
  for (std::int64_t rank = 0; rank < 6; ++rank) {
    view.on_line(0, rank, "loss of " + std::to_string(rank));
    view.on_line(0, rank, "other");
    view.on_unfinished(0, rank, "error, half", true);
  }
  view.on_unfinished(0, 1, "other", true);
  view.on_unfinished(0, 3, "other", true);
  view.on_event(event("note", R"({"message":"of fabric itself"})", std::nullopt));
  const std::string text = screen_text(screen);
  std::string lines;
  for (std::size_t at = 0; (at = text.find("loss of ", at)) != std::string::npos; ++at) lines += text[at + 8];
  BOOST_TEST(lines == "134");
  BOOST_TEST(text.find("[0:0]") == std::string::npos);
  BOOST_TEST(text.find("other") == std::string::npos);
  BOOST_TEST(text.ends_with("note: of fabric itself\n\r[0:4] error, half\x1b[K"), text);
}

BOOST_AUTO_TEST_CASE(the_numbers_are_left_at_the_end) {
  Screen out;
  RunView view(out.terminal, out.terminal);
  train(view);
  BOOST_TEST(view.epochs_table(out.terminal) ==
             "  epoch  train loss  test loss  accuracy  images/s\n"
             "      1      0.5000     0.4000    0.8500    12,346\n"
             "      2      0.3000     0.3500    0.9000    12,000\n");
  BOOST_TEST(*view.checkpoint() == "/r/checkpoints/step-10.safetensors");
  BOOST_TEST(*view.last_step() == 10);
  BOOST_TEST(view.first_step_seconds().has_value());
}

BOOST_AUTO_TEST_CASE(other_ranks_and_unknown_or_broken_events_change_nothing) {
  Screen out;
  RunView view(out.terminal, out.terminal);
  view.on_event(event("epoch", R"({"epoch":1})", 1));
  view.on_event(event("step", "{}"));
  view.on_event(event("start", "[]"));
  view.on_event(event("start", R"({"steps":"many"})"));
  view.on_event(event("novelty", R"({"x":1})"));
  view.on_event(event("checkpoint", R"({"path":7})"));
  BOOST_TEST(view.epochs_table(out.terminal) == "");
  BOOST_TEST(!view.checkpoint());
}

BOOST_AUTO_TEST_CASE(stopping_is_said_once) {
  Screen out;
  RunView view(out.terminal, out.terminal);
  view.on_event(event("stopping", "{}", std::nullopt));
  view.on_event(event("stopping", "{}", std::nullopt));
  view.finish();
  BOOST_TEST(out.text() == "stopping: ranks save and leave, press Ctrl-C again to kill\n");
}

BOOST_AUTO_TEST_CASE(a_failure_stops_the_others_and_says_why) {
  Screen out;
  RunView view(out.terminal, out.terminal);
  view.on_event(event("note", R"({"message":"disk full; the run goes on without it"})", std::nullopt));
  view.on_event(event("stopping", R"({"why":"rank 1 exited with code 3"})", std::nullopt));
  view.finish();
  BOOST_TEST(out.text() == "note: disk full; the run goes on without it\nstopping: rank 1 exited with code 3\n");
}

struct Pipe {
  int ends[2];
  explicit Pipe(int flags) { BOOST_REQUIRE(pipe2(ends, O_CLOEXEC | flags) == 0); }
  ~Pipe() {
    close(ends[0]);
    close_writer();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_writer() {
    if (ends[1] >= 0) close(std::exchange(ends[1], -1));
  }
  std::string read_all() const {
    std::string all;
    char buffer[1 << 14];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) all.append(buffer, static_cast<std::size_t>(n));
    return all;
  }
};

// Were this thread to wait for the reader, that never reads until the run is over, the test would not end.
BOOST_AUTO_TEST_CASE(a_reader_that_does_not_read_holds_up_nobody) {
  constexpr std::size_t lines = 20'000;
  Pipe pipe(0);
  Screen bar;
  bar.terminal.interactive = true;
  Terminal out;
  out.fd = pipe.ends[1];
  std::string text;
  {
    RunView view(out, bar.terminal);
    view.on_event(event("start", R"({"steps":20,"epochs":2})"));
    for (std::size_t i = 0; i < lines; ++i) view.on_line(0, 0, std::to_string(i) + std::string(60, '.'));
    view.on_event(event("first_step", R"({"step":1})"));
    std::thread reader([&] { text = pipe.read_all(); });
    view.finish();
    pipe.close_writer();
    reader.join();
  }
  const std::size_t shown = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) - 2;
  BOOST_TEST(shown > 1000u);
  BOOST_TEST(shown < lines);
  const std::string note = "[" + grouped(static_cast<double>(lines - shown)) +
                           " lines are not shown, this output is read too slowly; the run's folder has them]\n";
  BOOST_TEST(text.ends_with(note), text.substr(text.size() - 200));
  BOOST_TEST(bar.text().find("step 0/20") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_pipe_that_another_made_non_blocking_gets_everything) {
  Pipe pipe(O_NONBLOCK);
  fcntl(pipe.ends[0], F_SETFL, 0);
  Screen bar;
  Terminal out;
  out.fd = pipe.ends[1];
  std::string text;
  RunView view(out, bar.terminal);
  for (int i = 0; i < 2000; ++i) view.on_line(0, 0, std::string(80, 'x'));
  std::thread reader([&] { text = pipe.read_all(); });
  view.finish();
  pipe.close_writer();
  reader.join();
  BOOST_TEST(text.size() == 2000u * 87u);
}

BOOST_AUTO_TEST_CASE(an_output_that_cannot_be_written_is_told_once_and_ends_nothing) {
  Terminal full;
  full.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
  Screen err;
  RunView view(full, err.terminal);
  for (int i = 0; i < 10; ++i) view.on_line(0, 0, "hello");
  view.finish();
  view.on_line(0, 0, "hello");
  view.finish();
  close(full.fd);
  BOOST_TEST(err.text() ==
             "warning: cannot write to standard output: No space left on device; the run goes on, and its folder has everything\n");
}

BOOST_AUTO_TEST_CASE(numbers_in_words) {
  BOOST_TEST(grouped(0) == "0");
  BOOST_TEST(grouped(999) == "999");
  BOOST_TEST(grouped(1000) == "1,000");
  BOOST_TEST(grouped(1234567.4) == "1,234,567");
  BOOST_TEST(grouped(-1234) == "-1,234");
  BOOST_TEST(grouped(-123) == "-123");
  BOOST_TEST(spoken_duration(0.04) == "0.0 s");
  BOOST_TEST(spoken_duration(4.25) == "4.2 s");
  BOOST_TEST(spoken_duration(59.99) == "1 min 00 s");
  BOOST_TEST(spoken_duration(67) == "1 min 07 s");
  BOOST_TEST(spoken_duration(3725) == "1 h 02 min");
}

}  // namespace
}  // namespace fabric
