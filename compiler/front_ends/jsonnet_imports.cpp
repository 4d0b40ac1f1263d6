#include <algorithm>
#include <cctype>
#include <filesystem>

#include "compiler/front_ends/jsonnet_parts.hpp"
#include "compiler/front_ends/source_text.hpp"
#include "schema/sha256.hpp"

namespace fabric {
namespace {

constexpr std::size_t file_limit = 256;
constexpr std::size_t byte_limit = std::size_t{64} << 20;

bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

}  // namespace

std::vector<JsonnetToken> tokenize_jsonnet(std::string_view text) {
  std::vector<JsonnetToken> tokens;
  std::size_t i = 0;
  const auto push = [&](JsonnetToken::Kind kind, std::size_t begin, std::size_t end, std::string meaning) {
    tokens.push_back({kind, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), std::move(meaning), false});
  };
  while (i < text.size()) {
    const char c = text[i];
    if (std::isspace(static_cast<unsigned char>(c))) {
      ++i;
    } else if (c == '#' || text.substr(i, 2) == "//") {
      i = std::min(text.find('\n', i), text.size());
    } else if (text.substr(i, 2) == "/*") {
      const std::size_t end = text.find("*/", i + 2);
      i = end == std::string_view::npos ? text.size() : end + 2;
    } else if (text.substr(i, 3) == "|||") {
      std::size_t end = text.find("\n", i);
      // The block ends at a line that holds ||| after its indent.
      while (end != std::string_view::npos) {
        std::size_t at = end + 1;
        while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
        if (text.substr(at, 3) == "|||") {
          end = at + 3;
          break;
        }
        end = text.find('\n', at);
      }
      if (end == std::string_view::npos) return tokens;
      push(JsonnetToken::Kind::string, i, end, std::string(text.substr(i, end - i)));
      i = end;
    } else if (c == '"' || c == '\'' || (c == '@' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\''))) {
      const bool verbatim = c == '@';
      const std::size_t begin = i;
      const char quote = text[verbatim ? i + 1 : i];
      std::string meaning;
      bool plain = true;
      for (i += verbatim ? 2 : 1;; ++i) {
        if (i >= text.size()) return tokens;
        if (text[i] == quote) {
          if (verbatim && i + 1 < text.size() && text[i + 1] == quote) ++i;
          else break;
        } else if (!verbatim && text[i] == '\\' && i + 1 < text.size()) {
          ++i;
          plain = false;
        }
        meaning += text[i];
      }
      ++i;
      push(JsonnetToken::Kind::string, begin, i, std::move(meaning));
      tokens.back().plain = plain;
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      const std::size_t begin = i;
      while (i < text.size() &&
             (word_char(text[i]) || text[i] == '.' || ((text[i] == '-' || text[i] == '+') && (text[i - 1] == 'e' || text[i - 1] == 'E'))))
        ++i;
      push(JsonnetToken::Kind::number, begin, i, std::string(text.substr(begin, i - begin)));
    } else if (word_char(c)) {
      const std::size_t begin = i;
      while (i < text.size() && word_char(text[i])) ++i;
      push(JsonnetToken::Kind::word, begin, i, std::string(text.substr(begin, i - begin)));
    } else {
      push(JsonnetToken::Kind::sign, i, i + 1, std::string(1, c));
      ++i;
    }
  }
  return tokens;
}

