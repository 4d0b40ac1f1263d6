// All rounds of a storm on clusters of a kind: each side of it has one of its own.
#pragma once

#include <memory>
#include <sstream>

#include "tests/clusters/cluster.hpp"
#include "tests/clusters/cluster_storm.hpp"
#include "tests/launch_backends/storm.hpp"

namespace fabric::testing {

template <class C>
void rage_over(const Scene& scene, const typename C::Options& options) {
  if (left_out(C::missing(options))) return;
  test::rage({.share = 3,
              .describe =
                  [&scene](unsigned seed) {
                    std::ostringstream text;
                    text << round_of(seed, scene);
                    return text.str();
                  },
              .begin =
                  [&scene, &options] {
                    const auto cluster = std::make_shared<C>(options);
                    return [cluster, &scene](unsigned seed, std::ostream& complaints) {
                      return weather(round_of(seed, scene), scene, *cluster, complaints);
                    };
                  }});
}

}  // namespace fabric::testing
