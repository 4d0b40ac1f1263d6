"""One rank raises, under torch's record; the other waits for it in a collective."""
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record


@record
def main():
    dist.init_process_group("gloo")
    if dist.get_rank() == 1:
        raise ValueError("bad batch")
    dist.barrier()


main()
