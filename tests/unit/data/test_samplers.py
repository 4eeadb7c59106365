from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.data.samplers import EvaluationBatches, RareClasses, RarePatches, TrainingBatches, times_and_positions
from cerradata.patches.class_table import ClassTable

sizes = st.integers(1, 200)
batch_sizes = st.integers(1, 40)
process_counts = st.integers(1, 5)


def epoch_of(sampler: TrainingBatches, epoch: int) -> list[list[int]]:
    """Positions of an epoch, batch by batch."""
    sampler.set_epoch(epoch)
    batches = [times_and_positions(batch, sampler.size)[1].tolist() for batch in sampler]
    assert len(batches) == len(sampler)
    return batches


def rare_patches(share: float = 0.25, *positions: list[int]) -> RarePatches:
    return RarePatches(share, tuple(range(len(positions))), tuple(np.array(p, dtype=np.int64) for p in positions))


@given(sizes, batch_sizes, st.integers(0, 9), st.integers(0, 3))
def test_one_process_sees_each_patch_once(size: int, batch_size: int, seed: int, epoch: int) -> None:
    batches = epoch_of(TrainingBatches(size, batch_size, seed), epoch)
    seen = [position for batch in batches for position in batch]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(size))
    alone = size % batch_size == 1 and size > batch_size > 1  # a last batch of one patch
    assert len(seen) == size - alone
    assert [len(b) for b in batches[:-1]] == [batch_size] * (len(batches) - 1)


@given(sizes, batch_sizes, process_counts, st.integers(0, 9), st.integers(0, 3))
def test_processes_share_the_global_batches(size: int, batch_size: int, processes: int, seed: int, epoch: int) -> None:
    assume(size >= processes)
    ranks = [
        epoch_of(TrainingBatches(size, batch_size, seed, rank=rank, processes=processes), epoch)
        for rank in range(processes)
    ]
    whole = epoch_of(TrainingBatches(size, batch_size * processes, seed), epoch)
    steps = {len(batches) for batches in ranks}
    assert len(steps) == 1, "every process takes the same number of steps"
    assert steps.pop() >= 1
    for step, parts in enumerate(zip(*ranks, strict=True)):
        assert len({len(part) for part in parts}) == 1, "of the same size"
        assert 1 <= len(parts[0]) <= batch_size
        assert len(parts[0]) > 1 or batch_size == 1 or len(ranks[0]) == 1
        together = [position for row in zip(*parts, strict=True) for position in row]
        assert together == whole[step][: len(together)], "the global batch, but for the tail that is cut"
    seen = [position for batches in ranks for batch in batches for position in batch]
    assert len(set(seen)) == len(seen), "no patch twice"
    left_out = size - len(seen)
    assert left_out <= 2 * processes - 1
    if batch_size == 1:
        assert left_out < processes


def test_the_odd_tail_of_two_processes() -> None:
    def sizes_of(size: int, batch_size: int = 4) -> list[int]:
        return [len(b) for b in TrainingBatches(size, batch_size, 0, rank=1, processes=2)]

    assert sizes_of(16) == [4, 4]
    assert sizes_of(17) == [4, 4]  # one patch is left out
    assert sizes_of(18) == [4, 4]  # one patch each: two are left out
    assert sizes_of(19) == [4, 4]
    assert sizes_of(20) == [4, 4, 2]
    assert sizes_of(21) == [4, 4, 2]
    assert sizes_of(3) == [1], "the only batch is never left out"
    assert sizes_of(7) == [3]


def test_other_patches_are_left_out_in_each_epoch() -> None:
    sampler = TrainingBatches(9, 4, 0)
    left_out = {next(iter(set(range(9)) - {i for b in epoch_of(sampler, epoch) for i in b})) for epoch in range(40)}
    assert len(left_out) > 5


def test_order_follows_from_seed_and_epoch() -> None:
    first = TrainingBatches(50, 8, 1)
    assert epoch_of(first, 3) == epoch_of(first, 3)
    assert epoch_of(first, 3) == epoch_of(TrainingBatches(50, 8, 1), 3)
    assert epoch_of(first, 3) != epoch_of(first, 4)
    assert epoch_of(first, 3) != epoch_of(TrainingBatches(50, 8, 2), 3)


