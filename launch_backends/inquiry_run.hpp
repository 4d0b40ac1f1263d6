// What a fabric asks the first host of a job about a run that is conducted there, and what it orders: parts of an Inquiry and its Report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schema/binding.hpp"
#include "schema/plan.hpp"

namespace fabric::messages {

// A file of a run, below its folder, as far as whoever asks has it. One that was replaced is another inode.
struct FileHad {
  std::string path;
  std::int64_t inode = 0;
  std::int64_t bytes = 0;
  static constexpr auto fields() {
    return listed(field("path", &FileHad::path), field("inode", &FileHad::inode), field("bytes", &FileHad::bytes));
  }
};

// Bytes of one that are new. offset 0: it begins anew.
struct FilePart {
  std::string path;
  std::int64_t inode = 0;
  std::int64_t offset = 0;
  std::string bytes;  // as text_of_bytes
  static constexpr auto fields() {
    return listed(field("path", &FilePart::path), field("inode", &FilePart::inode), field("offset", &FilePart::offset),
                  field("bytes", &FilePart::bytes));
  }
};

struct RunInquiry {
  std::string run;     // its folder there
  bool files = false;  // its files are asked for, those that are new
  std::vector<FileHad> had;
  std::optional<std::int64_t> signal;  // with which it is told to stop
  bool hurry = false;                  // at once
  static constexpr auto fields() {
    return listed(field("run", &RunInquiry::run), field("files", &RunInquiry::files), field("had", &RunInquiry::had),
                  field("signal", &RunInquiry::signal), field("hurry", &RunInquiry::hurry));
  }
};

struct RunReport {
  std::string problem;   // why nothing can be said
  bool known = false;    // there is such a run
  bool goes_on = false;  // its controller lives
  bool stopped = false;  // it was told to
  bool more = false;     // than these parts is there already
  // An earlier fabric says neither.
  std::optional<std::string> machine;     // which this is
  std::optional<std::string> unreadable;  // what cannot be told of files that are there, and why
  std::vector<FilePart> parts;
  static constexpr auto fields() {
    return listed(field("problem", &RunReport::problem), field("known", &RunReport::known), field("goes_on", &RunReport::goes_on),
                  field("stopped", &RunReport::stopped), field("more", &RunReport::more), field("machine", &RunReport::machine),
                  field("unreadable", &RunReport::unreadable), field("parts", &RunReport::parts));
  }
};

// A run that is to begin there.
struct RunOrder {
  std::string run;   // its folder, which is made where it is missing
  std::string plan;  // plan.json
  std::int64_t attempt = 0;
  std::optional<std::string> resume_path;
  std::vector<std::string> variables;  // NAME=value, as text_of_bytes
  std::optional<double> asked;
  static constexpr auto fields() {
    return listed(field("run", &RunOrder::run), field("plan", &RunOrder::plan), field("attempt", &RunOrder::attempt),
                  field("resume_path", &RunOrder::resume_path), field("variables", &RunOrder::variables), field("asked", &RunOrder::asked));
  }
};

// Whether that host could conduct a run of the plan; with an order it is to do so.
struct ConductInquiry {
  std::optional<Plan> plan;
  std::string runs;    // the folder that is to hold it
  std::string fabric;  // its path on the other hosts
  std::optional<RunOrder> order;
  static constexpr auto fields() {
    return listed(field("plan", &ConductInquiry::plan), field("runs", &ConductInquiry::runs), field("fabric", &ConductInquiry::fabric),
                  field("order", &ConductInquiry::order));
  }
};

struct ConductReport {
  std::vector<std::string> hindrances;  // a sentence each
  std::string machine;
  std::string problem;   // why an order was not carried out
  std::int64_t pid = 0;  // of the controller
  static constexpr auto fields() {
    return listed(field("hindrances", &ConductReport::hindrances), field("machine", &ConductReport::machine),
                  field("problem", &ConductReport::problem), field("pid", &ConductReport::pid));
  }
};

}  // namespace fabric::messages
