#include "cli/run_view.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/mman.h>
#include <unistd.h>

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
    const std::string told = "[0:0] 2026-11-26T10:50:50.946 warning: events are lost\n[0:0] info: of something else\n";
    BOOST_TEST(out.text() == (ranks == RunView::Ranks::program ? "[0:0] 2026-11-26T10:50:50.945 info: epoch 1: training loss 0.4115\n" + told : told));
  }
}

BOOST_AUTO_TEST_CASE(a_pipe_gets_plain_lines_only) {
  Screen out, err;
  RunView view(out.terminal, err.terminal);
  train(view);
  view.clear();
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
  view.clear();
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
  BOOST_TEST(out.text() == "stopping: ranks save and leave, press Ctrl-C again to kill\n");
}

BOOST_AUTO_TEST_CASE(a_failure_stops_the_others_and_says_why) {
  Screen out;
  RunView view(out.terminal, out.terminal);
  view.on_event(event("note", R"({"message":"disk full; the run goes on without it"})", std::nullopt));
  view.on_event(event("stopping", R"({"why":"rank 1 exited with code 3"})", std::nullopt));
  BOOST_TEST(out.text() == "note: disk full; the run goes on without it\nstopping: rank 1 exited with code 3\n");
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
