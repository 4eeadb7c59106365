from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import confusion_matrix as peer_confusion_matrix

from cerradata.core.errors import DatasetError
from cerradata.legend import load_legend
from cerradata.scores import confusion_matrix, read_confusion, write_confusion
from cerradata.scores.confusion import merge_confusion

LARGE = (1 << 18) + 3  # more than one chunk, and odd, so that the last pair of pixels is half empty


def random_labels(classes: int, size: int = LARGE, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, classes, size, dtype=np.uint8), rng.integers(0, classes, size, dtype=np.uint8)


def peer_matrix(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    # scikit-learn warns of a matrix of one class; one class more than there are avoids it.
    return peer_confusion_matrix(truth, prediction, labels=range(classes + 1))[:classes, :classes]


def test_rows_are_truth_and_columns_prediction() -> None:
    truth = np.array([[0, 0, 0], [1, 2, 2]], np.uint8)
    prediction = np.array([[0, 1, 1], [1, 0, 2]], np.uint8)
    assert confusion_matrix(truth, prediction, 3).tolist() == [[1, 2, 0], [0, 1, 0], [1, 0, 1]]


@given(st.data())
def test_agrees_with_scikit_learn(data: st.DataObject) -> None:
    classes = data.draw(st.integers(1, 20), label="classes")
    size = data.draw(st.integers(1, 60), label="size")
    dtype = data.draw(st.sampled_from([np.uint8, np.int16, np.int32, np.int64, np.uint16]), label="dtype")
    truth = data.draw(hnp.arrays(dtype, size, elements=st.one_of(st.integers(0, classes - 1), st.just(255))))
    prediction = data.draw(hnp.arrays(np.uint8, size, elements=st.integers(0, classes - 1)))
    matrix = confusion_matrix(truth, prediction, classes)
    labelled = truth != 255
    if labelled.any():
        np.testing.assert_array_equal(matrix, peer_matrix(truth[labelled], prediction[labelled], classes))
    else:
        assert matrix.sum() == 0


@pytest.mark.parametrize("classes", [1, 2, 7, 14, 15, 16, 30])
@pytest.mark.parametrize("size", [LARGE, LARGE - 1, 2 * LARGE])
def test_large_arrays_agree_with_scikit_learn(classes: int, size: int) -> None:
    truth, prediction = random_labels(classes, size)
    matrix = confusion_matrix(truth, prediction, classes)
    np.testing.assert_array_equal(matrix, peer_matrix(truth, prediction, classes))


@pytest.mark.parametrize("size", [100, LARGE])
def test_what_is_predicted_on_unlabelled_pixels_does_not_matter(size: int) -> None:
    truth, prediction = random_labels(14, size)
    expected = confusion_matrix(truth[5:], prediction[5:], 14)
    truth[:5] = 255
    prediction[:5] = [0, 13, 14, 200, 255]
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 14), expected)


@pytest.mark.parametrize("size", [100, LARGE])
def test_any_value_can_be_ignored(size: int) -> None:
    truth, prediction = random_labels(14, size)
    matrix = confusion_matrix(truth, prediction, 14, ignore=3)
    expected = peer_matrix(truth, prediction, 14)
    expected[3] = 0
    np.testing.assert_array_equal(matrix, expected)


def test_a_negative_value_can_be_ignored() -> None:
    truth = np.array([-1, 0, 1], np.int32)
    assert confusion_matrix(truth, np.array([9, 0, 0], np.int64), 2, ignore=-1).tolist() == [[1, 0], [1, 0]]


def test_views_that_are_not_contiguous_are_counted() -> None:
    truth, prediction = (labels[: 512 * 512].reshape(512, 512) for labels in random_labels(14))
    expected = confusion_matrix(truth[:, ::2].copy(), prediction[:, ::2].copy(), 14)
    np.testing.assert_array_equal(confusion_matrix(truth[:, ::2], prediction[:, ::2], 14), expected)
    np.testing.assert_array_equal(confusion_matrix(truth.T, prediction.T, 14), confusion_matrix(truth, prediction, 14))


def test_the_labels_are_not_changed() -> None:
    truth, prediction = random_labels(14)
    truth[::7] = 255
    copies = truth.copy(), prediction.copy()
    confusion_matrix(truth, prediction, 14)
    np.testing.assert_array_equal(truth, copies[0])
    np.testing.assert_array_equal(prediction, copies[1])


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_prediction_that_is_no_class_is_refused(size: int) -> None:
    truth, prediction = random_labels(14, size)
    prediction[-2:] = [14, 255]
    with pytest.raises(DatasetError, match=r"prediction holds 14 \(1 pixels\), 255 \(1 pixels\).*0 to 13"):
        confusion_matrix(truth, prediction, 14)


@pytest.mark.parametrize("size", [100, LARGE])
def test_a_truth_that_is_no_class_is_refused(size: int) -> None:
    truth, prediction = random_labels(14, size)
    truth[-3:] = 17
    with pytest.raises(DatasetError, match=r"truth holds 17 \(3 pixels\)"):
        confusion_matrix(truth, prediction, 14)


def test_negative_values_are_refused() -> None:
    labels = np.array([0, 1], np.int8)
    with pytest.raises(DatasetError, match=r"prediction holds -1 \(2 pixels\)"):
        confusion_matrix(labels, np.array([-1, -1], np.int8), 2)


