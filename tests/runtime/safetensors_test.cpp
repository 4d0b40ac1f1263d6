// The safetensors container: our writer against an independent parse, our reader against damage.
#include <functional>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "schema/safetensors.hpp"
#include "schema/sha256.hpp"
#include "tests/runtime/temporary_folder.hpp"

using namespace fabric;
using test::read_file;
using test::write_file;

namespace {

std::string with_length(const std::string& header) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(header.size() >> (8 * i) & 255);
  return bytes + header;
}

SafetensorsHeader two_tensors() {
  SafetensorsHeader header;
  header.metadata = {{"step", "7"}, {"note", "a \"quoted\" \n line"}};
  header.tensors = {{"fc1.weight", "F32", {2, 3}, 0, 24}, {"odd", "U8", {3}, 24, 27}};
  return header;
}

std::string whole_file() {
  SafetensorsHeader header = two_tensors();
  const std::string data = "0123456789abcdefghijklmnopq";
  header.metadata["sha256"] = safetensors_no_digest;
  header.metadata["sha256"] = sha256_hex(write_safetensors_header(header) + data);
  return write_safetensors_header(header) + data;
}

std::string complaint(const std::string& bytes) {
  const test::TemporaryFolder folder;
  write_file(folder / "f.safetensors", bytes);
  return verify_safetensors(folder / "f.safetensors");
}

std::string complaint_of_header(const std::string& header, const std::string& data = "") { return complaint(with_length(header) + data); }

}  // namespace

BOOST_AUTO_TEST_SUITE(safetensors)

BOOST_AUTO_TEST_CASE(the_format_as_others_read_it) {
  const std::string bytes = write_safetensors_header(two_tensors());
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  BOOST_REQUIRE_EQUAL(length, bytes.size() - 8);
  BOOST_CHECK_EQUAL(bytes.size() % 8, 0);
  BOOST_CHECK_EQUAL(bytes[8], '{');
  const nlohmann::json header = nlohmann::json::parse(bytes.substr(8));
  BOOST_CHECK_EQUAL(header.dump(), R"({"__metadata__":{"note":"a \"quoted\" \n line","step":"7"},)"
                                   R"("fc1.weight":{"data_offsets":[0,24],"dtype":"F32","shape":[2,3]},)"
                                   R"("odd":{"data_offsets":[24,27],"dtype":"U8","shape":[3]}})");
}

BOOST_AUTO_TEST_CASE(written_and_read_again) {
  const test::TemporaryFolder folder;
  write_file(folder / "f.safetensors", whole_file());
  std::string why;
  const std::optional<SafetensorsHeader> header = read_safetensors_header(folder / "f.safetensors", why);
  BOOST_REQUIRE_MESSAGE(header, why);
  BOOST_CHECK_EQUAL(header->metadata.at("note"), "a \"quoted\" \n line");
  BOOST_REQUIRE_EQUAL(header->tensors.size(), 2);
  BOOST_CHECK_EQUAL(header->tensors[1].name, "odd");
  BOOST_CHECK_EQUAL(header->tensors[1].begin, 24);
  BOOST_CHECK_EQUAL(header->data_offset + 27, whole_file().size());
  BOOST_CHECK_EQUAL(complaint(whole_file()), "");
}

BOOST_AUTO_TEST_CASE(a_file_of_pytorch_is_read) {
  std::string why;
  const auto header = read_safetensors_header(FABRIC_SOURCE_DIR "/tests/runtime/golden/weights-cnn.safetensors", why);
  BOOST_REQUIRE_MESSAGE(header, why);
  BOOST_CHECK_EQUAL(header->tensors.size(), 8);
  BOOST_CHECK_EQUAL(verify_safetensors(FABRIC_SOURCE_DIR "/tests/runtime/golden/weights-cnn.safetensors"), "");  // it has no digest
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_found) {
  const std::string whole = whole_file();
  const std::size_t key = whole.find("sha256");  // under another name it is no digest, and a reader that needs one says so
  for (std::size_t byte = 0; byte < whole.size(); ++byte)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[byte] = static_cast<char>(flipped[byte] ^ 1 << bit);
      if (byte >= key && byte < key + 6) continue;
      BOOST_CHECK_MESSAGE(complaint(flipped) != "", "bit " << bit << " of byte " << byte << " flipped and accepted");
    }
}

