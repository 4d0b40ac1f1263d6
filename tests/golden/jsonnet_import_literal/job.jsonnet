local lib = import "defaults.libsonnet";
lib + { program: ["hostname"] }
