"""Which process of a distributed training this is."""

from lightning.fabric.utilities import rank_zero


def is_first_process() -> bool:
    """Whether this process speaks and writes for all: of one process, or the first of several."""
    only = rank_zero.rank_zero_only
    return int(getattr(only, "rank", 0)) == 0
