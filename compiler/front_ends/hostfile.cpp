#include "compiler/front_ends/hostfile.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace fabric {
namespace {

constexpr std::string_view blanks = " \t\r\v\f";
constexpr std::int64_t most_slots = 99999;

struct Word {
  std::string_view text;
  std::size_t begin = 0;
};

// The words of a line up to its comment. `slots = 8` is one word, as OpenMPI has it.
std::vector<Word> words_of(std::string_view line, std::size_t offset) {
  line = line.substr(0, line.find('#'));
  std::vector<Word> words;
  for (std::size_t at = line.find_first_not_of(blanks); at != std::string_view::npos; at = line.find_first_not_of(blanks, at)) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    words.push_back({line.substr(at, end - at), offset + at});
    at = end;
  }
  return words;
}

// The number behind `slots=`; nullopt if the words from `at` on are something else. Moves `at` behind them.
std::optional<std::int64_t> count_behind(std::string_view name, const std::vector<Word>& words, std::size_t& at) {
  std::string joined(words[at].text);
  std::size_t next = at + 1;
  while (next < words.size() && (joined == name || joined == std::string(name) + '=')) joined += words[next++].text;
  if (!joined.starts_with(name) || joined.size() <= name.size() + 1 || joined[name.size()] != '=') return std::nullopt;
  std::int64_t number = 0;
  const char* end = joined.data() + joined.size();
  const auto [stop, error] = std::from_chars(joined.data() + name.size() + 1, end, number);
  if (error != std::errc() || stop != end || number < 1 || number > most_slots) return std::nullopt;
  at = next;
  return number;
}

}  // namespace

std::vector<HostfileEntry> read_hostfile(const Sources& sources, std::uint32_t source, Diagnostics& diagnostics) {
  const std::string_view text = sources[source].text;
  const auto span = [source](const Word& word) {
    return Span{source, static_cast<std::uint32_t>(word.begin), static_cast<std::uint32_t>(word.begin + word.text.size())};
  };
  const auto refuse = [&](const Word& word, std::string message, std::string label, std::string help) {
    diagnostics.add(
        {.code = "FAB3304", .message = std::move(message), .at = span(word), .label = std::move(label), .help = std::move(help)});
  };
  std::vector<HostfileEntry> entries;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::vector<Word> words = words_of(text.substr(begin, end - begin), begin);
    begin = end + 1;
    if (words.empty()) continue;
    HostfileEntry entry{std::string(words.front().text), {}, span(words.front())};
    const bool odd = std::any_of(entry.host.begin(), entry.host.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (entry.host.front() == '-' || odd || entry.host.find('=') != std::string::npos) {
      refuse(words.front(), "a line of a hostfile begins with a host", "no host", "write the name behind which `slots=N` may stand");
      continue;
    }
    bool good = true;
    for (std::size_t at = 1; good && at < words.size();) {
      if (const auto slots = count_behind("slots", words, at)) entry.slots = slots;
      // A limit of OpenMPI for those who ask for more than there are slots, which nobody can here.
      else if (!count_behind("max_slots", words, at) && !count_behind("max-slots", words, at)) {
        refuse(words[at], "`" + std::string(words[at].text) + "` means nothing in a hostfile", "not read",
               "write `" + entry.host + " slots=8`, with a number from 1 to " + std::to_string(most_slots) + ", or `" + entry.host +
                   "` alone; how a host is reached is for ~/.ssh/config or `ssh.options`");
        good = false;
      }
    }
    if (good) entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace fabric
