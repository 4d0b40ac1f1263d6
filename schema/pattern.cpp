#include "schema/pattern.hpp"

#include <re2/re2.h>

namespace fabric {
namespace {

re2::RE2::Options quiet() {
  re2::RE2::Options options;
  options.set_log_errors(false);
  return options;
}

}  // namespace

Pattern::Pattern(std::string_view text) : compiled_(std::make_unique<re2::RE2>(re2::StringPiece(text.data(), text.size()), quiet())) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

std::string Pattern::error() const { return compiled_->ok() ? "" : compiled_->error(); }

bool Pattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

}  // namespace fabric
