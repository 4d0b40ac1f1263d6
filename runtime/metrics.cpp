#include "runtime/metrics.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "runtime/failure.hpp"
#include "schema/json.hpp"

namespace fabric {
namespace {

constexpr std::string_view csv_header = "step,epoch,loss,lr,samples_per_s,train_loss,test_loss,accuracy\n";

struct Column {
  const char* name;
  std::optional<double> MetricsRow::*value;
};
constexpr Column columns[] = {{"loss", &MetricsRow::loss},
                              {"lr", &MetricsRow::lr},
                              {"samples_per_s", &MetricsRow::samples_per_s},
                              {"train_loss", &MetricsRow::train_loss},
                              {"test_loss", &MetricsRow::test_loss},
                              {"accuracy", &MetricsRow::accuracy}};

std::string shortest(double number) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, number).ptr);
}

std::string csv_line(const MetricsRow& row) {
  std::string line = std::to_string(row.step) + ',' + std::to_string(row.epoch);
  for (const Column& column : columns) {
    line += ',';
    if (const std::optional<double>& value = row.*column.value) line += shortest(*value);
  }
  return line + '\n';
}

std::string json_line(const MetricsRow& row) {
  Value line = Value::object();
  line.set("step", row.step);
  line.set("epoch", row.epoch);
  // JSON has no infinity and no NaN; a loss that diverged is null here and spelled out in the CSV.
  for (const Column& column : columns)
    if (const std::optional<double>& value = row.*column.value) line.set(column.name, std::isfinite(*value) ? Value(*value) : Value());
  return canonical_json(line) + '\n';
}

[[noreturn]] void fail(const std::string& path) {
  throw Failure(FailureClass::output, path + ": metrics cannot be written: " + std::strerror(errno));
}

// Where a row stands, or nullopt for a line that is no row.
struct RowPlace {
  std::int64_t step = 0;
  std::int64_t epoch = 0;
  bool ends_epoch = false;
};

std::optional<RowPlace> csv_place(const std::string& line) {
  RowPlace place;
  const char* const end = line.data() + line.size();
  const auto [after_step, bad_step] = std::from_chars(line.data(), end, place.step);
  if (bad_step != std::errc() || after_step == end || *after_step != ',') return std::nullopt;
  const auto [after_epoch, bad_epoch] = std::from_chars(after_step + 1, end, place.epoch);
  if (bad_epoch != std::errc() || after_epoch == end || *after_epoch != ',') return std::nullopt;
  place.ends_epoch = line.back() != ',';  // accuracy, the last column, is there
  return place;
}

std::optional<RowPlace> json_place(const std::string& line) {
  const std::optional<Value> row = read_json(line);
  const Value* step = row ? row->find("step") : nullptr;
  const Value* epoch = row ? row->find("epoch") : nullptr;
  if (!step || !step->is_integer() || !epoch || !epoch->is_integer()) return std::nullopt;
  return RowPlace{step->as_integer(), epoch->as_integer(), row->find("accuracy") != nullptr};
}

// The whole lines of the file at path that a run resumed there keeps.
std::string kept_lines(const std::string& path, MetricsPosition resumed, std::optional<RowPlace> (*place_of)(const std::string&)) {
  std::ifstream file(path, std::ios::binary);
  std::string kept;
  for (std::string line; std::getline(file, line) && !file.eof();) {  // a last line without its end was torn
    const std::optional<RowPlace> row = place_of(line);
    if (row && row->step <= resumed.step && !(row->ends_epoch && row->epoch > resumed.epochs_finished)) kept += line + '\n';
  }
  return kept;
}

void write_all(int fd, const std::string& path, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

// The file with this content, open for appending. Replaced by rename: a reader sees the old rows or the new ones.
int start_file(const std::string& path, const std::string& content) {
  const std::string temporary = path + ".new";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) fail(path);
  try {
    write_all(fd, path, content);
    if (std::rename(temporary.c_str(), path.c_str()) != 0) fail(path);
  } catch (...) {
    ::unlink(temporary.c_str());
    ::close(fd);
    throw;
  }
  return fd;
}

}  // namespace

MetricsFiles::MetricsFiles(const std::string& folder, std::optional<MetricsPosition> resumed)
    : csv_path_(folder + "/metrics.csv"), jsonl_path_(folder + "/metrics.jsonl") {
  csv_ = start_file(csv_path_, std::string(csv_header) + (resumed ? kept_lines(csv_path_, *resumed, csv_place) : ""));
  jsonl_ = start_file(jsonl_path_, resumed ? kept_lines(jsonl_path_, *resumed, json_place) : "");
}

MetricsFiles::~MetricsFiles() {
  if (csv_ >= 0) ::close(csv_);
  if (jsonl_ >= 0) ::close(jsonl_);
}

void MetricsFiles::write(const MetricsRow& row) {
  write_all(csv_, csv_path_, csv_line(row));
  write_all(jsonl_, jsonl_path_, json_line(row));
}

}  // namespace fabric
