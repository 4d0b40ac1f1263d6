{
  fabric: 1,
  program: ["hostname"
}
