local n = 2;
{
  fabric: 1,
  devices: n - 2,
  program: ["hostname"],
}
