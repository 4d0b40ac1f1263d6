{
  fabric: 1,
  seed: 9007199254740993,
  program: ["hostname"],
}
