#include "launch_backends/protocol.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "launch_backends/messages.hpp"
#include "schema/json.hpp"
#include "schema/json_write.hpp"

namespace fabric::test {

Value hello() {
  messages::Hello hello;
  hello.nonce = "n";
  return messages::message_of(hello);
}

Value with_text(const std::string& text) {
  Value body = Value::object();
  body.set("type", "view");
  body.set("text", text);
  return body;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string all;
  for (const std::string& line : lines) all += line;
  return all;
}

BOOST_AUTO_TEST_CASE(a_short_message_is_one_frame) {
  FrameWriter writer("agent-0", 2);
  BOOST_TEST(joined(writer.frames(with_text("x"))) ==
             "{\"from\":\"agent-0\",\"generation\":2,\"message\":{\"text\":\"x\",\"type\":\"view\"},\"sequence\":0}\n");
}

// Texts whose JSON grows most when it is quoted, and sizes around the limit.
// clang-format off
const std::string texts[] = {std::string(100, 'a'),        std::string(5000, 'a'),           std::string(3000, '"'),  std::string(3000, '\\'),
                             std::string(2000, '\x01'),    std::string(1000, '\n') + "end",  std::string(40000, '\0'), "",
                             [] { std::string s; for (int i = 0; i < 1500; ++i) s += "\xE2\x82\xAC"; return s; }(),
                             [] { std::string s; for (int i = 0; i < 900; ++i) s += "\xF0\x9F\x98\x80\""; return s; }()};
// clang-format on

BOOST_AUTO_TEST_CASE(every_text_arrives_in_frames_of_limited_size) {
  for (const std::string& text : texts) {
    FrameWriter writer("agent-1234", 17);
    std::string wire = joined(writer.frames(hello()));
    for (const std::string& line : writer.frames(with_text(text))) {
      BOOST_TEST(line.size() <= frame_limit);
      BOOST_TEST(line.find('\n') == line.size() - 1);
      wire += line;
    }
    // However the carrier cuts the bytes.
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, wire.size()}) {
      FrameReader reader("n", 17);
      std::vector<Message> got;
      for (std::size_t at = 0; at < wire.size(); at += piece) {
        reader.feed(wire.substr(at, piece));
        while (std::optional<Message> message = reader.next()) got.push_back(std::move(*message));
      }
      BOOST_REQUIRE(got.size() == 2u);
      BOOST_TEST((got[1].body == with_text(text)));
      BOOST_TEST(got[1].from == "agent-1234");
    }
  }
}

BOOST_AUTO_TEST_CASE(all_lengths_around_the_limit) {
  for (std::size_t size = 700; size < 1100; ++size) {
    FrameWriter writer("controller", 0);
    for (const std::string& line : writer.frames(with_text(std::string(size, 'x')))) BOOST_REQUIRE(line.size() <= frame_limit);
  }
}

BOOST_AUTO_TEST_CASE(noise_before_the_first_frame_is_kept_apart) {
  FrameWriter writer("agent-0", 0);
  FrameReader reader("n", 0);
  reader.feed(
      "Welcome to the cluster\nmodule: loading cuda\xff\n{\"json\":true}\n{\"from\":\"agent-0\",\"generation\":0,\"message\":{\"nonce\":\"other\"},\"sequence\":0}\n");
  BOOST_TEST(!reader.next());
  BOOST_TEST(!reader.greeted());
  reader.feed(joined(writer.frames(hello())));
  BOOST_TEST(reader.next()->type() == "hello");
  BOOST_TEST(reader.greeted());
  BOOST_TEST(reader.noise().size() == 4u);
  BOOST_TEST(reader.noise().front() == "Welcome to the cluster");
}

// A shell's file may print without an end of line.
BOOST_AUTO_TEST_CASE(half_a_line_of_noise_takes_no_frame_with_it) {
  FrameWriter writer("agent-0", 0);
  FrameReader reader("n", 0);
  reader.feed("Loading {\"from\": ... " + joined(writer.frames(hello())));
  BOOST_TEST(reader.next()->type() == "hello");
  BOOST_TEST(reader.greeted());
}

