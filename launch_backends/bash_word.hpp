// Text as one word of a bash script: bash reads exactly these bytes again, whatever they are (but NUL, which no word can hold) and whatever
// its locale.
#pragma once

#include <string>
#include <string_view>

namespace fabric {

std::string bash_word(std::string_view text);

}  // namespace fabric
