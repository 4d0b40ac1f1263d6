// IDX files: what is read, and that every damage is named with its file.
#include <libdeflate.h>

#include <boost/test/unit_test.hpp>

#include "runtime/data/idx_dataset.hpp"
#include "runtime/failure.hpp"
#include "tests/runtime/idx_files.hpp"

using namespace fabric;
using test::idx;
using test::write_file;

namespace {

std::string gzip(const std::string& bytes) {
  libdeflate_compressor* packer = libdeflate_alloc_compressor(6);
  std::string packed(libdeflate_gzip_compress_bound(packer, bytes.size()), '\0');
  packed.resize(libdeflate_gzip_compress(packer, bytes.data(), bytes.size(), packed.data(), packed.size()));
  libdeflate_free_compressor(packer);
  return packed;
}

struct DataFolder : test::TemporaryFolder {
  const std::string images = *this / "train-images-idx3-ubyte";
  const std::string labels = *this / "train-labels-idx1-ubyte";
  const std::string three_pictures = idx({3, 1, 2}, "abcdef");
  const std::string three_labels = idx({3}, std::string("\1\0\2", 3));

  DataFolder() {
    write_file(images, three_pictures);
    write_file(labels, three_labels);
  }

  // The complaint about the folder; it must begin with the file at fault.
  std::string complaint(const std::string& file) const {
    try {
      read_labelled_images(path(), Split::train);
    } catch (const Failure& failure) {
      BOOST_CHECK(failure.failure_class == FailureClass::data);
      const std::string text = failure.what();
      BOOST_CHECK_MESSAGE(text.starts_with(file + ": "), text);
      return text.substr(std::min(text.size(), file.size() + 2));
    }
    return "";
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(idx_dataset)

BOOST_AUTO_TEST_CASE(plain_files_are_read) {
  const DataFolder folder;
  const LabelledImages set = read_labelled_images(folder.path(), Split::train);
  BOOST_CHECK_EQUAL(set.count, 3);
  BOOST_CHECK_EQUAL(set.rows, 1);
  BOOST_CHECK_EQUAL(set.columns, 2);
  BOOST_CHECK_EQUAL(set.classes, 3);
  BOOST_CHECK_EQUAL(set.pixels[5], 'f');
  BOOST_CHECK_EQUAL(int{set.labels[2]}, 2);
}

BOOST_AUTO_TEST_CASE(compressed_files_are_read_and_a_plain_one_wins) {
  const DataFolder folder;
  write_file(folder.images + ".gz", gzip(idx({3, 1, 2}, "ABCDEF")));
  BOOST_CHECK_EQUAL(read_labelled_images(folder.path(), Split::train).pixels[0], 'a');
  std::filesystem::remove(folder.images);
  BOOST_CHECK_EQUAL(read_labelled_images(folder.path(), Split::train).pixels[0], 'A');
}

BOOST_AUTO_TEST_CASE(fashion_mnist_of_debian_is_whole) {
  const LabelledImages set = read_labelled_images("/usr/share/datasets/fashion-mnist", Split::test);
  BOOST_CHECK_EQUAL(set.count, 10000);
  BOOST_CHECK_EQUAL(set.rows, 28);
  BOOST_CHECK_EQUAL(set.columns, 28);
  BOOST_CHECK_EQUAL(set.classes, 10);
  BOOST_CHECK_EQUAL(int{set.labels[0]}, 9);
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_named_in_both_spellings) {
  const DataFolder folder;
  std::filesystem::remove(folder.labels);
  BOOST_CHECK_EQUAL(folder.complaint(folder.labels), "there is no such file, nor train-labels-idx1-ubyte.gz beside it");
}

BOOST_AUTO_TEST_CASE(a_folder_in_place_of_a_file) {
  const DataFolder folder;
  std::filesystem::remove(folder.images);
  std::filesystem::create_directory(folder.images);
  BOOST_CHECK_EQUAL(folder.complaint(folder.images), "not a regular file");
}

BOOST_AUTO_TEST_CASE(every_truncation_is_found) {
  const DataFolder folder;
  for (std::size_t size = 0; size < folder.three_pictures.size(); ++size) {
    write_file(folder.images, folder.three_pictures.substr(0, size));
    BOOST_CHECK_MESSAGE(folder.complaint(folder.images).starts_with("truncated: "), size << " bytes");
  }
  write_file(folder.images, folder.three_pictures.substr(0, 20));
  BOOST_CHECK_EQUAL(folder.complaint(folder.images), "truncated: its header promises 6 bytes of data, and 4 are there");
}

BOOST_AUTO_TEST_CASE(bytes_too_many) {
  const DataFolder folder;
  write_file(folder.images, folder.three_pictures + "x");
  BOOST_CHECK_EQUAL(folder.complaint(folder.images), "too long: its header promises 6 bytes of data, and 7 are there");
}

BOOST_AUTO_TEST_CASE(sizes_beyond_64_bits_do_not_wrap_around) {
  const DataFolder folder;
  write_file(folder.images, idx({0xffffffff, 0xffffffff, 0xffffffff}, "abcdef"));
  BOOST_CHECK_EQUAL(folder.complaint(folder.images), "truncated: its header promises more than 2^64 bytes of data, and 6 are there");
}

BOOST_AUTO_TEST_CASE(another_kind_of_file) {
  const DataFolder folder;
  write_file(folder.images, folder.three_labels + std::string(20, 'x'));
  BOOST_CHECK_EQUAL(folder.complaint(folder.images), "not an IDX file of bytes with 3 dimensions: it begins with 2049 where 2051 is due");
  write_file(folder.images, "PNG picture, not IDX");
  BOOST_CHECK(folder.complaint(folder.images).starts_with("not an IDX file of bytes with 3 dimensions"));
}

BOOST_AUTO_TEST_CASE(counts_that_differ) {
  const DataFolder folder;
  write_file(folder.labels, idx({2}, "\1\2"));
  BOOST_CHECK_EQUAL(folder.complaint(folder.labels), "2 labels, but 3 pictures in " + folder.images);
}

BOOST_AUTO_TEST_CASE(no_sample_at_all) {
  const DataFolder folder;
  write_file(folder.labels, idx({0}, ""));
  BOOST_CHECK_EQUAL(folder.complaint(folder.labels), "it holds no sample");
}

BOOST_AUTO_TEST_CASE(damage_inside_a_compressed_file) {
  const DataFolder folder;
  std::filesystem::remove(folder.images);
  const std::string file = folder.images + ".gz";
  const std::string packed = gzip(folder.three_pictures);
  for (std::size_t size = 0; size < packed.size(); ++size) {
    write_file(file, packed.substr(0, size));
    BOOST_CHECK_MESSAGE(folder.complaint(file) != "", "cut to " << size << " bytes and accepted");
  }
  for (std::size_t byte = 10; byte < packed.size(); ++byte) {
    std::string flipped = packed;
    flipped[byte] = static_cast<char>(flipped[byte] ^ 0x10);
    write_file(file, flipped);
    // Some bits of deflate's own tables mean nothing; then the pictures must be the same.
    if (folder.complaint(file) == "")
      BOOST_CHECK_EQUAL(std::string(reinterpret_cast<const char*>(read_labelled_images(folder.path(), Split::train).pixels.get()), 6),
                        "abcdef");
  }
  write_file(file, packed + "tail");
  BOOST_CHECK(folder.complaint(file) != "");
  write_file(file, folder.three_pictures);
  BOOST_CHECK_EQUAL(folder.complaint(file), "not a gzip file, though its name ends in .gz");
}

BOOST_AUTO_TEST_SUITE_END()
