// The real program `fabric`, run in a folder of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace fabric::testing {

// A folder that lives as long as this object.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::string& name) const;

 private:
  std::filesystem::path path_;
};

struct ProgramRun {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs the built `fabric` with these arguments in that folder, with a clean environment and fabric-worker replaced by /bin/true, so
// that plans are the same with and without the runtime. variables: NAME=value, on top or in place of one.
ProgramRun run_fabric(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                      const std::vector<std::string>& variables = {});

std::string read_text(const std::filesystem::path& file);
void write_text(const std::filesystem::path& file, const std::string& text);

// text with each occurrence of `what` replaced.
std::string replaced(std::string text, const std::string& what, const std::string& by);

}  // namespace fabric::testing
