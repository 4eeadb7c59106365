"""Samplers of batches: which patches come together, in which order, in which process.

Each yields lists of positions in a dataset's `ids`. Every order follows from seed and epoch alone. They are distributed samplers
by type, so that Lightning does not share their batches among processes a second time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import DistributedSampler

from cerradata.core.errors import ConfigError
from cerradata.core.types import BoolArray, CountArray
from cerradata.data.draws import generator
from cerradata.patches.class_table import ClassTable


@dataclass(frozen=True)
class RareClasses:
    """Which classes are rare, and how much of each batch shows one.

    Attributes:
        share: Share of each batch that consists of patches with a rare class; above 0, at most 1.
        classes: Ids of the rare classes; by default those with less than `below` of the labelled training pixels.
        below: From 0 to 1.
    """

    share: float = 0.25
    classes: tuple[int, ...] | None = None
    below: float = 0.01

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values that cannot work."""
        if not 0 < self.share <= 1:
            raise ConfigError(f"The share of rare classes is {self.share}: it must be above 0 and at most 1.")
        if not 0 < self.below <= 1:
            raise ConfigError(f"Rare is below {self.below} of the pixels: it must be above 0 and at most 1.")
        if self.classes is not None and not self.classes:
            raise ConfigError("The list of rare classes is empty: name classes, or leave it out.")

    def find(self, table: ClassTable, ids: Sequence[int]) -> "RarePatches | None":
        """The patches that show rare classes, as positions in `ids`; no image is read.

        Args:
            table: Class table of the index; only its rows of `ids` count.
            ids: Ids of the training dataset, as it orders them.

        Returns:
            None if no class is rare.

        Raises:
            ConfigError: If a class that was named does not exist, or no patch of `ids` has it.
            DatasetError: If a patch of `ids` is not in the table.
        """
        pixels = table.of(ids).pixels
        totals = pixels.sum(axis=0)
        if self.classes is None:
            rare = np.flatnonzero((totals > 0) & (totals < self.below * totals.sum())).tolist()
        else:
            rare = sorted(set(self.classes))
            _require_classes(rare, totals)
        if not rare:
            return None
        return RarePatches(self.share, tuple(rare), tuple(np.flatnonzero(pixels[:, c] > 0) for c in rare))


@dataclass(frozen=True)
class RarePatches:
    """Where the rare classes of a training dataset are.

    Attributes:
        share: Share of each batch that shows one.
        classes: Ids of the rare classes.
        positions: For each of them the positions of the patches that have a pixel of it; (patches,) int64, not empty.
    """

    share: float
    classes: tuple[int, ...]
    positions: tuple[CountArray, ...]


class TrainingBatches(DistributedSampler[list[int]]):
    """Batches of one epoch of training, for one of several processes.

    The epoch's order is cut into global batches of `batch_size` x `processes` patches. Of each, process r takes every
    `processes`-th patch from the r-th on. So two processes with batches of 16 train on what one with batches of 32 trains on.

    The odd tail: every process has the same number of batches, of the same sizes, or the others would wait for ever. The
    last global batch, where it is not full, is cut to a multiple of `processes`. It is left out if a process would get no
    patch of it, or only one where batches have more: a batch of one breaks batch normalisation. So at most 2 x `processes` - 1
    patches are left out of an epoch, other ones in each, and no patch comes twice. A dataset smaller than one global batch
    is that one batch, cut but never left out.

    With `rare`, a share of each global batch, at least one patch, shows a rare class; the processes have equal shares of
    them, but for one patch. Rare classes take turns: the first place shows one, the next place another, so all come
    equally often (a patch that shows two of them counts for one). Within a class every patch comes once before one comes
    again, except that one that the global batch has already waits for the next, as long as its class has another. The
    other places are filled in the epoch's order without replacement. An epoch still means the same number of batches of the
    same sizes: it visits about 1 - `share` of the patches once, other ones in each epoch, and beside them patches with rare
    classes as often as their places ask for, in a small class many times. So that augmentation can make something else of it
    each time, a patch that comes again in an epoch is given as position + times * `size`, see `times_and_positions`.

    Attributes:
        epoch: Set it at the start of each epoch, before the batches are asked for.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        *,
        rank: int = 0,
        processes: int = 1,
        rare: RarePatches | None = None,
    ) -> None:
        """Decide sizes; the order is decided in each epoch.

        Args:
            size: Patches of the training dataset.
            batch_size: Patches in a batch of one process.
            seed: Of the training.
            rank: Number of this process, counted from 0.
            processes: Number of processes that train together.
            rare: Patches that a share of each batch is drawn from.

        Raises:
            ConfigError: If a number is out of range, or there are fewer patches than processes.
        """
        _check(size, batch_size, rank, processes)
        if size < processes:
            raise ConfigError(
                f"{size} training patches cannot be shared by {processes} processes: take fewer processes."
            )
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.rank, self.processes, self.rare = rank, processes, rare
        self.epoch = 0
        self._sizes = _global_sizes(size, batch_size, processes)

    def __len__(self) -> int:
        """Number of batches, the same in every process."""
        return len(self._sizes)

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of this process in this epoch."""
        # The epoch is taken when the first batch is asked for: Lightning makes an iterator before it sets the epoch
        order = generator(self.seed, self.epoch, 0, "order").permutation(self.size)
        turns = None if self.rare is None else _Turns(self.rare, self.size, self.seed, self.epoch)
        seen = [0] * self.size
        start = 0
        for size in self._sizes:
            places = 0 if self.rare is None else min(size, max(1, round(self.rare.share * size)))
            ordinary = order[start : start + size - places]
            start += size - places
            drawn = [] if turns is None else turns.take(places, ordinary)
            # Rare ones first: every `processes`-th patch then has an equal share of them
            positions = [*drawn, *ordinary.tolist()]
            for place, position in enumerate(positions):
                positions[place] += seen[position] * self.size
                seen[position] += 1
            yield positions[self.rank :: self.processes]

    def set_epoch(self, epoch: int) -> None:
        """Set `epoch`: Lightning and other trainers call this at the start of each epoch."""
        self.epoch = epoch


