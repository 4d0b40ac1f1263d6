// How the files of a run that is conducted elsewhere come here: in parts, by one watcher after the other, while they change there.
#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "launch_backends/answer_about_run.hpp"
#include "launch_backends/descriptor.hpp"
#include "launch_backends/heard_files.hpp"
#include "launch_backends/run_directory.hpp"
#include "schema/json.hpp"
#include "tests/launch_backends/run_under_test.hpp"

using namespace fabric;
namespace fs = std::filesystem;

namespace {

const std::string first_log = "nodes/0/rank-0.log", second_log = "nodes/1/rank-1.log";

std::string lines_of(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "line " + std::to_string(i) + '\n';
  return text;
}

// The folder of a run there and the one here.
class TwoFolders {
 public:
  TwoFolders() {
    write("plan.json", "{}");
    write("lock", "");
  }
  ~TwoFolders() {
    fs::remove_all(there_);
    fs::remove_all(here_);
  }
  TwoFolders(const TwoFolders&) = delete;
  TwoFolders& operator=(const TwoFolders&) = delete;

  // As the log of a node replaces what was heard of it: another file.
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((there_ / name).parent_path());
    std::ofstream(there_ / (name + ".new")) << text;
    fs::rename(there_ / (name + ".new"), there_ / name);
  }
  void write_status(const std::string& state, bool ended) const {
    RunStatus status;
    status.state = state;
    if (ended) status.ended = 1;
    write("status.json", canonical_json(to_value(status)));
  }
  std::string here(const std::string& name) const {
    std::ifstream in(here_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write_here(const std::string& name, const std::string& text) const { std::ofstream(here_ / name) << text; }

  // What one does who asks once and leaves.
  messages::RunReport ask_once() const {
    HeardFiles files(here_.string());
    messages::RunInquiry inquiry;
    inquiry.run = there_.string();
    inquiry.files = true;
    inquiry.had = files.all();
    messages::RunReport report = answer_about_run(inquiry);
    for (const messages::FilePart& part : report.parts) files.take(part);
    if (!report.more) files.end_where_heard();
    files.keep();
    return report;
  }
  // How often has to be asked until all is here; 100: it is not.
  int asked_until_all_is_here() const {
    for (int i = 1; i < 100; ++i)
      if (!ask_once().more) return i;
    return 100;
  }
  FileDescriptor conducted() const {
    FileDescriptor lock(open((there_ / "lock").c_str(), O_RDONLY | O_CLOEXEC));
    BOOST_REQUIRE(flock(lock.get(), LOCK_EX) == 0);
    return lock;
  }
  const fs::path& there() const { return there_; }

 private:
  const fs::path there_ = test::temporary_folder(), here_ = test::temporary_folder();
};

}  // namespace

BOOST_AUTO_TEST_SUITE(heard_files)

BOOST_AUTO_TEST_CASE(a_log_that_is_replaced_comes_to_an_end) {
  const TwoFolders folders;
  const std::string text = lines_of(300'000);
  folders.write(first_log, text);
  const int parts = folders.asked_until_all_is_here();
  BOOST_TEST(parts > 3);
  folders.write(first_log, text + "the end\n");
  // What is here is never less than it was.
  BOOST_TEST(folders.ask_once().more);
  BOOST_TEST(folders.here(first_log).size() == text.size());
  BOOST_TEST(folders.asked_until_all_is_here() <= parts);
  BOOST_TEST((folders.here(first_log) == text + "the end\n"));
}

BOOST_AUTO_TEST_CASE(a_log_that_becomes_shorter_or_another_is_so_here) {
  const TwoFolders folders;
  const std::string text = lines_of(150'000);
  folders.write(first_log, text);
  folders.asked_until_all_is_here();
  const std::string shorter = text.substr(0, text.size() - 1000);
  folders.write(first_log, shorter);
  folders.asked_until_all_is_here();
  BOOST_TEST((folders.here(first_log) == shorter));
  const std::string other = shorter.substr(0, 700'000) + lines_of(20'000);
  folders.write(first_log, other);
  folders.asked_until_all_is_here();
  BOOST_TEST((folders.here(first_log) == other));
  folders.write(first_log, "new\n");
  folders.asked_until_all_is_here();
  BOOST_TEST(folders.here(first_log) == "new\n");
}

BOOST_AUTO_TEST_CASE(where_it_stands_comes_before_its_logs_and_its_end_after_them) {
  const TwoFolders folders;
  folders.write(first_log, lines_of(300'000));
  folders.write_status("running", false);
  FileDescriptor lock = folders.conducted();
  BOOST_TEST(folders.ask_once().more);
  BOOST_TEST(folders.here("status.json").find("\"running\"") != std::string::npos);
  folders.write_status("finished", true);
  // It is written, but whoever conducts it lives still.
  BOOST_TEST(folders.ask_once().more);
  BOOST_TEST(folders.here("status.json").find("\"running\"") != std::string::npos);
  lock.reset();
  BOOST_TEST(folders.ask_once().more);
  BOOST_TEST(folders.here("status.json").find("\"running\"") != std::string::npos);
  BOOST_TEST(folders.asked_until_all_is_here() < 100);
  BOOST_TEST(folders.here("status.json").find("\"finished\"") != std::string::npos);
}

// Which has the number of an earlier one, as soon as that is gone.
BOOST_AUTO_TEST_CASE(a_status_of_the_same_length_is_another) {
  const TwoFolders folders;
  for (int i = 0; i < 10; ++i) {
    usleep(10'000);  // a file's time is told in steps
    const std::string state = "state-" + std::to_string(10 + i);
    folders.write_status(state, false);
    folders.asked_until_all_is_here();
    BOOST_TEST(folders.here("status.json").find(state) != std::string::npos);
    std::ofstream(folders.there() / "status.json").close();
    folders.write_status(state, false);
  }
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_keeps_nobody_from_the_others) {
  const TwoFolders folders;
  folders.write(first_log, "one\n");
  folders.write(second_log, "two\n");
  // Even who may read all cannot go through itself.
  fs::remove(folders.there() / first_log);
  fs::create_symlink("rank-0.log", folders.there() / first_log);
  const messages::RunReport report = folders.ask_once();
  BOOST_TEST(!report.more);
  BOOST_REQUIRE(report.unreadable);
  BOOST_TEST(report.unreadable->find(first_log + " cannot be read: ") == 0u);
  BOOST_TEST(folders.here(second_log) == "two\n");
}

BOOST_AUTO_TEST_CASE(a_record_of_another_shape_is_none) {
  const TwoFolders folders;
  folders.write(first_log, "one\n");
  for (const char* record : {"{}", "[1]", "[{\"path\": 7}]", "nothing", ""}) {
    folders.write_here(".heard.json", record);
    BOOST_TEST(!folders.ask_once().more);
    BOOST_TEST(folders.here(first_log) == "one\n");
  }
}

BOOST_AUTO_TEST_SUITE_END()