BOOST_AUTO_TEST_CASE(every_truncation_is_found) {
  const std::string whole = whole_file();
  for (std::size_t size = 0; size < whole.size(); ++size)
    BOOST_CHECK_MESSAGE(complaint(whole.substr(0, size)).starts_with("truncated"),
                        "cut to " << size << ": " << complaint(whole.substr(0, size)));
  BOOST_CHECK(complaint(whole + "x").starts_with("too long: its header promises 27 bytes of data, and 28 are there"));
}

BOOST_AUTO_TEST_CASE(headers_that_lie) {
  BOOST_CHECK_EQUAL(complaint_of_header("[]"), "its header is not a JSON object");
  BOOST_CHECK_EQUAL(complaint_of_header(" {}"), "its header is not a JSON object");
  BOOST_CHECK(complaint_of_header("{\"a\": ").starts_with("its header is not JSON: "));
  BOOST_CHECK_EQUAL(complaint_of_header(R"({"a":{"dtype":"U8","shape":[1]}})", "x"), "tensor a: it needs dtype, shape and data_offsets");
  BOOST_CHECK_EQUAL(complaint_of_header(R"({"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,1]}})", "x"), "tensor a: unknown dtype Q9");
  BOOST_CHECK_EQUAL(complaint_of_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}})", "x"),
                    "tensor a: its shape and dtype do not fit its 1 bytes");
  BOOST_CHECK_EQUAL(complaint_of_header(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", "x"),
                    "tensor a: its shape is not made of whole numbers");
  BOOST_CHECK_EQUAL(complaint_of_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", "x"),
                    "tensor a: its data_offsets are not a range");
  BOOST_CHECK_EQUAL(complaint_of_header(R"({"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,1]}})", "x"),
                    "tensor a: its shape and dtype do not fit its 1 bytes");
  BOOST_CHECK_EQUAL(complaint_of_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", "xx"),
                    "tensor a: a hole of bytes precedes it");
  BOOST_CHECK_EQUAL(
      complaint_of_header(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                          "xx"),
      "tensor b: it overlaps the one before");
  BOOST_CHECK_EQUAL(complaint_of_header(R"({"__metadata__":{"step":7}})"), "__metadata__.step is not a string");
  BOOST_CHECK(complaint_of_header(
                  R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "x")
                  .starts_with("its header is not JSON: "));
  BOOST_CHECK_EQUAL(complaint(std::string(8, '\xff')),
                    "not a safetensors file, or corrupt: its header would be 18446744073709551615 bytes long");
  BOOST_CHECK_EQUAL(complaint(""), "truncated: 0 bytes are less than any safetensors file");
}

BOOST_AUTO_TEST_CASE(a_scalar_and_an_empty_tensor_are_whole) {
  BOOST_CHECK_EQUAL(
      complaint_of_header(R"({"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                          "1234"),
      "");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_opened) {
  const test::TemporaryFolder folder;
  BOOST_CHECK_EQUAL(verify_safetensors(folder / "none"), "cannot be opened: No such file or directory");
  BOOST_CHECK_NE(verify_safetensors(folder.path()), "");
  std::string why;
  BOOST_CHECK(!safetensors_digest(FABRIC_SOURCE_DIR "/tests/runtime/golden/weights-cnn.safetensors", why));
  BOOST_CHECK_EQUAL(why, "its metadata has no sha256");
}

BOOST_AUTO_TEST_SUITE_END()
