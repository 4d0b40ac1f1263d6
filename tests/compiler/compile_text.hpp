// Compiles a job from texts that a test gives, with no file of the machine being read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "compiler/compile.hpp"
#include "schema/json.hpp"

namespace fabric::test {

struct Files {
  std::map<std::string, std::string> texts;  // absolute path -> text

  Outside outside() const {
    Outside o;
    o.read_file = [texts = texts](const std::string& path) -> ReadFile {
      const auto it = texts.find(path);
      if (it == texts.end()) return {std::nullopt, "No such file or directory"};
      return {it->second, ""};
    };
    o.real_path = [texts = texts](const std::string& path) { return texts.contains(path) ? path : std::string(); };
    o.list_folder = [texts = texts](const std::string& path) {
      std::vector<std::string> names;
      for (const auto& [file, text] : texts)
        if (file.starts_with(path + '/')) names.push_back(file.substr(path.size() + 1));
      return names;
    };
    o.evaluate_jsonnet = [](const JsonnetProgram&) { return JsonnetResult{.refusal = "not in this test"}; };
    o.working_directory = "/here";
    o.worker = "/opt/fabric/bin/fabric-worker";
    o.version = "0.0.0 test";
    return o;
  }
};

// A machine with so many CPUs and GPUs of one compute capability.
inline Hardware machine(std::int64_t cpus, std::int64_t gpus = 0, std::int64_t major = 9) {
  Host host;
  host.hostname = "test";
  for (std::int64_t i = 0; i < cpus; ++i) host.cpus.push_back(i);
  host.cpus_online = cpus;
  host.memory_bytes = std::int64_t{64} << 30;
  for (std::int64_t i = 0; i < gpus; ++i)
    host.gpus.push_back({.index = i,
                         .name = "GPU",
                         .uuid = "GPU-" + std::to_string(i),
                         .memory_bytes = std::int64_t{80} << 30,
                         .compute_major = major,
                         .compute_minor = 0});
  return Hardware{1, "made up", {{1, host}}};
}

inline Compilation compile_yaml(const std::string& text, Request request = {}, const Hardware& hardware = machine(4)) {
  request.job = "/jobs/job.yaml";
  return compile(request, Files{{{"/jobs/job.yaml", text}}}.outside(), [&](const JobSpec&, Diagnostics&) { return hardware; });
}

// The codes of all diagnostics, joined by spaces.
inline std::string codes(const Compilation& c) {
  std::string text;
  for (const Diagnostic& d : c.diagnostics.all()) text += (text.empty() ? "" : " ") + d.code;
  return text;
}

// What the span of the first diagnostic with this code covers.
inline std::string blamed(const Compilation& c, const std::string& code) {
  for (const Diagnostic& d : c.diagnostics.all()) {
    if (d.code != code) continue;
    std::optional<Span> span = d.at.span;
    if (!span && d.at.path)
      if (const Origin* origin = c.origins.find(*d.at.path)) span = d.at.on_key && origin->key ? *origin->key : origin->value;
    if (!span) return "(nowhere)";
    return c.sources[span->source].text.substr(span->begin, span->end - span->begin);
  }
  return "(no " + code + ")";
}

inline const std::string train_job = R"(fabric: 1
train:
  task: image_classifier
  model: cnn
  data: /data
  optimizer: adamw
  batch_size: 128
  epochs: 3
)";

}  // namespace fabric::test
