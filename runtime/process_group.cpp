#include "runtime/process_group.hpp"

#include <arpa/inet.h>
#include <c10/util/Exception.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "runtime/cuda/cuda_module.hpp"
#include "runtime/failure.hpp"

namespace fabric {
namespace {

[[noreturn]] void peers_are_lost(const std::string& during, const std::exception& error) {
  throw Failure(FailureClass::communication, during + ": " + first_line(error) + "; look for the rank that ended first");
}

// Our own address on the way to `main`. Gloo would otherwise look up the host name, which in a container is often an address that
// no peer can reach. Connecting a UDP socket sends nothing: the kernel only chooses the route.
std::string address_towards(const std::string& main, std::int64_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(main.c_str(), std::to_string(port).c_str(), &hints, &found))
    throw Failure(FailureClass::communication, "MASTER_ADDR '" + main + "' has no address: " + ::gai_strerror(error));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> release(found, ::freeaddrinfo);
  std::string why = "no address";
  for (const addrinfo* at = found; at; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    const bool ok = ::connect(fd, at->ai_addr, at->ai_addrlen) == 0 && ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0;
    if (!ok) why = std::strerror(errno);
    ::close(fd);
    char text[NI_MAXHOST];
    if (ok && ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0) return text;
  }
  throw Failure(FailureClass::communication, "there is no way to MASTER_ADDR '" + main + "': " + why);
}

std::chrono::milliseconds milliseconds(Duration duration) {
  // c10d adds it to a clock of nanoseconds in 64 bits: longer than 30 years is 30 years.
  return std::chrono::milliseconds(std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(duration.seconds, 1e9) * 1000)));
}

}  // namespace

std::string first_line(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

bool is_communication_error(const std::exception& error) {
  if (dynamic_cast<const c10::DistError*>(&error)) return true;
  if (const auto* failure = dynamic_cast<const Failure*>(&error)) return failure->failure_class == FailureClass::communication;
  // Gloo throws plain runtime errors, with the place in its source in front.
  const std::string text = error.what();
  for (const char* sign : {"third_party/gloo", "Connection closed by peer", "Connection reset by peer", "Broken pipe"})
    if (text.find(sign) != std::string::npos) return true;
  return false;
}

struct PendingSum::State {
  c10::intrusive_ptr<c10d::Work> work;
};

void PendingSum::wait() {
  if (!state_) return;
  try {
    state_->work->wait();
  } catch (const std::exception& error) {
    peers_are_lost("a sum over all ranks failed", error);
  }
  state_.reset();
}

struct RankGroup::State {
  c10::intrusive_ptr<c10d::TCPStore> meeting_point;
  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  c10::intrusive_ptr<c10d::Backend> nccl;  // with CUDA
};

RankGroup::RankGroup(const RankEnvironment& place, at::Device device, Duration timeout) : rank_(place.rank), size_(place.world_size) {
  if (size_ == 1) return;
  state_ = std::make_unique<State>();
  const int rank = static_cast<int>(rank_);
  const int size = static_cast<int>(size_);
  try {
    c10d::TCPStoreOptions meeting;
    meeting.port = static_cast<std::uint16_t>(place.main_port);
    meeting.isServer = rank == 0;
    meeting.numWorkers = static_cast<std::size_t>(size);
    meeting.waitWorkers = false;  // the group waits anyway
    meeting.timeout = milliseconds(timeout);
    meeting.masterListenFd = place.store_fd;
    state_->meeting_point = c10::make_intrusive<c10d::TCPStore>(place.main_address, meeting);
    // Keys of an earlier attempt, should its store still live, are not ours.
    state_->store = c10::make_intrusive<c10d::PrefixStore>("attempt-" + std::to_string(place.attempt), state_->meeting_point);

    const auto options = c10d::ProcessGroupGloo::Options::create(milliseconds(timeout));
    options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname(address_towards(place.main_address, place.main_port)));
    options->threads = 2;
    state_->group = c10::make_intrusive<c10d::ProcessGroup>(state_->store, rank, size);
    state_->group->setBackend(
        c10::DeviceType::CPU, c10d::ProcessGroup::BackendType::GLOO,
        c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", state_->store), rank, size, options));
    state_->group->setDefaultBackend(c10d::ProcessGroup::BackendType::GLOO);
    if (device.is_cuda()) {
      state_->nccl = make_nccl_backend(c10::make_intrusive<c10d::PrefixStore>("nccl", state_->store), rank, size, milliseconds(timeout));
      state_->group->setBackend(c10::DeviceType::CUDA, c10d::ProcessGroup::BackendType::NCCL, state_->nccl);
      state_->group->setDefaultBackend(c10d::ProcessGroup::BackendType::NCCL);
    }
    state_->group->setGroupName("world");
  } catch (const Failure&) {
    throw;
  } catch (const std::exception& error) {
    peers_are_lost("the ranks did not meet at " + place.main_address + ':' + std::to_string(place.main_port), error);
  }
}

RankGroup::~RankGroup() = default;
RankGroup::RankGroup(RankGroup&&) noexcept = default;

PendingSum RankGroup::begin_sum(const at::Tensor& tensor) {
  PendingSum pending;
  if (size_ == 1) return pending;
  std::vector<at::Tensor> tensors{tensor};
  try {
    // The backend and not the group's front: the dispatcher adds nothing here but its time.
    pending.state_ = std::make_shared<PendingSum::State>();
    pending.state_->work = state_->group->getBackend(tensor.device().type())->allreduce(tensors);
  } catch (const std::exception& error) {
    peers_are_lost("a sum over all ranks could not begin", error);
  }
  return pending;
}

const c10::intrusive_ptr<c10d::ProcessGroup>& RankGroup::handle() const { return state_->group; }

void RankGroup::leave() {
  if (size_ == 1) return;
  try {
    // In the same order on all ranks, and before CUDA's own teardown.
    if (state_->nccl) state_->nccl->shutdown();
    c10d::Store& store = *state_->store;
    const std::vector<std::uint8_t> yes{'1'};
    if (store.add("leaving", 1) == size_) store.set("all are leaving", yes);
    store.wait({"all are leaving"});
    // Rank 0 serves the store, so it goes last.
    if (rank_ != 0) {
      if (store.add("left", 1) == size_ - 1) store.set("all have left", yes);
    } else {
      store.wait({"all have left"});
    }
  } catch (const std::exception& error) {
    peers_are_lost("the ranks did not part in order", error);
  }
}

}  // namespace fabric
