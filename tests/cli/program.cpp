#include "tests/cli/program.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "launch_backends/process.hpp"

namespace fabric::testing {

namespace fs = std::filesystem;

Folder::Folder() {
  std::string name = (fs::temp_directory_path() / "fabric-test-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
  path_ = fs::canonical(name);
}

Folder::~Folder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void Folder::write(const std::string& name, const std::string& text) const { write_text(path_ / name, text); }
std::string Folder::read(const std::string& name) const { return read_text(path_ / name); }

ProgramRun run_fabric(const std::vector<std::string>& arguments, const fs::path& folder, const std::vector<std::string>& variables) {
  ProcessStart start;
  start.argv = {FABRIC_BINARY_DIR "/bin/fabric"};
  start.argv.insert(start.argv.end(), arguments.begin(), arguments.end());
  start.env = {"PATH=/usr/bin:/bin", "HOME=/nonexistent", "LC_ALL=C.UTF-8", "FABRIC_WORKER=/bin/true"};
  for (const std::string& variable : variables) {
    const std::string name = variable.substr(0, variable.find('=') + 1);
    std::erase_if(start.env, [&name](const std::string& other) { return other.starts_with(name); });
    start.env.push_back(variable);
  }
  start.cwd = folder.string();
  ProgramResult result = run_program(std::move(start), "", std::size_t{16} << 20, std::chrono::seconds(60));
  if (result.timed_out) throw std::runtime_error("fabric did not end");
  return {result.status.shell_code(), std::move(result.output), std::move(result.errors)};
}

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary);
  out << text;
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) text.replace(at, what.size(), by);
  return text;
}

}  // namespace fabric::testing
