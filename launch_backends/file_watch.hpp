// Tells whoever waits that a file was written to, as soon as it was: inotify, in one descriptor for all of them. Where the kernel
// grants none (a user has a limited number), or a file is written by a mapping, there is nothing to hear: look now and then as well. The
// kernel needs some 15 ms to take a used one away, for which the end of the process waits: not for what lasts no longer than that.
#pragma once

#include <map>
#include <string>

#include "launch_backends/descriptor.hpp"

namespace fabric {

class FileWatch {
 public:
  void add(const std::string& path);
  bool hears_all() const { return inotify_ && complete_; }  // every file that was added
  int descriptor() const { return inotify_.get(); }         // readable once one was written to since take; -1 if nothing can be heard
  // To be called before the files are looked at. Says whether one was written to. Between two calls only the first write to a file costs
  // its writer anything.
  bool take();

 private:
  FileDescriptor inotify_;
  bool complete_ = true;
  std::map<int, std::string> paths_;  // watch -> file
};

}  // namespace fabric
