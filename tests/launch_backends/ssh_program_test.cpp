// How a host comes to run our program: by what its shell is told.
#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "launch_backends/process.hpp"
#include "launch_backends/ssh_program.hpp"
#include "schema/sha256.hpp"
#include "tests/launch_backends/run_under_test.hpp"

using namespace fabric;
namespace fs = std::filesystem;

namespace {

const std::string text = "#!/bin/sh\necho ran \"$0\" \"$@\"\n";

class Shell {
 public:
  Shell() = default;
  ~Shell() { fs::remove_all(home_); }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  std::string home() const { return home_.string(); }
  std::string copy() const { return home() + "/.cache/fabric/builds/" + program.id + "/fabric"; }
  ProgramResult start(bool copies, const std::string& input) const {
    ProcessStart start;
    start.argv = {"bash", "-c", start_program(program, "host --x 1", copies, "n0")};
    start.env = {"PATH=/usr/bin:/bin", "HOME=" + home()};
    return run_program(std::move(start), input, 1 << 16, std::chrono::seconds(10));
  }
  // The files of the cache, but for the copy itself.
  std::size_t others() const {
    std::size_t count = 0;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(home() + "/.cache", error))
      count += entry.is_regular_file() && entry.path() != copy();
    return count;
  }
  void install(const std::string& content) const {
    std::ofstream(program.installed) << content;
    fs::permissions(program.installed, fs::perms::owner_all);
  }

 private:
  const fs::path home_ = test::temporary_folder();

 public:
  const OwnProgram program{home_.string() + "/it's here", "of-this-build", sha256_hex(text), static_cast<std::int64_t>(text.size())};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(program_on_a_host)

BOOST_AUTO_TEST_CASE(what_is_installed_is_started) {
  const Shell shell;
  shell.install(text);
  for (const bool copies : {false, true}) {
    const ProgramResult result = shell.start(copies, "");
    BOOST_TEST(result.output == "ran " + shell.program.installed + " host --x 1\n");
    BOOST_TEST(!fs::exists(shell.copy()));
  }
}

BOOST_AUTO_TEST_CASE(a_copy_is_asked_for_where_there_is_none) {
  const Shell shell;
  BOOST_TEST(shell.start(false, text).status.shell_code() == 127);
  shell.install("another");
  const ProgramResult result = shell.start(true, text);
  BOOST_TEST(result.output == "\n" + program_wanted("n0") + "\nran " + shell.copy() + " host --x 1\n");
  BOOST_TEST(shell.others() == 0u);
  // From then on it is found.
  BOOST_TEST(shell.start(false, "").output == "ran " + shell.copy() + " host --x 1\n");
  BOOST_TEST(shell.start(true, "").output == "ran " + shell.copy() + " host --x 1\n");
}

BOOST_AUTO_TEST_CASE(a_part_of_it_is_never_run) {
  const Shell shell;
  for (const std::size_t part : {std::size_t{0}, std::size_t{1}, text.size() - 1}) {
    const ProgramResult result = shell.start(true, text.substr(0, part));
    BOOST_TEST(result.status.shell_code() == no_copy_of_program);
    BOOST_TEST(!fs::exists(shell.copy()));
    BOOST_TEST(shell.others() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_copy_of_another_length_is_none) {
  const Shell shell;
  shell.start(true, text);
  std::ofstream(shell.copy()) << "#!/bin/sh\n";
  // What is installed is good.
  shell.install(text);
  for (const bool copies : {false, true}) BOOST_TEST(shell.start(copies, "").output == "ran " + shell.program.installed + " host --x 1\n");
  fs::remove(shell.program.installed);
  BOOST_TEST(shell.start(true, text).output == "\n" + program_wanted("n0") + "\nran " + shell.copy() + " host --x 1\n");
  BOOST_TEST(shell.others() == 0u);
}

BOOST_AUTO_TEST_CASE(nobody_else_writes_where_copies_are) {
  const Shell shell;
  const mode_t before = umask(0);
  const ProgramResult result = shell.start(true, text);
  umask(before);
  BOOST_TEST(result.status.good());
  for (fs::path path = shell.copy(); path != fs::path(shell.home()); path = path.parent_path())
    BOOST_TEST((fs::status(path).permissions() == fs::perms::owner_all), path);
  if (geteuid() != 0) {
    BOOST_TEST_MESSAGE("left out: only root can give a folder away");
    return;
  }
  // A folder of somebody else's has nothing that is run.
  const fs::path folder = fs::path(shell.copy()).parent_path();
  BOOST_REQUIRE(chown(folder.c_str(), 1, 1) == 0);
  const ProgramResult refused = shell.start(true, text);
  BOOST_TEST(refused.status.shell_code() == no_copy_of_program);
  BOOST_TEST(refused.errors == folder.string() + " belongs to somebody else\n");
}

BOOST_AUTO_TEST_CASE(copies_that_nobody_uses_any_more_go) {
  const Shell shell;
  const fs::path builds = fs::path(shell.copy()).parent_path().parent_path();
  const auto lay = [&](const std::string& build, int days) {
    fs::create_directories(builds / build);
    std::ofstream(builds / build / "fabric") << text;
    fs::last_write_time(builds / build, fs::file_time_type::clock::now() - std::chrono::hours(24 * days));
  };
  lay("forgotten", 100);
  lay("recent", 80);
  lay(shell.program.id, 100);
  fs::permissions(shell.copy(), fs::perms::owner_all);
  // That is a use of it.
  BOOST_TEST(shell.start(true, "").output == "ran " + shell.copy() + " host --x 1\n");
  BOOST_TEST(fs::exists(builds / "forgotten"));
  const OwnProgram next{shell.home() + "/none", "next", sha256_hex(text), static_cast<std::int64_t>(text.size())};
  ProcessStart start;
  start.argv = {"bash", "-c", start_program(next, "", true, "n0")};
  start.env = {"PATH=/usr/bin:/bin", "HOME=" + shell.home()};
  BOOST_TEST(run_program(std::move(start), text, 1 << 16, std::chrono::seconds(10)).status.good());
  BOOST_TEST(!fs::exists(builds / "forgotten"));
  for (const char* kept : {"recent", "next", shell.program.id.c_str()}) BOOST_TEST(fs::exists(builds / kept / "fabric"), kept);
}

// What it may create itself is as its user has it.
BOOST_AUTO_TEST_CASE(the_umask_stays) {
  const Shell shell;
  const std::string asks = "#!/bin/sh\numask\n";
  const OwnProgram program{shell.home() + "/none", "id", sha256_hex(asks), static_cast<std::int64_t>(asks.size())};
  ProcessStart start;
  start.argv = {"bash", "-c", "umask 027; " + start_program(program, "", true, "n0")};
  start.env = {"PATH=/usr/bin:/bin", "HOME=" + shell.home()};
  BOOST_TEST(run_program(std::move(start), asks, 1 << 16, std::chrono::seconds(10)).output.ends_with("\n0027\n"));
}

BOOST_AUTO_TEST_SUITE_END()
