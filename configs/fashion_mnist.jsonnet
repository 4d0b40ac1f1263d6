// The same job as fashion_mnist.yaml, computed: the batch follows from the ranks.
local ranks = 2;
local samples_per_rank = 64;
{
  fabric: 1,
  name: 'fashion-mnist',
  accelerator: 'cpu',
  devices: ranks,
  strategy: 'auto',
  precision: '32-true',
  threads: 1,
  train: {
    task: 'image_classifier',
    model: 'cnn',
    data: { path: '/usr/share/datasets/fashion-mnist', mean: 0.2860, std: 0.3530 },
    optimizer: { name: 'adamw', lr: 2e-3, weight_decay: 0.01 },
    schedule: 'linear',
    batch_size: ranks * samples_per_rank,
    epochs: 3,
  },
  checkpoint: { every: '1 epoch', keep: 2 },
  seed: 1,
}
