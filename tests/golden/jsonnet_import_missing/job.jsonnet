local lib = import "lib.libsonnet";
{ fabric: 1, program: lib.program }
