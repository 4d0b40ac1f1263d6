from lightning.fabric import Fabric
fabric = Fabric()