def test_epoch_counts_when_the_first_batch_is_asked_for() -> None:
    sampler = TrainingBatches(50, 8, 1)
    batches = iter(sampler)
    sampler.epoch = 4
    assert list(batches) == epoch_of(TrainingBatches(50, 8, 1), 4)


@given(sizes, batch_sizes, process_counts)
def test_evaluation_gives_each_position_once_in_order(size: int, batch_size: int, processes: int) -> None:
    samplers = [EvaluationBatches(size, batch_size, rank=r, processes=processes) for r in range(processes)]
    ranks = [list(sampler) for sampler in samplers]
    assert [len(batches) for batches in ranks] == [len(sampler) for sampler in samplers]
    assert [position for batches in ranks for batch in batches for position in batch] == list(range(size))
    assert all(1 <= len(batch) <= batch_size for batches in ranks for batch in batches)
    counts = [sum(len(batch) for batch in batches) for batches in ranks]
    assert max(counts) - min(counts) <= 1
    same = len({len(batches) for batches in ranks}) == 1
    assert {sampler.even for sampler in samplers} == {same}
    if size >= processes and batch_size > 1:
        assert same


def test_evaluation_of_one_process_is_the_plain_order() -> None:
    assert list(EvaluationBatches(10, 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    # 7 and 8 patches in batches of 4: the first process keeps one back, to take as many steps as the second
    assert [[len(b) for b in EvaluationBatches(15, 4, rank=r, processes=2)] for r in (0, 1)] == [[4, 3], [4, 4]]
    assert [[len(b) for b in EvaluationBatches(17, 4, rank=r, processes=2)] for r in (0, 1)] == [[4, 3, 1], [4, 4, 1]]


@given(
    st.integers(2, 150),
    st.integers(2, 16),
    process_counts,
    st.integers(1, 4),
    st.sampled_from([0.1, 0.25, 0.5, 1]),
    st.data(),
)
def test_a_share_of_each_batch_is_rare(
    size: int, batch_size: int, processes: int, classes: int, share: float, data: st.DataObject
) -> None:
    assume(size >= processes)
    some = st.lists(st.integers(0, size - 1), min_size=1, max_size=20, unique=True)
    rare = rare_patches(share, *(sorted(data.draw(some)) for _ in range(classes)))
    any_rare = {int(i) for positions in rare.positions for i in positions}
    plain = [TrainingBatches(size, batch_size, 1, rank=r, processes=processes) for r in range(processes)]
    samplers = [TrainingBatches(size, batch_size, 1, rank=r, processes=processes, rare=rare) for r in range(processes)]
    ranks = [epoch_of(sampler, 2) for sampler in samplers]
    assert [[len(b) for b in batches] for batches in ranks] == [[len(b) for b in epoch_of(s, 2)] for s in plain]
    for parts in zip(*ranks, strict=True):
        whole = [position for part in parts for position in part]
        places = max(1, round(share * len(whole)))
        assert sum(position in any_rare for position in whole) >= places
        for part in parts:
            assert sum(position in any_rare for position in part) >= places // processes
        repeated = {position for position, count in Counter(whole).items() if count > 1}
        assert repeated <= any_rare


def test_rare_classes_come_equally_often() -> None:
    rare = rare_patches(0.25, [0], list(range(1, 5)), list(range(5, 45)))
    batches = epoch_of(TrainingBatches(400, 16, 3, rare=rare), 0)
    counts = Counter(position for batch in batches for position in batch[:4])
    by_class = [sum(counts[int(i)] for i in positions) for positions in rare.positions]
    assert sum(by_class) == 4 * len(batches) == 100
    assert max(by_class) - min(by_class) <= 1
    assert max(counts[i] for i in range(1, 5)) - min(counts[i] for i in range(1, 5)) <= 2, "and patches within a class"
    assert max(counts[i] for i in range(5, 45)) <= 2
    rest = [position for batch in batches for position in batch[4:]]
    assert len(set(rest)) == len(rest) == 300


def test_no_patch_twice_in_a_batch_if_its_class_has_another() -> None:
    rare = rare_patches(0.5, list(range(8)), list(range(4, 12)))
    for epoch in range(5):
        for batch in epoch_of(TrainingBatches(24, 8, 0, rare=rare), epoch):
            assert len(set(batch)) == len(batch)


def test_a_patch_that_comes_again_says_so() -> None:
    rare = rare_patches(0.5, [0], [1, 2])
    whole = [value for batch in TrainingBatches(40, 8, 0, rare=rare) for value in batch]
    assert len(set(whole)) == len(whole)
    times, positions = times_and_positions(whole, 40)
    for position in set(positions.tolist()):
        own = times[positions == position].tolist()
        assert own == list(range(len(own)))
    assert max(times) > 5
    ranks = [list(TrainingBatches(40, 4, 0, rank=rank, processes=2, rare=rare)) for rank in (0, 1)]
    assert sorted(value for batches in ranks for batch in batches for value in batch) == sorted(whole)


def test_rare_patches_differ_from_epoch_to_epoch() -> None:
    sampler = TrainingBatches(100, 10, 0, rare=rare_patches(0.2, list(range(50)), list(range(50, 100))))
    first, again, second = (epoch_of(sampler, epoch) for epoch in (0, 0, 1))
    assert first == again
    assert first != second


def table() -> ClassTable:
    """Class 0 has 98.6 %, class 1 0.9 %, class 2 0.5 % of the pixels, class 3 none."""
    pixels = np.zeros((10, 4), np.int64)
    pixels[:, 0] = 986
    pixels[4, 1], pixels[[4, 7], 2] = 90, 25
    return ClassTable(np.arange(30, 40), pixels)


def test_rare_classes_are_found_in_the_index() -> None:
    found = RareClasses().find(table(), list(range(30, 40)))
    assert found is not None
    assert (found.share, found.classes) == (0.25, (1, 2))
    assert [p.tolist() for p in found.positions] == [[4], [4, 7]]


def test_only_patches_of_the_dataset_count_and_in_its_order() -> None:
    found = RareClasses(classes=(2,)).find(table(), [37, 31, 34])
    assert found is not None
    assert [p.tolist() for p in found.positions] == [[0, 2]]
    assert RareClasses().find(table(), [31, 32]) is None
    assert RareClasses(below=0.001).find(table(), list(range(30, 40))) is None


def test_rare_classes_that_cannot_be_found_are_refused() -> None:
    ids = list(range(30, 40))
    with pytest.raises(ConfigError, match="no class 4: the level has the classes 0 to 3"):
        RareClasses(classes=(4,)).find(table(), ids)
    with pytest.raises(ConfigError, match="No training patch has a pixel of class 3"):
        RareClasses(classes=(3,)).find(table(), ids)
    with pytest.raises(DatasetError, match="Patch 99 is not in the index"):
        RareClasses().find(table(), [30, 99])


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1.5}, {"below": 0}, {"classes": ()}])
def test_rare_classes_out_of_range_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        RareClasses(**wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0, "batch_size": 1}, "size is 0"),
        ({"size": 1, "batch_size": 0}, "batch_size is 0"),
        ({"size": 1, "batch_size": 1, "processes": 0}, "processes is 0"),
        ({"size": 1, "batch_size": 1, "rank": 2, "processes": 2}, "rank is 2"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EvaluationBatches(**arguments)
    with pytest.raises(ConfigError, match=message):
        TrainingBatches(seed=0, **arguments)


def test_more_processes_than_patches_are_refused_in_training() -> None:
    with pytest.raises(ConfigError, match="2 training patches cannot be shared by 3 processes"):
        TrainingBatches(2, 4, 0, processes=3)
    assert [len(EvaluationBatches(2, 4, rank=r, processes=3)) for r in range(3)] == [0, 1, 1]
