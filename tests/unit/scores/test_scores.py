import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, cohen_kappa_score, jaccard_score, precision_recall_fscore_support

from cerradata.core.errors import DatasetError
from cerradata.scores import confusion_matrix, read_confusion, score_confusion

PUBLISHED = {
    "transnuseg_concat_w_l1": (52.3961, 42.5439),
    "unet_concat_nw_l1": (36.4948, 31.9243),
    "unet_concat_w_l1": (45.2380, 34.8346),
    "transnuseg_concat_w_l2": (37.6745, 27.3079),
    "unet_concat_w_l2": (30.1177, 21.5135),
}
PUBLISHED_PIXELS = 3_028 * 128 * 128
CLASSES = 5

matrices = st.integers(1, 6).flatmap(
    lambda n: hnp.arrays(np.int64, (n, n), elements=st.integers(0, 1000)).filter(lambda m: m.any())
)
label_pairs = st.integers(1, 80).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.uint8, n, elements=st.integers(0, CLASSES - 1))] * 2)
)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_matrices_give_the_published_scores(shared_data: Path, name: str) -> None:
    names, matrix = read_confusion(shared_data / "published" / f"{name}_confusion_matrix.csv")
    assert matrix.sum() == PUBLISHED_PIXELS
    scores = score_confusion(matrix, names)
    assert (round(scores.macro_f1, 4), round(scores.mean_iou, 4)) == PUBLISHED[name]
    assert scores.classes_averaged == len(names)
    assert scores.absent == ()


def test_figures_of_a_small_matrix() -> None:
    scores = score_confusion(np.array([[6, 2], [1, 1]]), ["Pasture", "Water"], [3, 1])
    pasture, water = scores.per_class
    assert (pasture.name, pasture.support, pasture.predicted, pasture.objects) == ("Pasture", 8, 7, 3)
    assert pasture.precision == pytest.approx(100 * 6 / 7)
    assert pasture.recall == pytest.approx(75)
    assert pasture.f1 == pytest.approx(80)
    assert pasture.iou == pytest.approx(100 * 6 / 9)
    assert (water.f1, water.iou) == (pytest.approx(40), pytest.approx(25))
    assert scores.macro_f1 == pytest.approx(60)
    assert scores.weighted_f1 == pytest.approx(0.8 * 80 + 0.2 * 40)
    assert scores.overall_accuracy == pytest.approx(70)
    assert scores.kappa == pytest.approx((0.7 - 0.62) / (1 - 0.62))


def test_a_class_that_is_never_predicted_counts_zero() -> None:
    scores = score_confusion(np.array([[8, 0], [2, 0]]))
    assert scores.per_class[1].precision is None
    assert (scores.per_class[1].recall, scores.per_class[1].f1, scores.per_class[1].iou) == (0, 0, 0)
    assert scores.classes_averaged == 2
    assert scores.macro_f1 == pytest.approx(scores.per_class[0].f1 / 2)


def test_a_class_without_support_is_absent_and_its_false_positives_are_listed() -> None:
    scores = score_confusion(np.array([[8, 0, 2], [0, 10, 0], [0, 0, 0]]), ["Pasture", "Forest", "Mining"])
    assert [(a.id, a.name, a.false_positives) for a in scores.absent] == [(2, "Mining", 2)]
    mining = scores.per_class[2]
    assert (mining.precision, mining.recall, mining.f1, mining.iou) == (0, None, None, None)
    assert scores.classes_averaged == 2
    assert scores.mean_iou == pytest.approx((80 + 100) / 2)
    assert scores.macro_f1 == pytest.approx((100 * 16 / 18 + 100) / 2)