def times_and_positions(given: Sequence[int], size: int) -> tuple[CountArray, CountArray]:
    """How often each patch came before in the epoch, and its position, of what `TrainingBatches` gives.

    Args:
        given: A batch.
        size: Patches of the training dataset.
    """
    times, positions = np.divmod(np.asarray(given, np.int64), size)
    return times, positions


class EvaluationBatches(DistributedSampler[list[int]]):
    """Batches of an evaluation, for one of several processes: every position exactly once, nothing added, in order.

    Process r takes the r-th of `processes` runs of neighbouring positions, whose lengths differ by one at most. All processes
    have the same number of batches where that is possible without an empty one: whatever the processes exchange in a
    step (buffers of a batch normalisation in the first one, metrics that are synchronised step by step) would otherwise
    leave one of them waiting for ever. It is not possible if there are fewer patches than processes, and for batches
    of one patch.

    Attributes:
        even: Whether every process has the same number of batches.
    """

    def __init__(self, size: int, batch_size: int, *, rank: int = 0, processes: int = 1) -> None:
        """Decide which positions are this process's.

        Args:
            size: Patches of the dataset.
            batch_size: Largest number of patches in a batch.
            rank: Number of this process, counted from 0.
            processes: Number of processes that evaluate together.

        Raises:
            ConfigError: If a number is out of range.
        """
        _check(size, batch_size, rank, processes)
        self._first, self._last = (part * size // processes for part in (rank, rank + 1))
        own = self._last - self._first
        most, least = -(-size // processes), size // processes
        steps = -(-most // batch_size)
        self.batch_size = batch_size
        self.even = steps <= least
        self._steps = min(steps, own)

    def __len__(self) -> int:
        """Number of batches of this process."""
        return self._steps

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of this process."""
        start = self._first
        for later in reversed(range(self._steps)):
            stop = min(start + self.batch_size, self._last - later)  # at least one for each batch to come
            yield list(range(start, stop))
            start = stop


class _Turns:
    """Rare classes taking turns, in an order that follows from seed and epoch."""

    def __init__(self, rare: RarePatches, size: int, seed: int, epoch: int) -> None:
        self._seed, self._epoch = seed, epoch
        self._classes = generator(seed, epoch, 0, "rare classes").permutation(len(rare.classes))
        self._own = rare
        self._queues: list[list[int]] = [[] for _ in rare.classes]
        self._rounds = [0] * len(rare.classes)
        self._turn = 0
        self._in_batch: BoolArray = np.zeros(size, dtype=bool)

    def take(self, places: int, others: CountArray) -> list[int]:
        """So many patches with a rare class, none that is among `others` or taken before where its class has another one."""
        self._in_batch[:] = False
        self._in_batch[others] = True
        drawn = []
        for _ in range(places):
            position = self._next(int(self._classes[self._turn % len(self._classes)]))
            self._turn += 1
            self._in_batch[position] = True
            drawn.append(position)
        return drawn

    def _next(self, number: int) -> int:
        """The next patch of a class; one that the batch has already waits in the queue for a later batch."""
        queue = self._queues[number]
        fresh = self._first_fresh(queue)
        if fresh is None and (not queue or not self._in_batch[self._own.positions[number]].all()):
            queue += self._shuffled(number)
            fresh = self._first_fresh(queue)
        return queue.pop(fresh or 0)

    def _first_fresh(self, queue: list[int]) -> int | None:
        return next((i for i, position in enumerate(queue) if not self._in_batch[position]), None)

    def _shuffled(self, number: int) -> list[int]:
        self._rounds[number] += 1
        purpose = f"rare patches, round {self._rounds[number]}"
        draw = generator(self._seed, self._epoch, self._own.classes[number], purpose)
        return [int(i) for i in draw.permutation(self._own.positions[number])]


def _global_sizes(size: int, batch_size: int, processes: int) -> list[int]:
    """Patches of each batch of all processes together, see `TrainingBatches`."""
    whole = batch_size * processes
    full, rest = divmod(size, whole)
    tail = rest // processes * processes
    kept = tail >= min(2, batch_size) * processes or full == 0
    return [whole] * full + ([tail] if kept and tail else [])


def _check(size: int, batch_size: int, rank: int, processes: int) -> None:
    for name, value in (("size", size), ("batch_size", batch_size), ("processes", processes)):
        if value < 1:
            raise ConfigError(f"{name} is {value}: it must be 1 or more.")
    if not 0 <= rank < processes:
        raise ConfigError(f"rank is {rank}: with {processes} processes it must be from 0 to {processes - 1}.")


def _require_classes(classes: Sequence[int], totals: CountArray) -> None:
    for class_id in classes:
        if not 0 <= class_id < len(totals):
            raise ConfigError(f"There is no class {class_id}: the level has the classes 0 to {len(totals) - 1}.")
        if not totals[class_id]:
            raise ConfigError(f"No training patch has a pixel of class {class_id}: leave it out of the rare classes.")
