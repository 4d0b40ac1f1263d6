local base = {
  fabric: 1,
  program: ['hostname'],
  stop: { grace: '30s' },
};
base {
  devices: 0,
  stop+: { signal: 9 },
}
