local lib = import "../../../secret.libsonnet";
{ fabric: 1, program: lib.program }
