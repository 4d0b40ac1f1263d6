// Folders for connections of ssh, which each call clears of what killed ones have left.
#include <boost/test/unit_test.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "launch_backends/ssh_folder.hpp"
#include "tests/launch_backends/run_under_test.hpp"

using namespace fabric;
namespace fs = std::filesystem;

namespace {

// Makes many, one after the other, and looks whether each is there and stays. The number of those of which that is not so.
int lost_of_many() {
  int lost = 0;
  for (int i = 0; i < 150; ++i) {
    const SshFolder folder = make_ssh_folder();
    std::ofstream(folder.path + "/a socket") << "x";
    usleep(200);
    if (!folder.lock || !fs::exists(folder.path + "/a socket")) ++lost;
    std::error_code error;
    fs::remove_all(folder.path, error);
  }
  return lost;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(folder_of_connections)

BOOST_AUTO_TEST_CASE(nobody_takes_that_of_another) {
  const fs::path parent = test::temporary_folder();
  setenv("XDG_RUNTIME_DIR", parent.c_str(), 1);
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = fork();
    BOOST_REQUIRE(child >= 0);
    if (child == 0) _exit(lost_of_many() == 0 ? 0 : 1);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    BOOST_REQUIRE(waitpid(child, &status, 0) == child);
    BOOST_TEST((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
  // One that was left, by somebody who was killed.
  fs::create_directories(parent / "fabric-ssh-killed");
  std::ofstream(parent / "fabric-ssh-killed/lock");
  fs::create_directories(parent / "another");
  {
    const SshFolder folder = make_ssh_folder();
    BOOST_TEST(!fs::exists(parent / "fabric-ssh-killed"));
    BOOST_TEST(fs::exists(parent / "another"));
  }
  unsetenv("XDG_RUNTIME_DIR");
  fs::remove_all(parent);
}

BOOST_AUTO_TEST_SUITE_END()
