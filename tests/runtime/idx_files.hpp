// Small data sets in IDX files, and the bytes of which such files are made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/runtime/temporary_folder.hpp"

namespace fabric::test {

inline std::string big_endian(std::uint32_t number) {
  return {static_cast<char>(number >> 24), static_cast<char>(number >> 16 & 255), static_cast<char>(number >> 8 & 255),
          static_cast<char>(number & 255)};
}

// Magic number, sizes, then data.
inline std::string idx(std::vector<std::uint32_t> sizes, const std::string& data) {
  std::string bytes = big_endian(0x800 + static_cast<std::uint32_t>(sizes.size()));
  for (const std::uint32_t size : sizes) bytes += big_endian(size);
  return bytes + data;
}

// count pictures of side x side, with labels 0 to classes - 1 in turn: the brightness of a picture's rows depends on its class, and
// every pixel on a small generator, so that there is something to learn and no two pictures are alike.
inline void write_pictures(const std::string& folder, const std::string& prefix, std::uint32_t count, std::uint32_t side,
                           std::uint32_t classes) {
  std::string pixels, labels;
  std::uint32_t noise = count;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t label = i % classes;
    labels += static_cast<char>(label);
    for (std::uint32_t row = 0; row < side; ++row)
      for (std::uint32_t column = 0; column < side; ++column) {
        noise = noise * 1664525 + 1013904223;
        pixels += static_cast<char>((row % classes == label ? 160 : 20) + (noise >> 26));
      }
  }
  write_file(folder + '/' + prefix + "-images-idx3-ubyte", idx({count, side, side}, pixels));
  write_file(folder + '/' + prefix + "-labels-idx1-ubyte", idx({count}, labels));
}

inline void write_data_set(const std::string& folder, std::uint32_t train, std::uint32_t test, std::uint32_t side = 8,
                           std::uint32_t classes = 4) {
  write_pictures(folder, "train", train, side, classes);
  write_pictures(folder, "t10k", test, side, classes);
}

}  // namespace fabric::test
