// The numbers of a training run on disk, RUN/metrics.csv and RUN/metrics.jsonl, the same rows in both. A row a step counts
// optimizer steps from 1; a row an epoch stands at the step that ended it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace fabric {

struct MetricsRow {
  std::int64_t step = 0;
  std::int64_t epoch = 0;      // counted from 1
  std::optional<double> loss;  // mean over the samples of this step, over all ranks
  std::optional<double> lr;
  std::optional<double> samples_per_s;  // of all ranks together, since the row before
  std::optional<double> train_loss;     // mean over the samples of the epoch
  std::optional<double> test_loss;
  std::optional<double> accuracy;  // 0 to 1, on the test set
};

// Where a resumed run goes on. Rows of later steps, and of epochs that were not finished there, are cut: the run writes them again.
struct MetricsPosition {
  std::int64_t step = 0;
  std::int64_t epochs_finished = 0;
};

class MetricsFiles {
 public:
  // Opens both files in folder; nullopt starts anew. Throws Failure(output) with the path.
  MetricsFiles(const std::string& folder, std::optional<MetricsPosition> resumed);
  ~MetricsFiles();
  MetricsFiles(const MetricsFiles&) = delete;
  MetricsFiles& operator=(const MetricsFiles&) = delete;

  // Each row is on disk's page cache when this returns. Throws Failure(output).
  void write(const MetricsRow& row);

 private:
  std::string csv_path_, jsonl_path_;
  int csv_ = -1, jsonl_ = -1;
};

}  // namespace fabric
