// The command lines of ssh.
#include <boost/test/unit_test.hpp>

#include <algorithm>

#include "launch_backends/process.hpp"
#include "launch_backends/ssh_words.hpp"

using namespace fabric;

BOOST_AUTO_TEST_SUITE(words_for_ssh)

BOOST_AUTO_TEST_CASE(a_shell_reads_one_word_as_it_was) {
  for (const std::string word :
       {"plain", "two words", "it's", "'", "$HOME `x` \\ \" * ? ; & | < > ( ) # !", "a\nb", "", "-x", "~", "\xc3\xa4"}) {
    ProcessStart start;
    start.argv = {"sh", "-c", "printf %s " + quoted_word(word)};
    start.env = {"PATH=/usr/bin:/bin"};
    BOOST_TEST(run_program(std::move(start), "", 1 << 16, std::chrono::seconds(10)).output == word);
  }
}

BOOST_AUTO_TEST_CASE(the_users_options_come_first_and_the_host_behind_a_line) {
  Ssh how;
  how.options = {"-p", "2222"};
  const std::vector<std::string> words = ssh_words(how, SshRole::guest, "/run/x/0", "ada@gpu1", "exec 'fabric' agent");
  BOOST_TEST((std::vector<std::string>(words.begin(), words.begin() + 3) == std::vector<std::string>{"ssh", "-p", "2222"}));
  BOOST_TEST((std::vector<std::string>(words.end() - 3, words.end()) == std::vector<std::string>{"--", "ada@gpu1", "exec 'fabric' agent"}));
  BOOST_TEST((std::find(words.begin(), words.end(), "BatchMode=yes") != words.end()));
  // Nothing here says what keys of hosts are believed: that is the user's.
  for (const std::string& word : words) {
    BOOST_TEST(word.find("StrictHostKeyChecking") == std::string::npos);
    BOOST_TEST(word.find("UserKnownHostsFile") == std::string::npos);
    BOOST_TEST(word != "-tt");
  }
}

// Otherwise a connection of the user's that is not there any more would be replaced by one that nobody else goes through.
BOOST_AUTO_TEST_CASE(who_only_goes_through_the_users_connection_makes_none) {
  Ssh how;
  how.options = {"-o", "ProxyCommand=nc %h %p"};
  const std::vector<std::string> words = ssh_words(how, SshRole::guest_only, "", "gpu1", "true");
  // Of two the first counts.
  BOOST_TEST((std::find(words.begin(), words.end(), "ProxyCommand=false") < std::find(words.begin(), words.end(), "ProxyCommand=nc %h %p")));
  BOOST_TEST((std::find(words.begin(), words.end(), "ControlMaster=no") != words.end()));
  BOOST_TEST((std::find(words.begin(), words.end(), "-S") == words.end()));
}

BOOST_AUTO_TEST_CASE(options_that_would_break_a_call_are_refused) {
  const auto refused = [](std::vector<std::string> options) {
    std::vector<std::size_t> all;
    for (const RefusedOption& option : refused_ssh_options(options)) all.push_back(option.index);
    return all;
  };
  using Indices = std::vector<std::size_t>;
  BOOST_TEST((refused({"-p", "22", "-i", "/key", "-J", "jump", "-F", "config", "-l", "ada", "-o", "ConnectTimeout=3", "-4", "-C", "-vv",
                       "-p22"}) == Indices{}));
  BOOST_TEST((refused({"-p", "-t"}) == Indices{}));  // a word of -p
  for (const char* word : {"-t", "-tt", "-N", "-f", "-n", "-M", "-G", "-V", "-vN", "host", "--", "-", ""})
    BOOST_TEST((refused({word}) == Indices{0}), word);
  BOOST_TEST((refused({"-S", "none"}) == Indices{0}));
  BOOST_TEST((refused({"-o", "ControlPath=none"}) == Indices{1}));
  BOOST_TEST((refused({"-orequesttty yes"}) == Indices{0}));
  BOOST_TEST((refused({"-C", "-p"}) == Indices{1}));
}

BOOST_AUTO_TEST_SUITE_END()
