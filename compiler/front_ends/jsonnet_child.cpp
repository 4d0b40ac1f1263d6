// The only door to libjsonnet, which is opened at run time: a login node may lack it, and nothing but a .jsonnet file asks for it.
#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "compiler/front_ends/jsonnet.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

// libjsonnet.h, as far as it is used.
struct JsonnetVm;
using ImportBefore19 = char*(void*, const char*, const char*, char**, int*);
using ImportSince19 = int(void*, const char*, const char*, char**, char**, std::size_t*);

struct Library {
  JsonnetVm* (*make)();
  char* (*realloc)(JsonnetVm*, char*, std::size_t);
  char* (*evaluate)(JsonnetVm*, const char*, const char*, int*);
  void (*import_callback)(JsonnetVm*, void*, void*);
  const char* (*version)();
};

struct Bundle {
  Library library{};
  JsonnetVm* vm = nullptr;
  std::vector<std::pair<std::string, std::string>> files;
  std::map<std::string, std::size_t> imports;  // folder of the importing file, a newline, text of the import
};

char* copy(const Bundle& bundle, const std::string& text, bool terminated) {
  char* out = bundle.library.realloc(bundle.vm, nullptr, text.size() + (terminated ? 1 : 0));
  std::memcpy(out, text.data(), text.size());
  if (terminated) out[text.size()] = '\0';
  return out;
}

// base is the folder of the importing file with a slash at its end.
const std::pair<std::string, std::string>* find_import(const Bundle& bundle, const char* base, const char* name) {
  const auto it = bundle.imports.find(std::string(base) + '\n' + name);
  return it == bundle.imports.end() ? nullptr : &bundle.files[it->second];
}

char* import_before_19(void* context, const char* base, const char* name, char** found, int* success) {
  const Bundle& bundle = *static_cast<const Bundle*>(context);
  const auto* file = find_import(bundle, base, name);
  *success = file != nullptr;
  if (!file) return copy(bundle, "not among the files of this job", true);
  *found = copy(bundle, file->first, true);
  return copy(bundle, file->second, true);
}

int import_since_19(void* context, const char* base, const char* name, char** found, char** text, std::size_t* size) {
  const Bundle& bundle = *static_cast<const Bundle*>(context);
  const auto* file = find_import(bundle, base, name);
  const std::string content = file ? file->second : "not among the files of this job";
  *text = copy(bundle, content, false);
  *size = content.size();
  if (!file) return 1;
  *found = copy(bundle, file->first, true);
  return 0;
}

bool open_library(const char* file, Library& library) {
  void* handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return false;
  const auto symbol = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, name));
    return function != nullptr;
  };
  return symbol(library.make, "jsonnet_make") && symbol(library.realloc, "jsonnet_realloc") &&
         symbol(library.evaluate, "jsonnet_evaluate_snippet") && symbol(library.import_callback, "jsonnet_import_callback") &&
         symbol(library.version, "jsonnet_version");
}

constexpr rlim_t memory_limit_mib = 512;
constexpr rlim_t cpu_limit_seconds = 5;
constexpr rlim_t stack_limit_mib = 64;

// A program may be endless, or grow without end; the limits of this process end it. The wall clock is the parent's.
void limit_resources() {
  const auto limit = [](auto resource, rlim_t soft, rlim_t hard) {
    rlimit now{};
    getrlimit(resource, &now);
    const rlimit next{std::min(soft, now.rlim_max), std::min(hard, now.rlim_max)};
    setrlimit(resource, &next);
  };
#ifndef __SANITIZE_ADDRESS__
  // The address sanitizer reserves far more.
  limit(RLIMIT_AS, memory_limit_mib << 20, memory_limit_mib << 20);
#endif
  // At the soft limit SIGXCPU says why.
  limit(RLIMIT_CPU, cpu_limit_seconds, cpu_limit_seconds + 1);
  limit(RLIMIT_STACK, stack_limit_mib << 20, RLIM_INFINITY);
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_FSIZE, 0, 0);
  // Too deep a nesting ends by SIGSEGV, and the parent says so; the address sanitizer would make an exit code of it.
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT}) ::signal(signal, SIG_DFL);
  // No file is opened from here on.
  limit(RLIMIT_NOFILE, 3, 3);
}

