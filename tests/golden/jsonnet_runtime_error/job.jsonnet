local f(x) = if x > 1 then error "too many" else x;
{
  fabric: 1,
  devices: f(2),
  program: ["hostname"],
}
