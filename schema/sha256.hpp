// SHA-256 (FIPS 180-4) by OpenSSL's libcrypto. The only door to it.
#pragma once

#include <string>
#include <string_view>

namespace fabric {

std::string sha256_hex(std::string_view bytes);  // 64 lower-case hex digits

}  // namespace fabric
