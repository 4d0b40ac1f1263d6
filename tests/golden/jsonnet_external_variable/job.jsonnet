{
  fabric: 1,
  program: ["hostname"],
  seed: std.extVar("seed"),
}
