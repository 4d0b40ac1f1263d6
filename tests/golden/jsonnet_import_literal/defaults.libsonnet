{
  fabric: 1,
  seed: -5,
}
