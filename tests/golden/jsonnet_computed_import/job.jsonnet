local name = "lib.libsonnet";
(import name) + {}