BOOST_AUTO_TEST_CASE(of_much_noise_the_last_lines_are_kept) {
  FrameReader reader("n", 0);
  for (int i = 0; i < 1000; ++i) reader.feed("line " + std::to_string(i) + "\n");
  BOOST_TEST(!reader.next());
  BOOST_TEST(reader.noise().size() == 20u);
  BOOST_TEST(reader.noise().back() == "line 999");
}

// What comes after a good hello of agent-0, and what the error must name.
struct Wrong {
  std::string line;
  std::string named;
};
std::ostream& operator<<(std::ostream& out, const Wrong& wrong) { return out << wrong.line.substr(0, 80); }

const Wrong wrongs[] = {
    {"srun: error: node failed", "no frame: 'srun: error: node failed'"},
    {"", "no frame"},
    {"{}", "no frame"},
    {"[1]", "no frame"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"message\":{},\"sequence\":2}", "frame 2 of agent-0 came where frame 1 was due"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"message\":{},\"sequence\":0}", "frame 0 of agent-0 came where frame 1 was due"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"message\":{},\"sequence\":-1}", "frame -1 of agent-0"},
    {"{\"from\":\"agent-0\",\"generation\":1,\"message\":{},\"sequence\":1}", "generation 1 in generation 0"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"message\":[],\"sequence\":1}", "no frame"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"part\":\"{}\",\"sequence\":1}", "no frame"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"part\":\"{\",\"last\":true,\"sequence\":1}", "parts that are no message"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"part\":\"[]\",\"last\":true,\"sequence\":1}", "parts that are no message"},
    {"{\"from\":7,\"generation\":0,\"message\":{},\"sequence\":1}", "no frame"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"message\":{},\"sequence\":1.0}", "no frame"},
    {"{\"from\":\"agent-1\",\"generation\":0,\"message\":{},\"sequence\":0}", "a first message without the nonce"},
    {"{\"from\":\"agent-1\",\"generation\":0,\"message\":{\"nonce\":\"m\"},\"sequence\":0}", "a first message without the nonce"},
    {"{\"from\":\"agent-1\",\"generation\":0,\"message\":{\"nonce\":\"n\"},\"sequence\":4}",
     "frame 4 of agent-1 came where frame 0 was due"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"message\":{\"text\":\"" + std::string(2000, 'x') + "\"},\"sequence\":1}", "no frame"},
    {"{\"from\":\"agent-0\",\"generation\":0,\"message\":{\"text\":\"cut o", "no frame"},
};

BOOST_DATA_TEST_CASE(what_is_no_frame_is_an_error_that_names_it, wrongs, wrong) {
  FrameWriter writer("agent-0", 0);
  FrameReader reader("n", 0);
  reader.feed(joined(writer.frames(hello())) + wrong.line + '\n');
  BOOST_REQUIRE(reader.next());
  BOOST_CHECK_EXCEPTION(reader.next(), ProtocolError, [&](const ProtocolError& error) {
    BOOST_TEST_MESSAGE(error.what());
    return std::string(error.what()).find(wrong.named) != std::string::npos;
  });
}

BOOST_AUTO_TEST_CASE(a_message_inside_the_parts_of_another_is_an_error) {
  FrameReader reader("n", 0);
  FrameWriter writer("a", 0);
  reader.feed(joined(writer.frames(hello())) + "{\"from\":\"a\",\"generation\":0,\"part\":\"{\",\"last\":false,\"sequence\":1}\n" +
              "{\"from\":\"a\",\"generation\":0,\"message\":{},\"sequence\":2}\n");
  BOOST_TEST(reader.next().has_value());
  BOOST_CHECK_THROW(reader.next(), ProtocolError);
}

BOOST_AUTO_TEST_CASE(parts_without_end_are_an_error) {
  FrameReader reader("n", 0);
  FrameWriter writer("a", 0);
  reader.feed(joined(writer.frames(hello())));
  BOOST_TEST(reader.next().has_value());
  const std::string part(900, 'x');
  BOOST_CHECK_THROW(
      for (int i = 1; i < 10000; ++i) {
        reader.feed("{\"from\":\"a\",\"generation\":0,\"part\":\"" + part + "\",\"last\":false,\"sequence\":" + std::to_string(i) + "}\n");
        reader.next();
      },
      ProtocolError);
}

