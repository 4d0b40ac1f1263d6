// scripts/fabric hands over to the program that stands ready, unchanged; the other scripts refuse what they do not know.
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace {

namespace fs = std::filesystem;

struct Result {
  int code = 0;
  std::string out, err;
};

std::string read(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

// A folder laid out like a clone, with scripts/fabric and, if wanted, the shell's own printf where the built program stands.
struct Clone {
  Clone() {
    std::string name = (fs::temp_directory_path() / "fabric-scripts-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("cannot make " + name);
    root = name;
    fs::create_directories(root / "scripts");
    fs::copy_file(fs::path(FABRIC_SOURCE_DIR) / "scripts/fabric", root / "scripts/fabric");
  }
  ~Clone() {
    std::error_code ignored;
    fs::remove_all(root, ignored);
  }
  Clone(const Clone&) = delete;
  Clone& operator=(const Clone&) = delete;

  Clone& built() {
    fs::create_directories(root / "build/release/bin");
    fs::copy_file("/usr/bin/printf", root / "build/release/bin/fabric");
    std::ofstream(root / "build/release/.ready");
    return *this;
  }
  // A shell command, in the folder.
  Result shell(const std::string& command) const {
    const auto out = root / "out", err = root / "err";
    const int status = std::system(("cd " + root.string() + " && { " + command + "; } >" + out.string() + " 2>" + err.string()).c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
  }

  fs::path root;
};

Result script(const std::string& command) { return Clone().shell(std::string(FABRIC_SOURCE_DIR) + "/scripts/" + command); }

}  // namespace

BOOST_AUTO_TEST_SUITE(fabric)

BOOST_AUTO_TEST_CASE(arguments_arrive_as_they_are) {
  const auto result = Clone().built().shell(R"(scripts/fabric '[%s]' 'two words' '' '$HOME' '*' "it's")");
  BOOST_TEST(result.code == 0);
  BOOST_TEST(result.out == "[two words][][$HOME][*][it's]");
  BOOST_TEST(result.err == "");
}

BOOST_AUTO_TEST_CASE(is_found_from_other_folders) {
  Clone clone;
  clone.built();
  for (const std::string call :
       {"mkdir -p a/b && cd a/b && ../../scripts/fabric %s x", "cd scripts && ./fabric %s x", "cd scripts && sh fabric %s x",
        "PATH=$PWD/scripts:$PATH && cd / && fabric %s x", "ln -sf scripts/fabric link && ./link %s x",
        "mkdir -p c && ln -sf ../scripts/fabric c/link && cd / && \"$OLDPWD/c/link\" %s x"})
    BOOST_TEST(clone.shell(call).out == "x", call);
}

BOOST_AUTO_TEST_CASE(the_exit_code_is_the_programs_own) { BOOST_TEST(Clone().built().shell("scripts/fabric %d notanumber").code == 1); }

BOOST_AUTO_TEST_CASE(standard_input_is_the_programs) {
  Clone clone;
  clone.built();
  fs::remove(clone.root / "build/release/bin/fabric");
  fs::copy_file("/usr/bin/cat", clone.root / "build/release/bin/fabric");
  BOOST_TEST(clone.shell("echo job | scripts/fabric -").out == "job\n");
}

// Without scripts/build beside it nothing can be built.
BOOST_AUTO_TEST_CASE(a_build_that_fails_is_refused_with_the_code_of_the_command) {
  for (const auto& [command, code] : {std::pair{"apply job.yaml", 125}, {"resume runs/x", 125}, {"plan job.yaml", 1}, {"", 1}}) {
    const auto result = Clone().shell(std::string("scripts/fabric ") + command);
    BOOST_TEST(result.code == code, command);
    BOOST_TEST(result.out == "", command);
    BOOST_TEST(result.err.find("not built yet") != std::string::npos, command);
  }
}

BOOST_AUTO_TEST_CASE(a_program_of_a_build_that_did_not_end_is_not_trusted) {
  Clone clone;
  clone.built();
  fs::remove(clone.root / "build/release/.ready");
  BOOST_TEST(clone.shell("scripts/fabric %s x").out == "");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(others)

BOOST_AUTO_TEST_CASE(an_unknown_option_is_a_usage_error) {
  for (const std::string name : {"setup", "build", "test"}) {
    const auto result = script(name + " --frobnicate");
    BOOST_TEST(result.code == 3, name);
    BOOST_TEST(result.err.find("--frobnicate") != std::string::npos, name);
  }
}

BOOST_AUTO_TEST_CASE(each_explains_itself) {
  for (const std::string name : {"setup", "build", "test"}) {
    const auto result = script(name + " --help");
    BOOST_TEST(result.code == 0, name);
    BOOST_TEST(result.out.starts_with("scripts/" + name), name);
  }
}

BOOST_AUTO_TEST_CASE(so_do_those_of_clusters) {
  for (const std::string name : {"setup", "slurm_cluster", "ssh_hosts"}) {
    const std::string path = std::string(FABRIC_SOURCE_DIR) + "/tests/clusters/" + name;
    const auto help = Clone().shell(path + " --help");
    BOOST_TEST(help.code == 0, name);
    BOOST_TEST(help.out.starts_with("tests/clusters/" + name), name);
    BOOST_TEST(Clone().shell(path + " --frobnicate").code == 3, name);
  }
}

BOOST_AUTO_TEST_CASE(setup_names_a_folder_that_holds_no_torch) {
  const Clone empty;
  const auto result = empty.shell("FABRIC_TORCH=$PWD " + std::string(FABRIC_SOURCE_DIR) + "/scripts/setup");
  BOOST_TEST(result.code == 1);
  BOOST_TEST(result.err.find("FABRIC_TORCH is " + empty.root.string()) != std::string::npos, result.err);
}

BOOST_AUTO_TEST_SUITE_END()
