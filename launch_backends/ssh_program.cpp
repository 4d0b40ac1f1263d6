#include "launch_backends/ssh_program.hpp"

#include <sys/utsname.h>

#include "launch_backends/ssh_words.hpp"

namespace fabric {
namespace {

constexpr int days_of_unused_copy = 90;

std::string own_processor() {
  utsname name{};
  return uname(&name) == 0 ? name.machine : "";
}

}  // namespace

std::string program_wanted(const std::string& nonce) { return "fabric-program-wanted " + nonce; }

std::string start_program(const OwnProgram& program, const std::string& words, bool copies, const std::string& nonce) {
  const std::string installed = quoted_word(program.installed);
  const std::string bytes = std::to_string(program.bytes);
  const std::string refuses = "exit " + std::to_string(no_copy_of_program);
  // Whoever else may write there could make another program of ours; and a copy of another length is none.
  std::string script = "d=${XDG_CACHE_HOME:-$HOME/.cache}/fabric/builds/" + program.id +
                       "; f=$d/fabric; copied() { [ -O \"$d\" ] && [ -O \"$f\" ] && [ -x \"$f\" ] && [ \"$(wc -c <\"$f\")\" -eq " + bytes +
                       " ]; }; if copied; then touch -c \"$d\" 2>/dev/null; ";
  if (copies) {
    script +=
        "elif [ -x " + installed + " ] && [ \"$(sha256sum <" + installed + " 2>/dev/null | cut -c1-64)\" = " + program.sha256 +
        " ]; then f=" + installed + "; elif [ \"$(uname -m)\" != " + quoted_word(own_processor()) +
        " ]; then echo \"its processor is $(uname -m), and this fabric is for " + own_processor() + "\" >&2; " + refuses +
        "; elif [ -e \"$d\" ] && ! [ -O \"$d\" ]; then echo \"$d belongs to somebody else\" >&2; " + refuses +
        // The name is that of nobody else: a process number alone may be that of another host with the same home folder. Of several
        // that make a copy at once the first one stays, since it may run already.
        "; else t=$f.$$-" + nonce + "; m=$(umask); umask 077" +
        "; mkdir -p \"$d\" && chmod go-w \"$d\" && touch -c \"$d\" && { find \"$d\" -name \"fabric.*\" -mmin +60 -exec rm -f {} + 2>/dev/null; " +
        // Copies of other builds that nobody has started from for a long time.
        "find \"${d%/*}\" -mindepth 1 -maxdepth 1 -type d -mtime +" + std::to_string(days_of_unused_copy) +
        " -exec rm -rf {} + 2>/dev/null; printf " + "\"\\n%s\\n\" " + quoted_word(program_wanted(nonce)) + "; head -c " + bytes +
        " >\"$t\"; } && [ \"$(wc -c <\"$t\")\" -eq " + bytes +
        " ] && chmod 700 \"$t\" && { sync \"$t\" 2>/dev/null || sync; } && { ln \"$t\" \"$f\" 2>/dev/null || copied || "
        "mv -f \"$t\" \"$f\"; } && rm -f \"$t\" && umask \"$m\" || { rm -f \"$t\"; " +
        refuses + "; }; ";
  } else {
    script += "else f=" + installed + "; ";
  }
  script += "fi; exec \"$f\" " + words;
  return "exec sh -c " + quoted_word(script);
}

}  // namespace fabric
