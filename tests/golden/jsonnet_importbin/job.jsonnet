{
  fabric: 1,
  program: [importbin "data"],
}
