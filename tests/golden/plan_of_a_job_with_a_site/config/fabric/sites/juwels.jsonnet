local socket = 2;
{
  extends: 'shared.yaml',
  devices: 2,
  threads: 24 / socket,
  stall: '10m',
}