std::string read_all(int fd) {
  std::string text;
  char buffer[65536];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;) text.append(buffer, static_cast<std::size_t>(n));
  return text;
}

int answer(const char* key, const std::string& text) {
  Value out = Value::object();
  out.set(key, text);
  const std::string bytes = canonical_json(out);
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data() + done, bytes.size() - done);
    if (n <= 0) return 1;
    done += static_cast<std::size_t>(n);
  }
  return 0;
}

// "v0.18.0" is 18.
int minor_version(const char* version) {
  const char* dot = std::strchr(version, '.');
  return dot ? std::atoi(dot + 1) : 0;
}

}  // namespace

std::string encode_jsonnet_program(const JsonnetProgram& program) {
  Value files = Value::array();
  for (const auto& [path, text] : program.files) files.as_array().push_back(Value(Value::Array{Value(path), Value(text)}));
  Value imports = Value::array();
  for (const auto& [importer, text, file] : program.imports)
    imports.as_array().push_back(Value(Value::Array{Value(importer), Value(text), Value(static_cast<std::int64_t>(file))}));
  Value out = Value::object();
  out.set("files", std::move(files));
  out.set("imports", std::move(imports));
  return canonical_json(out);
}

std::optional<JsonnetResult> decode_jsonnet_result(const std::string& bytes) {
  const std::optional<Value> value = read_json(bytes);
  if (!value || !value->is_object()) return std::nullopt;
  JsonnetResult result;
  if (const Value* json = value->find("json")) result.json = json->as_string();
  if (const Value* error = value->find("error")) result.error = error->as_string();
  if (const Value* refusal = value->find("refusal")) result.refusal = refusal->as_string();
  if (const Value* missing = value->find("missing")) {
    result.refusal = missing->as_string() + " cannot be opened";
    result.help = "install libjsonnet (Debian: apt-get install libjsonnet0), name its file in FABRIC_LIBJSONNET, or write the job in YAML";
  }
  return result;
}

std::string why_jsonnet_ended(int signal) {
  switch (signal) {
    case SIGXCPU:
    case SIGKILL: return "it took more than " + std::to_string(cpu_limit_seconds) + " s of CPU time";
    case SIGABRT: return "it needed more than " + std::to_string(memory_limit_mib) + " MiB of memory";
    case SIGSEGV:
    case SIGBUS: return "its brackets or operators nest too deeply";
    default: return "";
  }
}

int jsonnet_child_main(const char* library) {
  const std::optional<Value> request = read_json(read_all(STDIN_FILENO));
  if (!request) return answer("refusal", "the bundle could not be read");
  Bundle bundle;
  if (!open_library(library, bundle.library)) return answer("missing", library);
  limit_resources();
  for (const Value& file : request->find("files")->as_array())
    bundle.files.emplace_back(file.as_array()[0].as_string(), file.as_array()[1].as_string());
  for (const Value& import : request->find("imports")->as_array()) {
    const std::string folder = std::filesystem::path(import.as_array()[0].as_string()).parent_path().string();
    bundle.imports[folder + "/\n" + import.as_array()[1].as_string()] = static_cast<std::size_t>(import.as_array()[2].as_integer());
  }
  bundle.vm = bundle.library.make();
  const bool old = minor_version(bundle.library.version()) < 19;
  bundle.library.import_callback(bundle.vm, old ? reinterpret_cast<void*>(&import_before_19) : reinterpret_cast<void*>(&import_since_19),
                                 &bundle);
  int failed = 0;
  const char* output = bundle.library.evaluate(bundle.vm, bundle.files[0].first.c_str(), bundle.files[0].second.c_str(), &failed);
  // The process ends here: nothing is freed, and nothing that runs at exit meets the limits.
  std::_Exit(answer(failed ? "error" : "json", output));
}

}  // namespace fabric
