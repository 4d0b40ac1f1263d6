{
  fabric: 1,
  devices: rank,
  program: ["hostname"],
}
