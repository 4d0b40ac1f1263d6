#include "tests/foreign/installed_python.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <regex>

#include "schema/sha256.hpp"

namespace fabric::testing {
namespace {

namespace fs = std::filesystem;

// The interpreter that tests/foreign/setup printed; empty: the cases are left out.
std::string interpreter() {
  const char* python = std::getenv("FABRIC_FOREIGN_PYTHON");
  return python ? python : "";
}

}  // namespace

bool left_out() {
  if (!interpreter().empty()) return false;
  BOOST_TEST_MESSAGE("left out: scripts/test --all installs what it needs");
  BOOST_TEST(true);
  return true;
}

Result shell(const Folder& folder, const std::string& line) {
  const std::string bin = fs::path(interpreter()).parent_path().string();
  folder.write("line.sh", "cd " + folder.path().string() + "\nexport PATH=" + bin +
                              ":$PATH VIRTUAL_ENV=" + fs::path(bin).parent_path().string() +
                              " OMP_NUM_THREADS=1 ACCELERATE_USE_CPU=true\nunset CUDA_VISIBLE_DEVICES\n{ " + line + "\n} >out 2>&1\n");
  Result result;
  for (int times = 0; times < 4 && (times == 0 || (result.code != 0 && result.text.find("terminate called") != std::string::npos));
       ++times) {
    const int status = std::system(("timeout 300 bash " + (folder.path() / "line.sh").string()).c_str());
    result = {WEXITSTATUS(status), folder.read("out")};
  }
  return result;
}

std::vector<std::string> metrics_of(const std::string& text, const std::string& pattern) {
  const std::regex metric(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), metric), end; at != end; ++at) found.push_back(at->str());
  std::sort(found.begin(), found.end());
  return found;
}

void is_unmodified(const Folder& folder, const std::string& package, const std::string& version, const std::string& file,
                   const std::string& sha256) {
  folder.write("look.py",
               "import hashlib, importlib.metadata as m, sys\n"
               "d = m.distribution(sys.argv[1])\n"
               "print(d.version, hashlib.sha256(open(d.locate_file(sys.argv[2]), 'rb').read()).hexdigest())\n");
  BOOST_TEST_REQUIRE(shell(folder, "python look.py " + package + " " + file).text == version + " " + sha256 + "\n");
}

std::optional<fs::path> public_script(const std::string& sha256, const std::string& name) {
  const fs::path file = fs::path(interpreter()).parent_path().parent_path() / "public" / sha256 / name;
  if (fs::exists(file)) {
    BOOST_TEST_REQUIRE(sha256_hex(read_text(file)) == sha256);
    return file;
  }
  BOOST_TEST_MESSAGE("left out: tests/foreign/setup found no " << name << "; FABRIC_PUBLIC_SCRIPTS names a folder that has it as "
                                                               << sha256);
  BOOST_TEST(true);
  return std::nullopt;
}

}  // namespace fabric::testing
