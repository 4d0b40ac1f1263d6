// Reads the commands of a batch script: one statement after the other, and in the end it sorts out what of them is needed.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/import/batch_body.hpp"
#include "schema/diagnostic.hpp"

namespace fabric {

class BodyReader {
 public:
  BodyReader(std::string_view text, std::size_t begin, std::uint32_t source, BashVariables variables, const ScriptFolders& folders,
             Diagnostics& diagnostics)
      : text_(text),
        begin_(begin),
        source_(source),
        variables_(std::move(variables)),
        given_(variables_.arguments()),
        submitted_(folders.submitted),
        start_(folders.start.text),
        last_folder_(start_),
        diagnostics_(diagnostics) {
    if (start_ != submitted_) out_.folder = folders.start;
  }

  BatchBody read();

 private:
  enum class Fate { kept, assigned, module, launch, dropped };

  // A statement, or one variable of it.
  struct Item {
    Fate fate = Fate::kept;
    std::string text;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string name;         // of a variable that is assigned
    bool exported = false;    // it
    bool of_meeting = false;  // where and how ranks find each other
    bool background = false;
    bool only_moves = false;  // to another folder
  };
  using Range = std::pair<std::size_t, std::size_t>;

  // body_reader.cpp: what each statement is.
  std::size_t choose_launch(const std::vector<BashStatement>& statements);
  std::vector<BashStatement> with_functions_in_place(std::vector<BashStatement> statements) const;
  bool hides_launch(const BashStatement& statement) const;
  bool defaults(const BashCommand& command, const Item& item);
  static void follow(const BashCommand& command, BashVariables& variables);
  void take(const BashStatement& statement, bool before);
  bool assignments(const BashCommand& command, const std::string& word, const Item& item);
  void block(Item item);
  std::vector<std::size_t> command_beginnings(const Item& item) const;
  void lose_folder();
  void change_folder(const BashCommand& command, Item item, bool before);
  void module(const BashCommand& command, Item item);
  bool environment(const BashCommand& command, const std::string& word, Item& item);
  void order_environments();
  void take_lead(const BashStatement& statement, std::size_t chosen);
  void take_launch(const BashStatement& statement, bool waited_for);
  void tell_of_sequel(const BashStatement& statement, std::size_t chosen, bool waited_for);
  void no_launch();
  bool waits_for_others(const BashCommand& command, bool before) const;
  std::string written(std::size_t begin, std::size_t end) const;
  std::string documents_of(const BashStatement& statement) const;
  std::string written_part(const std::string& part) const;

  // sorted_body.cpp: what becomes of it.
  void need(const std::string& shell);
  std::string open_text_of_launch() const;
  void find_needed();
  void sort_out();
  void hand_arguments_to_launch();
  void sort_arguments();
  std::string exports_of_launch(const std::set<std::string>& assigned) const;
  void tell_of_names();
  bool wanted_in_setup(const Item& item, bool before);
  void tell();
  Span span(const Range& range) const;
  void warn(const char* code, std::string message, std::size_t begin, std::size_t end, std::string label, std::string help);
  std::string lines_of(const std::vector<Range>& ranges) const;
  void warn_of(const std::vector<Range>& ranges, const char* code, const std::string& message, const char* label, const char* help);

  std::string_view text_;
  std::size_t begin_;
  std::uint32_t source_;
  BashVariables variables_;
  std::optional<std::vector<BashField>> given_;  // arguments of the script
  std::string submitted_, start_;
  std::string last_folder_;
  Diagnostics& diagnostics_;
  BatchBody out_;
  std::vector<Item> items_;
  std::size_t launch_item_ = 0;
  std::size_t launch_end_ = 0;
  bool launches_in_background_ = false;
  bool ends_at_failure_ = false;
  bool open_folder_ = false;  // where the launch stands, only the shell knows
  std::string lead_;          // what stands before the launch in its statement, and is done whatever comes of it
  bool modules_are_plain_ = true;
  bool sources_something_ = false;
  std::vector<std::size_t> hooks_;  // items that make conda known
  std::set<std::string> of_meeting_, in_blocks_, needed_, of_launch_, consumed_, ids_of_ranks_;
  std::vector<Range> bound_, printed_, trapped_, others_, hidden_;
  std::optional<Range> arguments_;  // where one of the script is named
};

// variables: what is known before, such as SLURM_NNODES. What is not taken is told by warnings (FAB6104 to FAB6112, FAB6116), and a script
// that starts nothing by an error (FAB6101).
BatchBody read_batch_body(std::string_view text, std::size_t begin, std::uint32_t source, BashVariables variables,
                          const ScriptFolders& folders, Diagnostics& diagnostics);

}  // namespace fabric
