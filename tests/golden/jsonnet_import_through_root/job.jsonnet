{
  fabric: 1,
  program: [importstr "/etc/hostname"],
}
