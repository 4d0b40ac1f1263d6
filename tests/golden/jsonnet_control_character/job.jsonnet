{
  fabric: 1,
  name: "a[31m",
}
