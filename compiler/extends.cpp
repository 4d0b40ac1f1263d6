#include "compiler/extends.hpp"

#include <algorithm>
#include <set>

#include "schema/spelling.hpp"

namespace fabric {
namespace {

constexpr std::string_view site_mark = "site:";
constexpr std::string_view extends_in_words = "a path, `site:NAME`, or a list of these";
constexpr std::string_view site_endings[] = {".yaml", ".jsonnet"};

bool is_site(const std::string& reference) { return reference.starts_with(site_mark); }

bool is_site_name(const std::string& name) {
  constexpr std::string_view digits_and_letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const std::string_view plain(name);
  return !plain.empty() && digits_and_letters.find(plain.front()) != std::string_view::npos && plain.find("..") == std::string_view::npos &&
         std::all_of(plain.begin(), plain.end(),
                     [&](char c) { return digits_and_letters.find(c) != std::string_view::npos || c == '.' || c == '-' || c == '_'; });
}

std::string joined_words(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : between).append(word);
  return text;
}

// The names of all sites, each once.
std::vector<std::string> known_sites(const Outside& outside) {
  std::set<std::string> names;
  for (const std::string& folder : site_folders(outside))
    for (const std::string& file : outside.list_folder ? outside.list_folder(folder) : std::vector<std::string>())
      for (const std::string_view ending : site_endings)
        if (file.ends_with(ending) && is_site_name(file.substr(0, file.size() - ending.size())))
          names.insert(file.substr(0, file.size() - ending.size()));
  return {names.begin(), names.end()};
}

// One `extends`: what it names, and where each name stands.
struct Reference {
  std::string text;
  Path path;
};

std::optional<std::vector<Reference>> references_of(const Value& value, const Path& at) {
  const Value* extends = value.find("extends");
  std::vector<Reference> references;
  if (!extends || extends->is_null()) return references;
  if (extends->is_string() && !extends->as_string().empty()) return std::vector{Reference{extends->as_string(), at / "extends"}};
  if (!extends->is_array()) return std::nullopt;
  for (std::size_t i = 0; i < extends->as_array().size(); ++i) {
    const Value& item = extends->as_array()[i];
    if (!item.is_string() || item.as_string().empty()) return std::nullopt;
    references.push_back({item.as_string(), at / "extends" / i});
  }
  return references;
}

class Below {
 public:
  explicit Below(const Reading& reading) : reading_(reading), folders_(site_folders(reading.outside)) {}

  // Everything under value, which is a part of the file `within`.
  void visit(const Value& value, const Path& at, const SourceMap& origins, const JobFile& within, bool of_a_site) {
    const std::optional<std::vector<Reference>> references = references_of(value, at);
    if (!references) return;  // the schema says what is wrong with it
    way_.push_back({real(within.path), shown(within.path)});
    for (const Reference& reference : *references) read(reference, place_of(reference, origins), within, of_a_site);
    way_.pop_back();
  }

  std::optional<std::vector<Extended>> result() {
    if (failed_) return std::nullopt;
    std::move(files_.begin(), files_.end(), std::back_inserter(sites_));
    return std::move(sites_);
  }

 private:
  struct Asked {
    Place at;
    std::optional<Span> text;  // what stands there, with its quotes; nothing where Jsonnet computed it
  };

  Asked place_of(const Reference& reference, const SourceMap& origins) const {
    Path found;
    const Origin* origin = origins.nearest(reference.path, found);
    if (!origin) return {Place(reference.path), std::nullopt};
    Place at = origin->value;
    at.path = reference.path;
    if (origin->computed) {
      // The whole program would be underlined: its first line stands for it.
      const std::string& text = reading_.sources[origin->value.source].text;
      at.span->end = static_cast<std::uint32_t>(std::min(text.size(), text.find('\n')));
    }
    return {std::move(at), origin->computed ? std::nullopt : std::optional(origin->value)};
  }

  void fail(Diagnostic d) {
    failed_ = true;
    reading_.diagnostics.add(std::move(d));
  }

  // Sites belong to nobody's working directory: their way from there says nothing.
  std::string shown(const std::string& path) const {
    const std::string from_here = shown_from(reading_.outside.working_directory, path);
    const bool of_sites = std::any_of(folders_.begin(), folders_.end(), [&](const std::string& f) { return path.starts_with(f); });
    return of_sites && from_here.starts_with("..") ? path : from_here;
  }
  std::vector<std::string> shown(std::vector<std::string> paths) const {
    for (std::string& path : paths) path = shown(path);
    return paths;
  }

  std::string real(const std::string& path) const {
    const std::string resolved = reading_.outside.real_path ? reading_.outside.real_path(path) : "";
    return resolved.empty() ? path : resolved;
  }

