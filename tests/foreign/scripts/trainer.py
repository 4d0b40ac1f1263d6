"""Lightning's Trainer on its own demonstration model."""
import os

import lightning
from lightning.pytorch.demos.boring_classes import BoringModel

lightning.seed_everything(1)
trainer = lightning.Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_steps=3, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
)
model = BoringModel()
trainer.fit(model)
print(f"metric world {trainer.world_size} rank {trainer.global_rank} steps {trainer.global_step} weight {sum(p.abs().sum().item() for p in model.parameters()):.6f}", flush=True)
# PyTorch 2.11 may abort in the exit of the interpreter ("terminate called", 2 of 6 times under torchrun): that is not what is tested.
os._exit(0)