def test_a_long_list_of_strange_values_is_cut() -> None:
    with pytest.raises(DatasetError, match=r"6 \(1 pixels\) and 3 more values"):
        confusion_matrix(np.arange(10, dtype=np.uint8), np.zeros(10, np.uint8), 2)


@pytest.mark.parametrize(
    ("truth", "prediction", "classes", "message"),
    [
        (np.zeros(3, np.uint8), np.zeros(4, np.uint8), 2, r"shape \(3,\), the prediction \(4,\)"),
        (np.zeros(3, np.uint8), np.zeros(3, np.float32), 2, "prediction has the type float32"),
        (np.zeros(3, np.float64), np.zeros(3, np.uint8), 2, "truth has the type float64"),
        (np.zeros(3, np.uint8), np.zeros(3, np.uint8), 0, "0 classes"),
    ],
)
def test_unfit_arguments_are_refused(truth: np.ndarray, prediction: np.ndarray, classes: int, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        confusion_matrix(truth, prediction, classes)


MATRIX = np.array([[5, 1, 0], [2, 7, 3], [0, 0, 9]])


def test_the_written_form_is_the_published_one(tmp_path: Path) -> None:
    write_confusion(tmp_path / "confusion.csv", MATRIX)
    assert (tmp_path / "confusion.csv").read_text() == "Class,0,1,2\n0,5,1,0\n1,2,7,3\n2,0,0,9\n"


@given(
    matrix=st.integers(1, 6).flatmap(
        lambda n: hnp.arrays(np.int64, (n, n), elements=st.integers(0, np.iinfo(np.int64).max))
    )
)
def test_reading_gives_back_what_was_written(matrix: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("confusion") / "confusion.csv"
    names = tuple(f'Class {i}, "{i}" cycle' for i in range(len(matrix)))
    write_confusion(path, matrix, names)
    read_names, read = read_confusion(path)
    assert read_names == names
    assert read.dtype == np.int64
    np.testing.assert_array_equal(read, matrix)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffClass,0,1\r\n0,3,4\r\n1,5,6\r\n",  # a spreadsheet's byte-order mark and line ends
        "Class,0,1\n0, 3, 4\n1, 5, 6",
        "Class,0,1\n\n0,3,4\n1,5,6\n\n",
    ],
)
def test_harmless_variants_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "confusion.csv"
    path.write_bytes(text.encode())
    names, matrix = read_confusion(path)
    assert names == ("0", "1")
    assert matrix.tolist() == [[3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("Class\n", "holds no class"),
        ("Class,0,1\n", "holds no class"),
        ("Class,0,1\n0,3,4\n", "not square: the header has 2 classes, there are 1 rows"),
        ("Class,0,1\n0,3,4\n1,5\n", "row 2 has 1 counts"),
        ("Class,0\n0,3\n1,4\n", "the header has 1 classes, there are 2 rows"),
        ("Class,0,0\n0,3,4\n0,5,6\n", "the class '0' twice"),
        ("Class,a,b\nb,3,4\na,5,6\n", "the row 'b' where the header has 'a'"),
        ("Class,0,1\n0,3,4.5\n1,5,6\n", "holds '4.5' in the row of class '0'"),
        ("Class,0,1\n0,3,4\n1,-5,6\n", "holds '-5' in the row of class '1'"),
        ("Class,0,1\n0,3,\n1,5,6\n", "holds ''"),
        ("Class,0,1\n0,3,nan\n1,5,6\n", "holds 'nan'"),
        ("Class,0,1\n0,3,9223372036854775808\n1,5,6\n", "holds '9223372036854775808'"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "confusion.csv"
    path.write_text(text)
    with pytest.raises(DatasetError, match=message) as caught:
        read_confusion(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no confusion matrix"):
        read_confusion(tmp_path / "missing.csv")
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(DatasetError, match="is no CSV text"):
        read_confusion(tmp_path / "picture.csv")


@pytest.mark.parametrize(
    ("matrix", "names", "message"),
    [
        (np.zeros((2, 3), np.int64), None, r"shape \(2, 3\)"),
        (np.zeros((0, 0), np.int64), None, r"shape \(0, 0\)"),
        (np.zeros((2, 2)), None, "type float64"),
        (np.array([[1, 2], [-3, 4]]), None, "holds -3 in row 1, column 0"),
        (np.zeros((2, 2), np.int64), ("water",), "1 class names"),
    ],
)
def test_writing_refuses_what_reading_would(
    tmp_path: Path, matrix: np.ndarray, names: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        write_confusion(tmp_path / "confusion.csv", matrix, names)
    assert not (tmp_path / "confusion.csv").exists()


def test_classes_merge_to_those_of_a_coarser_level() -> None:
    fine = np.asarray([[5, 1, 2], [3, 7, 4], [0, 6, 8]], np.int64)
    table = np.full(256, 255, np.uint8)
    table[:3] = (1, 0, 1)  # the first and the third are one
    merged = merge_confusion(fine, table, 2)
    np.testing.assert_array_equal(merged, [[7, 7], [7, 15]])
    assert merged.sum() == fine.sum()


def test_the_published_matrices_keep_their_pixels_when_merged(shared_data: Path) -> None:
    _, fine = read_confusion(shared_data / "published" / "unet_concat_w_l2_confusion_matrix.csv")
    legend = load_legend("cerradata-4mm")
    merged = merge_confusion(fine, legend.lookup(2, 1), len(legend.level(1)))
    np.testing.assert_allclose(merged.sum(axis=1)[:2] / (18186594, 28283543), 1, rtol=2e-4)