  void read(const Reference& reference, const Asked& asked, const JobFile& within, bool of_a_site) {
    const bool site = is_site(reference.text);
    const std::optional<std::string> path = site ? find_site(reference.text.substr(site_mark.size()), asked) : reference.text;
    if (!path) return;
    const std::string name = site ? reference.text : shown(*path);
    const std::string identity = real(*path);
    const auto above = std::find_if(way_.begin(), way_.end(), [&](const Step& step) { return step.identity == identity; });
    if (above != way_.end()) return refuse_circle(above, asked);
    if (!done_.insert(identity).second) return;

    const ReadFile text = reading_.outside.read_file(*path);
    if (!text.text)
      return fail({.code = "FAB0004",
                   .message = "cannot read " + shown(*path) + ": " + text.error,
                   .at = asked.at,
                   .label = "is to lie under " + shown(within.path),
                   .help = site ? "mend the site's file, or leave it out"
                                : "a relative path counts from the folder of the file in which it stands; a site is written site:NAME"});
    Extended extended{name, {}};
    if (!read_job_file(*path, *text.text, shown(*path), asked.at, reading_, extended.file)) {
      failed_ = true;
      return;
    }
    JobFile& file = extended.file;
    if (!references_of(file.value, Path())) return refuse_kind(file);
    visit(file.value, Path(), file.origins, file, of_a_site || site);
    file.value.erase("extends");
    mark_computed(file);
    (of_a_site || site ? sites_ : files_).push_back(std::move(extended));
  }

  // The file of a site.
  std::optional<std::string> find_site(const std::string& name, const Asked& asked) {
    if (!is_site_name(name)) {
      fail({.code = "FAB0006",
            .message = "`" + name + "` is not the name of a site",
            .at = asked.at,
            .label = "not a name",
            .help = "a name has letters, digits, dots, dashes and underscores; a file elsewhere is named by its path, without `site:`"});
      return std::nullopt;
    }
    for (const std::string& folder : folders_) {
      std::vector<std::string> found;
      for (const std::string_view ending : site_endings) {
        const std::string path = folder + '/' + name + std::string(ending);
        if (reading_.outside.real_path && !reading_.outside.real_path(path).empty()) found.push_back(path);
      }
      if (found.size() > 1) {
        fail({.code = "FAB0008",
              .message = "two files are the site `" + name + "`",
              .at = asked.at,
              .label = "which of them?",
              .help = "remove one of " + joined_words(shown(found), " and ")});
        return std::nullopt;
      }
      if (!found.empty()) return found.front();
    }
    refuse_unknown(name, asked);
    return std::nullopt;
  }

  void refuse_unknown(const std::string& name, const Asked& asked) {
    const std::vector<std::string> known = known_sites(reading_.outside), folders = shown(folders_);
    Diagnostic d{.code = "FAB0005", .message = "there is no site `" + name + "`", .at = asked.at, .label = "not found"};
    const std::optional<std::string> meant = closest(name, known);
    if (meant) {
      d.help = "did you mean `site:" + *meant + "`?";
      if (asked.text) {
        const char first = reading_.sources[asked.text->source].text[asked.text->begin];
        const std::string quote = first == '"' || first == '\'' ? std::string(1, first) : "";
        d.fix = Fix{*asked.text, quote + std::string(site_mark) + *meant + quote};
      }
    } else {
      d.help = "write " + folders.front() + '/' + name + ".yaml, which holds any part of a job" +
               (known.empty() ? "" : ", or name one that is there");
    }
    d.notes.push_back({known.empty() ? "no site is there" : "the sites are: " + joined_words(known, ", "), {}});
    d.notes.push_back({"looked for " + name + ".yaml and " + name + ".jsonnet in " + joined_words(folders, ", then in "), {}});
    fail(std::move(d));
  }

  // The schema judges the job alone, and there another `extends` may stand over this one.
  void refuse_kind(const JobFile& file) {
    fail({.code = "FAB2002",
          .message = "extends: expected " + std::string(extends_in_words) + ", found " +
                     std::string(kind_name(file.value.find("extends")->kind())),
          .at = place_of({"", "extends"}, file.origins).at,
          .label = "expected " + std::string(extends_in_words),
          .help = "see `fabric explain extends`"});
  }

  struct Step {
    std::string identity;
    std::string shown;
  };

  void refuse_circle(std::vector<Step>::const_iterator first, const Asked& asked) {
    std::string circle;
    for (auto step = first; step != way_.end(); ++step) circle += step->shown + " extends ";
    fail({.code = "FAB0007",
          .message = "`extends` goes in a circle: " + circle + first->shown,
          .at = asked.at,
          .label = "leads back",
          .help = "take out one of these `extends`; what both need goes into a file of its own"});
  }

  const Reading& reading_;
  const std::vector<std::string> folders_;  // of sites
  std::vector<Extended> sites_, files_;
  std::vector<Step> way_;       // from the job to the file that is being read
  std::set<std::string> done_;  // files that have their place
  bool failed_ = false;
};

}  // namespace

std::vector<std::string> site_folders(const Outside& outside) {
  std::vector<std::string> folders;
  const auto variable = [&](const char* name) { return outside.environment ? outside.environment(name) : std::string(); };
  const std::string config = variable("XDG_CONFIG_HOME"), home = variable("HOME");
  // A relative one is to be ignored, says the XDG Base Directory Specification.
  if (config.starts_with('/')) folders.push_back(config + "/fabric/sites");
  else if (home.starts_with('/')) folders.push_back(home + "/.config/fabric/sites");
  folders.push_back("/etc/fabric/sites");
  return folders;
}

std::optional<std::vector<Extended>> read_extended(const Value& value, const Path& at, const SourceMap& origins, const JobFile& within,
                                                   const Reading& reading) {
  Below below(reading);
  below.visit(value, at, origins, within, false);
  return below.result();
}

}  // namespace fabric
