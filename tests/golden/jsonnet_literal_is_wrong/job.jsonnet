{
  fabric: 1,
  devcies: 2,
  stop: { grace: "soon" },
  program: ["hostname"],
}
