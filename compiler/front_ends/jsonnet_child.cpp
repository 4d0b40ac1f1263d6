// The only door to libjsonnet, which is opened at run time: a login node may lack it, and nothing but a .jsonnet file asks for it.
#include <dlfcn.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
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

bool open_library(Library& library) {
  void* handle = dlopen("libjsonnet.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!handle) return false;
  const auto symbol = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, name));
    return function != nullptr;
  };
  return symbol(library.make, "jsonnet_make") && symbol(library.realloc, "jsonnet_realloc") &&
         symbol(library.evaluate, "jsonnet_evaluate_snippet") && symbol(library.import_callback, "jsonnet_import_callback") &&
         symbol(library.version, "jsonnet_version");
}

// A program may be endless, or grow without end; the limits of this process end it. The wall clock is the parent's.
void limit_resources() {
  const auto limit = [](auto resource, rlim_t value) {
    rlimit now{};
    getrlimit(resource, &now);
    const rlim_t bounded = now.rlim_max == RLIM_INFINITY ? value : std::min(value, now.rlim_max);
    const rlimit next{bounded, resource == RLIMIT_STACK ? now.rlim_max : bounded};
    setrlimit(resource, &next);
  };
  limit(RLIMIT_AS, rlim_t{512} << 20);
  limit(RLIMIT_CPU, 5);
  limit(RLIMIT_STACK, rlim_t{64} << 20);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_FSIZE, 0);
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
  return result;
}

int jsonnet_child_main() {
  const std::optional<Value> request = read_json(read_all(STDIN_FILENO));
  if (!request) return answer("refusal", "the bundle could not be read");
  limit_resources();
  Bundle bundle;
  if (!open_library(bundle.library)) return answer("refusal", "libjsonnet.so.0 is not installed (Debian: apt-get install libjsonnet0)");
  for (const Value& file : request->find("files")->as_array())
    bundle.files.emplace_back(file.as_array()[0].as_string(), file.as_array()[1].as_string());
  for (const Value& import : request->find("imports")->as_array()) {
    const std::string folder = std::filesystem::path(import.as_array()[0].as_string()).parent_path().string();
    bundle.imports[folder + "/\n" + import.as_array()[1].as_string()] = static_cast<std::size_t>(import.as_array()[2].as_integer());
  }
  bundle.vm = bundle.library.make();
  const bool old = minor_version(bundle.library.version()) < 19;
  bundle.library.import_callback(bundle.vm, old ? reinterpret_cast<void*>(&import_before_19) : reinterpret_cast<void*>(&import_since_19), &bundle);
  int failed = 0;
  const char* output = bundle.library.evaluate(bundle.vm, bundle.files[0].first.c_str(), bundle.files[0].second.c_str(), &failed);
  // The process ends here: nothing is freed.
  return answer(failed ? "error" : "json", output);
}

}  // namespace fabric
