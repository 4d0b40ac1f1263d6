// Labelled pictures in IDX files, the format of the MNIST family: plain, or gzip-compressed with .gz at the end of the name.
// Format: http://yann.lecun.com/exdb/mnist (a big-endian magic number, one 32-bit size a dimension, then bytes).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace fabric {

enum class Split { train, test };

struct LabelledImages {
  std::int64_t count = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t classes = 0;                      // the greatest label + 1
  std::shared_ptr<const std::uint8_t[]> pixels;  // count x rows x columns
  std::shared_ptr<const std::uint8_t[]> labels;  // count
};

// Reads {train,t10k}-images-idx3-ubyte and -labels-idx1-ubyte of folder. Throws Failure(data) that names the file and what is
// wrong with it: missing, unreadable, truncated, corrupt, of another kind, or of another number of samples than its twin.
LabelledImages read_labelled_images(const std::string& folder, Split split);

}  // namespace fabric
