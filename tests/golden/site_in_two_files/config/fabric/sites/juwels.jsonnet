{devices: 2}
