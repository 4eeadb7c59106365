"""Square blocks of patches, and the split that each block goes to.

Every class everywhere comes first, then the shares, then few patches left out.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from cerradata.core.types import SPLITS, BoolArray, CountArray, FloatArray
from cerradata.patches.autocorrelation import Footprints

TRAIN, VAL, TEST, LEFT_OUT = 0, 1, 2, 3
_RESTARTS = 3
_STEPS_A_BLOCK = 60  # of one restart; 0.2 s for 100 blocks, after which the cost hardly falls
_LEAST_STEPS, _MOST_STEPS = 1000, 60_000
_HOT, _COLD = 0.03, 0.0002  # temperatures, in units of the cost: from 3 % of the patches to less than one patch
_LEFT_OUT_WEIGHT = 0.25  # leaving out 4 % of the patches is as bad as 1 % of deviation from the shares
_NODES = 2000  # of branch and bound: a bound that is the same on every machine, unlike a time
_EXACT_GROUPS = 2500  # takes up to 5 s; more take minutes
_Row = tuple[list[int], list[int], int]  # variables that count 1, variables that count -1, least value of the sum


@dataclass(frozen=True, eq=False)
class BlockTable:
    """Blocks, and the groups of patches of a block that are near to the same other blocks.

    A group is kept or left out as a whole: it is kept when no block near to it goes to a split of higher rank
    (train 0, val 1, test 2), and, for train, none to any other split.

    Attributes:
        block: (N,) number of the block of each patch, B blocks.
        group: (N,) number of the group of each patch, G groups.
        owner: (G,) block of each group.
        near: (G, K) its own block and those with a patch nearer than the buffer, filled up with its own block.
        patches: (G,) patches of each group.
        has: (G, C) whether a class is in a group.
        touching: For each block, the groups whose fate depends on it.
    """

    block: CountArray
    group: CountArray
    owner: CountArray
    near: CountArray
    patches: CountArray
    has: BoolArray
    touching: tuple[CountArray, ...]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return len(self.touching)

    def coverable(self) -> BoolArray:
        """(C,) whether each class, looked at alone, can be in all three splits after buffering: exact."""
        near = [set(row) for row in self.near.tolist()]
        return np.array([self._coverable(near, np.flatnonzero(column).tolist()) for column in self.has.T], dtype=bool)

    def _coverable(self, near: list[set[int]], groups: list[int]) -> bool:
        owner = self.owner.tolist()
        blocks = {owner[group] for group in groups}
        # Every other block can go to train, so only the three blocks that hold the class matter. Few steps: a class in
        # more blocks than two neighbourhoods together is found at once.
        return len(blocks) >= 3 and any(
            owner[val] not in near[train] and blocks - near[train] - near[val] for train in groups for val in groups
        )


def block_table(places: Footprints, block_size: float, buffer: float, presence: BoolArray) -> BlockTable:
    """Lay square blocks from the north-west corner over the patches; a patch belongs to the block of its centre.

    Args:
        places: Footprints of N patches.
        block_size: Side of a block, metres.
        buffer: Least distance between splits, metres.
        presence: (N, C) whether a class is in a patch.
    """
    block = places.tiles(block_size)
    blocks, patches = int(block.max()) + 1, np.arange(len(block))
    pairs = places.pairs_nearer_than(buffer)
    codes = [patches * blocks + block, *(np.unique(first * blocks + block[second]) for first, second in pairs)]
    patch, near = np.divmod(np.unique(np.concatenate(codes)), blocks)
    return _grouped(block, np.split(near, np.flatnonzero(np.diff(patch)) + 1), presence)


def _grouped(block: CountArray, near: list[CountArray], presence: BoolArray) -> BlockTable:
    """Group the patches by their block and the blocks near to them."""
    numbers: dict[tuple[int, bytes], int] = {}
    keys = [(own, row.tobytes()) for own, row in zip(block.tolist(), near, strict=True)]
    group = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
    example = np.unique(group, return_index=True)[1]
    most = max(len(row) for row in near)
    padded = np.stack([np.pad(near[i], (0, most - len(near[i])), constant_values=block[i]) for i in example])
    has = np.zeros((len(example), presence.shape[1]), dtype=bool)
    np.logical_or.at(has, group, presence)
    table = np.unique(np.stack([padded.ravel(), np.repeat(np.arange(len(example)), most)], axis=1), axis=0)
    touching = tuple(np.split(table[:, 1], np.flatnonzero(np.diff(table[:, 0])) + 1))
    return BlockTable(block, group, block[example], padded, np.bincount(group), has, touching)


def assign_blocks(table: BlockTable, shares: tuple[float, float, float], seed: int) -> CountArray:
    """Assign each block to a split and leave out the patches in the buffers.

    Train gives way to val and test, val gives way to test: a patch is left out if a block that was assigned to a split
    of higher rank has a patch nearer than the buffer (even where that patch is itself left out).

    Simulated annealing from a few starts minimises, in this order: classes missing in a split after buffering, of those
    that can be everywhere; deviation from the shares; patches left out. If classes are still missing, an integer
    program looks for the assignment with the fewest missing: up to 2,500 groups of patches, and unless it
    meets its limit of nodes, no assignment of whole blocks covers more.

    Args:
        table: The blocks.
        shares: Of train, val and test among the patches that are kept; they sum to 1.
        seed: Key of the random numbers.

    Returns:
        (N,) for each patch: 0 train, 1 val, 2 test, 3 left out.
    """
    wanted, parts = table.coverable(), np.array(shares)
    keyed = [np.random.default_rng([seed, restart]) for restart in range(_RESTARTS)]
    firsts = [_State.of(table, _first_assignment(table, wanted, parts, rng), wanted, parts) for rng in keyed]
    tries = [_anneal(first, rng) for first, rng in zip(firsts, keyed, strict=True)]
    best = min(tries, key=lambda state: state.cost)
    exact = cover_exactly(table, wanted) if best.missing else None
    if exact is not None:
        covered = _State.of(table, exact, wanted, parts)
        if covered.missing < best.missing:
            best = _anneal(covered, keyed[0])
    return best.labels[table.group]


@dataclass(eq=False)
class _State:
    """An assignment of the blocks of a table, and what its cost needs, kept up to date move by move.

    Attributes:
        wanted: (all classes,) those that can be everywhere, C of them.
        has: (G, C) 1 where a group has such a class.
        shares: (3,) wanted.
        ranks: (B,) split of each block.
        labels: (G,) split of each group, or `LEFT_OUT`.
        sizes: (4,) patches of each split and left out.
        cells: (4, C) groups of each split that have a class.
    """

    table: BlockTable
    wanted: BoolArray
    has: CountArray
    shares: FloatArray
    ranks: CountArray
    labels: CountArray
    sizes: CountArray
    cells: CountArray

    @classmethod
    def of(cls, table: BlockTable, ranks: CountArray, wanted: BoolArray, shares: FloatArray) -> "_State":
        """The state of an assignment."""
        has = table.has[:, wanted].astype(np.int64)
        nothing = np.full(len(table.owner), LEFT_OUT)
        sizes = np.array([0, 0, 0, table.patches.sum()])
        cells = np.zeros((4, has.shape[1]), dtype=np.int64)
        cells[LEFT_OUT] = has.sum(axis=0)
        state = cls(table, wanted, has, shares, ranks.copy(), nothing, sizes, cells)
        state.refresh(np.arange(len(nothing)))
        return state

    def refresh(self, groups: CountArray) -> None:
        """Label these groups anew after the ranks have changed."""
        own = self.ranks[self.table.owner[groups]]
        new = np.where(self.ranks[self.table.near[groups]].max(axis=1) > own, LEFT_OUT, own)
        changed = new != self.labels[groups]
        groups, new = groups[changed], new[changed]
        for change, split in ((np.add, new), (np.subtract, self.labels[groups])):
            change.at(self.sizes, split, self.table.patches[groups])
            change.at(self.cells, split, self.has[groups])
        self.labels[groups] = new

    def move(self, blocks: list[int], ranks: list[int]) -> None:
        """Assign blocks anew."""
        self.ranks[blocks] = ranks
        for block in blocks:
            self.refresh(self.table.touching[block])

    @property
    def missing(self) -> int:
        """Number of (split, class) without a patch."""
        return int((self.cells[:LEFT_OUT] == 0).sum())

    @property
    def cost(self) -> float:
        """What is minimised: missing cells, an empty split counting most, deviation of the shares, patches left out."""
        kept = self.sizes[:LEFT_OUT]
        empty = int((kept == 0).sum())
        deviation = float(np.abs(kept / max(int(kept.sum()), 1) - self.shares).sum())
        left_out = int(self.sizes[LEFT_OUT]) / int(self.sizes.sum())
        # Deviation is at most 2 and the left-out term at most 0.25: one missing cell outweighs both.
        return 1000 * empty + 3 * self.missing + deviation + _LEFT_OUT_WEIGHT * left_out


def _first_assignment(table: BlockTable, wanted: BoolArray, shares: FloatArray, rng: np.random.Generator) -> CountArray:
    """Rarest class first: a block of it for each split; then test and val filled up; the rest trains."""
    count = table.blocks
    has = np.zeros((count, int(wanted.sum())), dtype=bool)
    np.logical_or.at(has, table.owner, table.has[:, wanted])
    weights = np.bincount(table.owner, table.patches, minlength=count) / table.patches.sum()
    ranks = np.full(count, -1)
    for number in np.argsort(has.sum(axis=0), kind="stable"):
        holders = rng.permutation(np.flatnonzero(has[:, number]))
        for rank in (TEST, VAL, TRAIN):
            free = holders[ranks[holders] < 0]
            if not (ranks[holders] == rank).any() and len(free):
                ranks[free[0]] = rank
    for block in rng.permutation(np.flatnonzero(ranks < 0)):
        filled = np.array([weights[ranks == rank].sum() for rank in (TEST, VAL)])
        short = np.array([shares[TEST], shares[VAL]]) - filled
        ranks[block] = (TEST, VAL)[int(short.argmax())] if short.max() > weights[block] / 2 else TRAIN
    return ranks


def _anneal(state: _State, rng: np.random.Generator) -> _State:
    """Simulated annealing: single moves, mostly to the split of a near block, and swaps of two blocks."""
    near = [state.table.near[groups].ravel() for groups in state.table.touching]
    cost = state.cost
    best, best_cost = state.ranks.copy(), cost
    steps = min(max(_LEAST_STEPS, _STEPS_A_BLOCK * len(near)), _MOST_STEPS)
    for step in range(steps):
        temperature = _HOT * (_COLD / _HOT) ** (step / steps)
        blocks, ranks = _proposal(state.ranks, near, rng)
        before = [int(rank) for rank in state.ranks[blocks]]
        if ranks == before:
            continue
        state.move(blocks, ranks)
        new = state.cost
        if new <= cost or rng.random() < math.exp((cost - new) / temperature):
            cost = new
            if cost < best_cost:
                best, best_cost = state.ranks.copy(), cost
        else:
            state.move(blocks, before)
    return _State.of(state.table, best, state.wanted, state.shares)


def _proposal(ranks: CountArray, near: list[CountArray], rng: np.random.Generator) -> tuple[list[int], list[int]]:
    block, kind = int(rng.integers(len(ranks))), rng.random()
    if kind < 0.4:
        other = int(rng.integers(len(ranks)))
        return [block, other], [int(ranks[other]), int(ranks[block])]
    if kind < 0.8:
        return [block], [int(ranks[rng.choice(near[block])])]
    return [block], [int(rng.integers(len(SPLITS)))]


def cover_exactly(table: BlockTable, wanted: BoolArray) -> CountArray | None:
    """The assignment with the fewest missing (split, class) cells, by mixed integer programming; None if too large.

    Variables from 0 to 1: x[b, k], whole, block b goes to split k; y[g, k], group g is kept in k (at most what x allows);
    z[k, c], class c misses in split k. The sum of z is minimised. `wanted` (C,) says which classes count; the result is
    (B,), the split of each block.
    """
    groups = np.flatnonzero(table.has[:, wanted].any(axis=1))
    has = table.has[np.ix_(groups, np.flatnonzero(wanted))]
    if not 0 < len(groups) <= _EXACT_GROUPS:
        return None
    blocks, classes, splits = table.blocks, has.shape[1], len(SPLITS)
    x = np.arange(blocks * splits).reshape(blocks, splits)
    y = x.size + np.arange(len(groups) * splits).reshape(-1, splits)
    z = x.size + y.size + np.arange(splits * classes).reshape(splits, classes)
    rows: list[_Row] = [([], block.tolist(), -1) for block in x]
    for g, group in enumerate(groups):
        own = table.owner[group]
        rows += [([x[own, k]], [y[g, k]], 0) for k in range(splits)]
        for block in set(table.near[group].tolist()) - {int(own)}:
            rows += [([x[block, TRAIN]], [y[g, TRAIN]], 0), ([x[block, TRAIN], x[block, VAL]], [y[g, VAL]], 0)]
    rows += [([*y[has[:, c], k].tolist(), z[k, c]], [], 1) for k in range(splits) for c in range(classes)]
    solution = _solve(rows, whole=x.size, minimised=z.ravel(), total=x.size + y.size + z.size)
    # A block in no split helps no group; training takes it, which makes no other split give way.
    return None if solution is None else np.where(solution[x].max(axis=1) > 0.5, solution[x].argmax(axis=1), TRAIN)


def _solve(rows: list[_Row], whole: int, minimised: CountArray, total: int) -> FloatArray | None:
    """The variables (total,), the first `whole` of them integers; None if the limit of nodes comes first."""
    column = np.concatenate([[*plus, *minus] for plus, minus, _ in rows]).astype(np.int64)
    line = np.repeat(np.arange(len(rows)), [len(plus) + len(minus) for plus, minus, _ in rows])
    factors = np.concatenate([[1] * len(plus) + [-1] * len(minus) for plus, minus, _ in rows])
    matrix = coo_array((factors, (line, column)), shape=(len(rows), total)).tocsr()
    result = milp(
        np.isin(np.arange(total), minimised).astype(float),
        constraints=LinearConstraint(matrix, lb=np.array([least for _, _, least in rows])),
        integrality=np.arange(total) < whole,
        bounds=Bounds(0, 1),
        options={"node_limit": _NODES},
    )
    return None if result.x is None else np.asarray(result.x)
