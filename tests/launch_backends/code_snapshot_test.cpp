// A copy of the code: what is taken, what is linked, what is told, and that nothing is left half done.
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "launch_backends/code_snapshot.hpp"
#include "tests/launch_backends/run_under_test.hpp"

namespace fabric::test {
namespace {

namespace fs = std::filesystem;

class Code {
 public:
  Code() : folder_(temporary_folder()) {
    write("code/train.py", "v1");
    write("code/pkg/model.py", "m");
    write("code/data/big.bin", "data");
    write("code/.env", "SECRET=1");
    fs::permissions(folder_ / "code/train.py", fs::perms(0755));
  }
  ~Code() { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  void shell(const std::string& line) const {
    BOOST_REQUIRE(
        std::system(("cd '" + folder_.string() + "/code' && export GIT_CONFIG_GLOBAL=/dev/null && " + line + " >/dev/null 2>&1").c_str()) ==
        0);
  }
  CodeTaken take(const std::vector<std::string>& exclude = {}) const {
    return take_code((folder_ / "code").string(), exclude, copy().string());
  }
  fs::path copy() const { return folder_ / "copy"; }
  std::string read(const std::string& name) const { return read_file((copy() / name).string()); }

 private:
  fs::path folder_;
};

const std::string commit = "git -c user.name=a -c user.email=a@b commit -qm x";

}  // namespace

BOOST_AUTO_TEST_SUITE(snapshots_of_code)

BOOST_AUTO_TEST_CASE(what_git_knows_is_copied_and_the_rest_is_linked) {
  const Code code;
  code.write("code/.gitignore", "data/\n.env\n");
  code.shell("git init -q . && git add -A && " + commit);
  code.write("code/train.py", "v2");
  code.write("code/new.py", "n");
  const CodeTaken taken = code.take();
  code.write("code/train.py", "v3");
  BOOST_TEST(code.read("train.py") == "v2");
  BOOST_TEST((fs::status(code.copy() / "train.py").permissions() == fs::perms(0755)));
  BOOST_TEST(code.read("new.py") == "n");
  BOOST_TEST(code.read("pkg/model.py") == "m");
  BOOST_TEST(fs::is_symlink(code.copy() / "data"));
  BOOST_TEST(code.read("data/big.bin") == "data");
  BOOST_TEST(fs::is_symlink(code.copy() / ".env"));
  BOOST_TEST(taken.git_commit.value_or("").size() == 40u);
  BOOST_TEST(taken.dirty == std::vector<std::string>{"train.py"}, boost::test_tools::per_element());
  BOOST_TEST(taken.untracked == std::vector<std::string>{"new.py"}, boost::test_tools::per_element());
  BOOST_TEST(taken.files == 4);
  BOOST_TEST(taken.bytes == 2 + 1 + 1 + 11);
}

// Where git does not ignore them, either, or where there is none; wherever they are. What git tracks is code by whatever name.
BOOST_AUTO_TEST_CASE(runs_are_not_copied_with_the_code) {
  for (const bool git : {true, false}) {
    const Code code;
    code.write("code/runs/README", "kept");
    if (git) code.shell("git init -q . && git add -A && " + commit);
    for (const char* file : {"runs/job/1/a.py", "elsewhere/job/1/code/train.py", "elsewhere/job/1/plan.json", "elsewhere/job/1/lock",
                             "elsewhere/job/2/plan.json", "pkg/runs/new.py"})
      code.write("code/" + std::string(file), "old");
    const std::string folder = (code.copy().parent_path() / "code").string();
    for (const std::string run : {"/runs/job/2", "/elsewhere/job/2"}) {
      fs::create_directories(folder + run);
      const CodeTaken taken = take_code(folder, {}, folder + run + "/code", CopyFor::others);
      for (const char* old : {"/runs/job", "/elsewhere/job/1", "/elsewhere/job/2/code"})
        BOOST_TEST(!fs::exists(folder + run + "/code" + old), old);
      BOOST_TEST(fs::exists(folder + run + "/code/runs/README") == git);
      for (const char* file : {"/train.py", "/pkg/runs/new.py"}) BOOST_TEST(fs::exists(folder + run + "/code" + file), file);
      BOOST_TEST(taken.files <= 7, taken.files);
      fs::remove_all(folder + run + "/code");
    }
  }
}

BOOST_AUTO_TEST_CASE(without_git_all_that_is_not_hidden_is_copied) {
  const Code code;
  code.write("code/venv/pyvenv.cfg", "");
  code.write("code/runs/x", "");
  const CodeTaken taken = code.take({"data/"});
  BOOST_TEST(!fs::is_symlink(code.copy() / "train.py"));
  for (const char* linked : {"data", ".env", "venv", "runs"}) BOOST_TEST(fs::is_symlink(code.copy() / linked), linked);
  BOOST_TEST(!taken.git_commit);
  BOOST_TEST(taken.files == 2);
}

BOOST_AUTO_TEST_CASE(a_copy_for_others_leads_nowhere_here) {
  const Code code;
  code.write("code/venv/pyvenv.cfg", "");
  code.shell("ln -s pkg/model.py here.py && ln -s /nowhere away");
  const CodeTaken taken = take_code((code.copy().parent_path() / "code").string(), {"data/"}, code.copy().string(), CopyFor::others);
  for (const char* left_out : {"data", ".env", "venv"}) BOOST_TEST(!fs::exists(fs::symlink_status(code.copy() / left_out)), left_out);
  BOOST_TEST(fs::read_symlink(code.copy() / "here.py") == "pkg/model.py");
  BOOST_TEST(fs::read_symlink(code.copy() / "away") == "/nowhere");
  BOOST_TEST(code.read("here.py") == "m");
  BOOST_TEST(taken.files == 2);
}

BOOST_AUTO_TEST_CASE(what_is_too_large_is_named_and_nothing_is_left) {
  const Code code;
  code.write("code/weights.bin", "");
  fs::resize_file(code.copy().parent_path() / "code/weights.bin", static_cast<std::uintmax_t>(most_code_bytes) + 1);
  BOOST_CHECK_EXCEPTION(code.take(), std::runtime_error, [](const std::runtime_error& error) {
    const std::string what = error.what();
    return what.find("weights.bin") != std::string::npos && what.find("code.exclude") != std::string::npos;
  });
  std::size_t left = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(code.copy().parent_path())) left += entry.path().filename() != "code";
  BOOST_TEST(left == 0u);
  BOOST_TEST(code.take({"*.bin"}).files == 2);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace fabric::test