std::optional<GatheredJsonnet> gather_jsonnet(Sources& sources, std::uint32_t source, const std::string& path, const Outside& outside,
                                              std::vector<Input>& inputs, Diagnostics& diagnostics) {
  GatheredJsonnet gathered;
  JsonnetProgram& program = gathered.program;
  const std::string real = outside.real_path(path);
  program.main = real.empty() ? path : real;
  program.files.emplace_back(program.main, sources[source].text);
  gathered.sources.push_back(source);
  const std::string root = std::filesystem::path(program.main).parent_path().string();
  std::size_t bytes = sources[source].text.size();
  bool good = true;
  std::vector<std::size_t> programs{0};  // files that are code; what importstr names is text
  const auto be_program = [&](std::size_t file) {
    if (std::find(programs.begin(), programs.end(), file) != programs.end()) return;
    programs.push_back(file);
    good &= check_source_text(sources, gathered.sources[file], 0, diagnostics);
  };

  for (std::size_t p = 0; p < programs.size(); ++p) {
    const std::size_t f = programs[p];
    const std::string importer = program.files[f].first;
    const std::string folder = std::filesystem::path(importer).parent_path().string();
    const auto refuse = [&](const char* code, std::string message, const JsonnetToken& at, std::string help) {
      diagnostics.add({.code = code,
                       .message = std::move(message),
                       .at = Span{gathered.sources[f], at.begin, at.end},
                       .label = "imported here",
                       .help = std::move(help)});
      good = false;
    };
    const std::vector<JsonnetToken> tokens = tokenize_jsonnet(program.files[f].second);
    for (std::size_t t = 0; t + 1 < tokens.size(); ++t) {
      if (tokens[t].kind != JsonnetToken::Kind::word || !tokens[t].text.starts_with("import")) continue;
      if (tokens[t].text != "import" && tokens[t].text != "importstr" && tokens[t].text != "importbin") continue;
      // `import` as a field name or after a dot is a name.
      if (t > 0 && tokens[t - 1].text == ".") continue;
      if (tokens[t + 1].text == ":" && tokens[t + 1].kind == JsonnetToken::Kind::sign) continue;
      const JsonnetToken& name = tokens[t + 1];
      if (tokens[t].text == "importbin" || name.kind != JsonnetToken::Kind::string) {
        refuse("FAB1003", tokens[t].text == "importbin" ? "importbin is not taken" : "the name of an import is a plain string", tokens[t],
               "write `import \"file.libsonnet\"`");
        continue;
      }
      const std::string wanted = (std::filesystem::path(folder) / name.text).lexically_normal().string();
      const std::string found = outside.real_path(wanted);
      if (found.empty()) {
        refuse("FAB1001", "cannot find the import `" + name.text + "`", name, "it counts from the folder of the importing file: " + folder);
        continue;
      }
      if (!found.starts_with(root + '/')) {
        refuse("FAB1002", "the import `" + name.text + "` leads out of the job's folder", name, "put the file below " + root);
        continue;
      }
      auto known = std::find_if(program.files.begin(), program.files.end(), [&](const auto& file) { return file.first == found; });
      if (known == program.files.end()) {
        const ReadFile file = outside.read_file(found);
        if (!file.text) {
          refuse("FAB1001", "cannot read the import `" + name.text + "`: " + file.error, name, "check its permissions");
          continue;
        }
        bytes += file.text->size();
        if (program.files.size() >= file_limit || bytes > byte_limit) {
          refuse("FAB1004", "the program imports more than " + std::to_string(file_limit) + " files or 64 MiB", name, "import less");
          return std::nullopt;
        }
        inputs.push_back({found, sha256_hex(*file.text)});
        program.files.emplace_back(found, *file.text);
        gathered.sources.push_back(
            sources.add({std::filesystem::path(found).lexically_proximate(outside.working_directory).string(), *file.text}));
        known = program.files.end() - 1;
      }
      const std::size_t index = static_cast<std::size_t>(known - program.files.begin());
      // libjsonnet before 0.19 would stop at a NUL without a word.
      if (tokens[t].text == "importstr" && known->second.find('\0') != std::string::npos)
        refuse("FAB1003", "the text `" + name.text + "` holds a NUL byte", name, "import text only");
      program.imports.emplace_back(importer, name.text, index);
      if (tokens[t].text == "import") be_program(index);
    }
  }
  if (!good) return std::nullopt;
  return gathered;
}

}  // namespace fabric
