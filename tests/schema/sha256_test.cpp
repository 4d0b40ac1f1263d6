#include "schema/sha256.hpp"

#include <string>

#include <boost/test/unit_test.hpp>

using namespace fabric;

BOOST_AUTO_TEST_SUITE(sha256)

BOOST_AUTO_TEST_CASE(known_texts) {
  // The examples of FIPS 180-4 that NIST publishes, and the empty text.
  BOOST_CHECK_EQUAL(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  BOOST_CHECK_EQUAL(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  BOOST_CHECK_EQUAL(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  BOOST_CHECK_EQUAL(sha256_hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  BOOST_CHECK_NE(sha256_hex(std::string_view("a\0b", 3)), sha256_hex("a"));
}

BOOST_AUTO_TEST_CASE(pieces_make_the_same_sum) {
  const std::string text(1000, 'x');
  for (const std::size_t piece : {1u, 63u, 64u, 65u, 999u}) {
    Sha256 sum;
    for (std::size_t at = 0; at < text.size(); at += piece) sum.add(text.data() + at, std::min(piece, text.size() - at));
    BOOST_CHECK_EQUAL(sum.hex(), sha256_hex(text));
  }
}

BOOST_AUTO_TEST_SUITE_END()