@given(label_pairs)
def test_agrees_with_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    truth, prediction = pair
    scores = score_confusion(confusion_matrix(truth, prediction, CLASSES))
    present = np.unique(truth)
    peer = precision_recall_fscore_support(truth, prediction, labels=present, zero_division=0)
    ours = [scores.per_class[class_id] for class_id in present]
    np.testing.assert_allclose([c.precision or 0 for c in ours], 100 * peer[0], atol=1e-10)
    np.testing.assert_allclose([c.recall for c in ours], 100 * peer[1], atol=1e-10)
    np.testing.assert_allclose([c.f1 for c in ours], 100 * peer[2], atol=1e-10)
    assert [c.support for c in ours] == peer[3].tolist()
    iou = jaccard_score(truth, prediction, labels=present, average=None, zero_division=0)
    np.testing.assert_allclose([c.iou for c in ours], 100 * iou, atol=1e-10)
    assert scores.macro_f1 == pytest.approx(100 * peer[2].mean())
    assert scores.mean_iou == pytest.approx(100 * iou.mean())
    assert scores.weighted_f1 == pytest.approx(100 * np.average(peer[2], weights=peer[3]))
    assert scores.overall_accuracy == pytest.approx(100 * accuracy_score(truth, prediction))
    if len(np.union1d(truth, prediction)) > 1:
        assert scores.kappa == pytest.approx(cohen_kappa_score(truth, prediction), abs=1e-12)
    else:
        assert scores.kappa is None


@given(matrix=matrices, data=st.data())
def test_renumbering_the_classes_only_renumbers_their_scores(matrix: np.ndarray, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(matrix))))
    names = [f"class {i}" for i in range(len(matrix))]
    before = score_confusion(matrix, names)
    after = score_confusion(matrix[np.ix_(order, order)], [names[i] for i in order])
    for new_id, old_id in enumerate(order):
        old, new = before.per_class[old_id].__dict__, after.per_class[new_id].__dict__
        assert {**old, "id": None} == {**new, "id": None}
    assert after.macro_f1 == pytest.approx(before.macro_f1)
    assert after.mean_iou == pytest.approx(before.mean_iou)
    assert after.weighted_f1 == pytest.approx(before.weighted_f1)
    assert after.overall_accuracy == before.overall_accuracy
    assert after.kappa == before.kappa


@given(matrices)
def test_figures_are_percent_and_iou_follows_from_f1(matrix: np.ndarray) -> None:
    scores = score_confusion(matrix)
    for c in scores.per_class:
        assert all(0 <= figure <= 100 for figure in (c.precision, c.recall, c.f1, c.iou) if figure is not None)
        if c.f1 is not None and c.iou is not None:
            assert c.iou == pytest.approx(100 * c.f1 / (200 - c.f1))
    assert scores.classes_averaged + len(scores.absent) == len(matrix)
    assert scores.kappa is None or -1 <= scores.kappa <= 1


@given(matrices)
def test_the_dictionary_is_json_without_nan(matrix: np.ndarray) -> None:
    plain = score_confusion(matrix, objects=np.ones(len(matrix), np.int64)).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert list(plain) == [
        "macro_f1", "mean_iou", "overall_accuracy", "weighted_f1", "kappa", "classes_averaged", "per_class", "absent",
    ]  # fmt: skip
    assert [c["objects"] for c in plain["per_class"]] == [1] * len(matrix)


def test_pixel_counts_of_whole_scenes_do_not_overflow() -> None:
    scores = score_confusion(np.array([[4, 1], [1, 4]]) * 10**18 // 2)
    assert scores.overall_accuracy == pytest.approx(80)
    assert scores.kappa == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("matrix", "names", "objects", "message"),
    [
        (np.zeros((3, 3), np.int64), None, None, "holds no pixel"),
        (np.eye(3, 2, dtype=np.int64), None, None, r"shape \(3, 2\)"),
        (np.eye(3), None, None, "type float64"),
        (-np.eye(3, dtype=np.int64), None, None, "holds -1"),
        (np.eye(3, dtype=np.int64), ["a", "b"], None, "2 class names"),
        (np.eye(3, dtype=np.int64), None, [1, 2, 3, 4], "4 classes"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    matrix: np.ndarray, names: list[str] | None, objects: list[int] | None, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        score_confusion(matrix, names, objects)
