{devices: 4}
