// The names of Gloo that c10d's header mentions; the torch wheel holds Gloo's code but not its headers. Nothing here is ever
// constructed or called by us, so no layout is relied on.
#pragma once
namespace gloo::transport {
class Device;
class UnboundBuffer {
 public:
  virtual ~UnboundBuffer();
};
}  // namespace gloo::transport
