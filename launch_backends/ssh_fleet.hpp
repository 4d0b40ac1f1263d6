// The hosts of a job, each behind one connection of ssh that stays open: asked before a run, and used by its agents. Many are connected at
// once, but not all, and a connection that a busy sshd drops is tried again.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "launch_backends/attempt.hpp"
#include "launch_backends/frame_pipe.hpp"
#include "launch_backends/inquiry.hpp"
#include "launch_backends/ssh_program.hpp"
#include "schema/job.hpp"

namespace fabric {

// Which fabric is to answer on a host: the program that runs here; the same, copied to where it is missing; or whichever there is.
enum class FabricThere { same, copied, any };

class SshFleet {
 public:
  // self: path of the running fabric. first_is_here: the first host is this machine, and needs no ssh.
  SshFleet(std::vector<std::string> hosts, Ssh how, std::string self, FabricThere there, bool first_is_here = false);
  ~SshFleet();
  SshFleet(const SshFleet&) = delete;
  SshFleet& operator=(const SshFleet&) = delete;

  // Connects those that are not connected, of this process. Returns when each is, or it is known why not.
  void connect();
  std::size_t size() const { return links_.size(); }
  const std::string& host(std::size_t i) const { return links_[i]->name; }
  const std::string& fabric() const { return program_.installed; }
  // Why a host cannot be asked; empty: it can.
  const std::string& problem(std::size_t i) const { return links_[i]->problem; }
  // Whether that is because it has no fabric, or another one.
  bool lacks_fabric(std::size_t i) const { return links_[i]->lacks_fabric; }
  // Its path there, of one that can be asked.
  const std::string& fabric_on(std::size_t i) const { return links_[i]->fabric; }
  // Whether fabric was copied to it by this object.
  bool was_copied_to(std::size_t i) const { return links_[i]->copied; }
  std::int64_t bytes_of_fabric() const { return program_.bytes; }

  struct Answer {
    std::optional<messages::Report> report;  // none: see problem
    double asked = 0, heard = 0;             // seconds since the epoch, by our clock
  };
  // Puts to each host its inquiry, all at once; those without one are not asked. connect() comes first.
  std::vector<Answer> ask(std::vector<std::optional<messages::Inquiry>> inquiries, std::chrono::seconds patience = std::chrono::minutes(1));
  std::vector<Answer> ask_first(const messages::Inquiry& inquiry, std::chrono::seconds patience = std::chrono::minutes(1));
  std::vector<Answer> ask_all(const messages::Inquiry& inquiry);

  // To be called at least once in a third of the lease while nothing is asked.
  void keep_alive();
  // Those whose connection has ended without having been given up get another.
  void connect_again();
  // Gives up the hosts that do not answer within that time.
  void drop_silent(std::chrono::milliseconds patience);

  struct Calls {
    std::vector<std::string> problems;  // a host each; empty: it succeeded, or there was none
    int signal = 0;                     // which ended them
  };
  // Told what a call for a host prints, as it comes.
  using Heard = std::function<void(std::size_t i, std::string_view bytes)>;
  // Runs a program for each host that has one, several at once, with the connections alive. A signal that would end this process ends them
  // instead. patience: with one, or with its silence where somebody hears what it prints.
  Calls run_for_each(const std::vector<std::vector<std::string>>& calls, std::chrono::seconds patience, const Heard& heard = {});

  // What answers on each host becomes the agent of its node, for one attempt: nothing more can be asked. Without it agents have sessions of
  // their own, and the hosts can be asked as long as the fleet lives.
  void stand_by(std::int64_t generation);
  // How the agent of a host is reached. The fleet outlives what is made of it.
  Carrier agent_on(std::size_t i) const;
  // A call of ssh for a command of the host's shell.
  std::vector<std::string> words_for(std::size_t i, const std::string& command) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Link {
    std::string name;
    pid_t pid = 0;  // of its ssh
    FileDescriptor process;
    std::unique_ptr<FramePipe> pipe;
    std::string nonce;
    std::string socket;                       // that calls for the host go through; empty: where the user's settings have it
    bool is_users = false;                    // the socket: it is that of a connection which the user holds open
    std::string fabric;                       // its path there, once connected
    std::optional<std::size_t> copied_bytes;  // of the program, while it is being copied
    bool copied = false;
    bool lacks_fabric = false;
    bool connected = false;  // by the word of the other end
    bool has_ended = false;  // though it was
    bool stands_by = false;  // the other end is an agent
    Clock::time_point heard{};
    int tries = 0;
    Clock::time_point next_try{};
    Clock::time_point give_up{};
    std::string problem;
    bool waits() const { return !connected && problem.empty(); }
  };

  void find_sockets();
  void start(Link& link);
  void hear(Link& link);
  void copy_some(Link& link);
  void lose(Link& link);
  void refuse(Link& link, std::string problem);
  void forget(Link& link);
  ExitStatus end(Link& link, std::chrono::milliseconds patience);
  void close();
  void heed_signals();
  void take_pongs();
  void wait(Clock::time_point until);
  std::string file_of(const Link& link, const char* tail) const;
  std::string said_by(const std::string& file) const;
  struct Call;
  void begin_call(Call& call, const Link& link, const std::vector<std::string>& words, bool hears) const;
  std::string end_of(Call& call, const Link& link, bool in_time) const;
  bool is_here(const Link& link) const { return first_is_here_ && &link == links_.front().get(); }
  static std::string noise_of(const Link& link);
  std::string explain(const Link& link, const ExitStatus& exit, const std::string& errors) const;

  Ssh how_;
  const std::string self_;
  const FabricThere there_;
  const bool first_is_here_;
  OwnProgram program_;
  std::string bytes_;            // of the program, once some host wants it
  std::string folder_;           // of the sockets of our connections, for nobody else to enter
  std::uint64_t own_files_ = 0;  // that a process of ours may have open, as the user has set it
  FileDescriptor lock_;          // of the folder
  pid_t owner_ = 0;              // the process whose connections these are
  std::size_t at_once_ = 64;     // connections that are on their way; fewer once one was dropped
  std::vector<std::unique_ptr<Link>> links_;
};

}  // namespace fabric