BOOST_AUTO_TEST_CASE(a_line_without_end_is_an_error) {
  FrameReader reader("n", 0);
  BOOST_CHECK_THROW(
      for (int i = 0; i < 100; ++i) {
        reader.feed(std::string(100'000, 'x'));
        reader.next();
      },
      ProtocolError);
}

BOOST_AUTO_TEST_CASE(several_senders_count_apart) {
  FrameWriter agent("agent-0", 0), keeper("keeper-0", 0);
  messages::Lost lost;
  lost.nonce = "n";
  lost.who = "agent";
  FrameReader reader("n", 0);
  reader.feed(joined(agent.frames(hello())));
  reader.feed(joined(agent.frames(with_text("a"))));
  reader.feed(joined(keeper.frames(messages::message_of(lost))));
  for (int i = 0; i < 2; ++i) {
    const std::optional<Message> message = reader.next();
    BOOST_REQUIRE(message.has_value());
    BOOST_TEST(message->from == "agent-0");
  }
  const std::optional<Message> last = reader.next();
  BOOST_REQUIRE(last.has_value());
  BOOST_TEST(last->from == "keeper-0");
  BOOST_TEST(from_value<messages::Lost>(last->body).who == "agent");
  BOOST_TEST(!reader.next());
}

struct Bytes {
  std::string raw, clean;
};
std::ostream& operator<<(std::ostream& out, const Bytes& bytes) { return out << bytes.clean; }

#define MARK "\xEF\xBF\xBD"
const Bytes byte_rows[] = {
    {"plain", "plain"},
    {"\xE2\x82\xAC", "\xE2\x82\xAC"},
    {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
    {"a\xFFz", "a" MARK "z"},
    {"\xC0\x80", MARK MARK},                    // an overlong form
    {"\xE0\x80\x80", MARK MARK MARK},           // another
    {"\xED\xA0\x80", MARK MARK MARK},           // half of a surrogate pair
    {"\xF4\x90\x80\x80", MARK MARK MARK MARK},  // beyond U+10FFFF
    {"cut \xE2\x82", "cut " MARK MARK},
    {std::string("nul\0nul", 7), std::string("nul\0nul", 7)},
};

BOOST_DATA_TEST_CASE(bytes_travel_as_text, byte_rows, row) {
  BOOST_TEST(as_utf8(text_of_bytes(row.raw)) == text_of_bytes(row.raw));
  BOOST_TEST(bytes_of_text(text_of_bytes(row.raw)) == row.raw);
}

BOOST_AUTO_TEST_CASE(text_beyond_bytes_stands_for_none) { BOOST_CHECK_THROW(bytes_of_text("\xE2\x82\xAC"), ProtocolError); }

BOOST_DATA_TEST_CASE(bytes_become_utf8, byte_rows, row) {
  BOOST_TEST(as_utf8(row.raw) == row.clean);
  BOOST_TEST(read_json(canonical_json(Value(as_utf8(row.raw)))).has_value());
}

BOOST_AUTO_TEST_CASE(nonces_differ) {
  BOOST_TEST(make_nonce().size() == 16u);
  BOOST_TEST(make_nonce() != make_nonce());
}

BOOST_AUTO_TEST_CASE(messages_come_back_as_they_were) {
  messages::RankExited exit;
  exit.rank = 3;
  exit.signal = 9;
  exit.out_of_memory = true;
  exit.error_class = "data";
  const auto back = from_value<messages::RankExited>(messages::message_of(exit));
  BOOST_TEST(back.rank == 3);
  BOOST_TEST(!back.code);
  BOOST_TEST(back.signal.value() == 9);
  BOOST_TEST(back.out_of_memory);
  BOOST_TEST(back.error_class == "data");
  Value cut = messages::message_of(exit);
  cut.set("rank", "three");
  BOOST_CHECK_THROW(from_value<messages::RankExited>(cut), BindingError);
}

}  // namespace fabric::test
