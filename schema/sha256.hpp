// SHA-256 (FIPS 180-4) by OpenSSL's libcrypto. The only door to it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace fabric {

std::string sha256_hex(std::string_view bytes);  // 64 lower-case hex digits

// The same over bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(const void* bytes, std::size_t size);
  std::string hex();  // ends it

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fabric
