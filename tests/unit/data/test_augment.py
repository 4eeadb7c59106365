import pytest
import torch

from cerradata.data.augment import Flips, move

SIZE = 8


def batch_of(*ids: int) -> dict[str, torch.Tensor]:
    """Coordinates painted into every layer: pixel = 100 * row + col, plus 10,000 times the id."""
    coordinates = 100 * torch.arange(SIZE)[:, None] + torch.arange(SIZE)[None]
    stacked = torch.stack([coordinates + 10_000 * i for i in ids])
    return {
        "image": torch.stack([stacked, -stacked], dim=1).float(),
        "mask": stacked,
        "edge": stacked + 7,
        "id": torch.tensor(ids),
    }


def test_image_mask_and_edge_move_alike() -> None:
    flips = Flips(seed=1)
    batch = batch_of(*range(40))
    moved = flips(batch)
    torch.testing.assert_close(moved["image"][:, 0].long(), moved["mask"])
    torch.testing.assert_close(moved["image"][:, 1].long(), -moved["mask"])
    torch.testing.assert_close(moved["edge"], moved["mask"] + 7)
    torch.testing.assert_close(moved["id"], batch["id"])
    assert not torch.equal(moved["mask"], batch["mask"])
    for before, after in zip(batch["mask"], moved["mask"], strict=True):
        torch.testing.assert_close(after.flatten().sort().values, before.flatten())


def test_the_eight_symmetries_differ_and_are_rigid() -> None:
    layer = batch_of(0)["mask"][0]
    moved = [move(layer, choice) for choice in range(8)]
    assert len({tuple(one.flatten().tolist()) for one in moved}) == 8
    torch.testing.assert_close(moved[0], layer)
    for one in moved:
        sides = {abs(int(one[0, 1] - one[0, 0])), abs(int(one[1, 0] - one[0, 0]))}
        assert sides == {1, 100}, "neighbours stay neighbours"


def test_symmetry_does_not_depend_on_the_batch() -> None:
    flips = Flips(seed=5)
    flips.epoch = 3
    whole = flips(batch_of(*range(20)))
    for patch_id in (0, 7, 19):
        alone = flips(batch_of(patch_id))
        torch.testing.assert_close(alone["mask"][0], whole["mask"][patch_id])
    backwards = flips(batch_of(*reversed(range(20))))
    torch.testing.assert_close(backwards["image"].flip(0), whole["image"])


@pytest.mark.parametrize("changed", ["seed", "epoch"])
def test_symmetry_depends_on_seed_and_epoch(changed: str) -> None:
    first, second = Flips(seed=5), Flips(seed=6 if changed == "seed" else 5)
    second.epoch = 1 if changed == "epoch" else 0
    ours, theirs = ([one.choice(i) for i in range(200)] for one in (first, second))
    assert ours == [Flips(seed=5).choice(i) for i in range(200)]
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) < 60  # 25 by chance


def test_every_symmetry_is_as_frequent_as_the_others() -> None:
    flips = Flips(seed=666)
    counts = torch.bincount(torch.tensor([flips.choice(i) for i in range(4000)]), minlength=8)
    assert len(counts) == 8
    assert 400 < int(counts.min()) <= int(counts.max()) < 600


def test_layers_that_are_not_there_are_not_asked_for() -> None:
    batch = batch_of(1, 2)
    del batch["edge"]
    assert set(Flips(seed=0)(batch)) == {"image", "mask", "id"}
