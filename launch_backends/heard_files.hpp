// The files of a run that is conducted elsewhere, kept here as far as they have been heard of. What is known of them stands beside them, so
// that any process goes on where the last one stopped.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "launch_backends/inquiry_run.hpp"

namespace fabric {

class HeardFiles {
 public:
  // run: its folder here. A record that cannot be read is none.
  explicit HeardFiles(std::string run);

  std::vector<messages::FileHad> all() const;

  // A file that only grows is written over from its beginning where another has taken its place there: whoever reads it need not begin
  // anew, and what is here of it is never less than it was. Throws std::system_error.
  void take(const messages::FilePart& part);
  // All that is there has been taken: what a file here has beyond that goes.
  void end_where_heard() const;

  void keep() const;
  void forget() const;

 private:
  bool continues(const std::string& name, const std::string& bytes) const;

  const std::string run_;
  std::map<std::string, messages::FileHad> had_;
};

}  // namespace fabric
