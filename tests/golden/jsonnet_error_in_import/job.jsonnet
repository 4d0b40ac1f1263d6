local lib = import "lib/ranks.libsonnet";
{ fabric: 1, devices: lib.ranks(0), program: ["hostname"] }
