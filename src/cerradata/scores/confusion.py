"""Confusion matrices: counted from labels, read from and written to CSV."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cerradata.core.errors import DatasetError
from cerradata.core.files import write_text
from cerradata.core.types import UNLABELLED, BoolArray, CountArray, LabelArray

_CHUNK = 1 << 18  # pixels; the working arrays of one chunk stay in the processor's second-level cache
_MAX_NIBBLE_CLASSES = 15  # 16 values fit in four bits; the last one is kept for unlabelled pixels
_MAX_NAMED_VALUES = 5  # in an error message
_LARGEST_COUNT = np.iinfo(np.int64).max


def confusion_matrix(truth: LabelArray, prediction: LabelArray, classes: int, ignore: int = UNLABELLED) -> CountArray:
    """Count the pixels of every pair of true and predicted class.

    Args:
        truth: Class ids, any shape and any integer type; fastest as uint8.
        prediction: Class ids, same shape. Not looked at where the truth is `ignore`.
        classes: Number of classes; their ids are 0 to `classes` - 1.
        ignore: Value of the truth that means "unlabelled": such pixels take no part.

    Returns:
        (classes, classes) int64, rows truth, columns prediction.

    Raises:
        DatasetError: If shapes differ, a type is not integer, or a labelled pixel holds something that is no class.
    """
    _check_labels(truth, prediction, classes)
    flat_truth, flat_prediction = truth.reshape(-1), prediction.reshape(-1)
    both_bytes = truth.dtype == np.uint8 and prediction.dtype == np.uint8
    # The table of pairs has 65,536 entries: clearing and summing it only pays for more than a few patches.
    if both_bytes and classes <= _MAX_NIBBLE_CLASSES and truth.size >= _CHUNK:
        return _count_byte_pairs(flat_truth, flat_prediction, classes, ignore)
    return _count_single(flat_truth, flat_prediction, classes, ignore)


def read_confusion(path: Path) -> tuple[tuple[str, ...], CountArray]:
    """Read a confusion matrix in the form of the published ones.

    The header is `Class,0,1,...` (ids or names of the predicted classes), each further row `0,n,n,...` (the true class,
    then its pixels by predicted class).

    Args:
        path: The CSV file.

    Returns:
        The class names as they stand in the header, and (classes, classes) int64, rows truth, columns prediction.

    Raises:
        DatasetError: If the file is missing, empty, not square, or holds something that is no pixel count.
    """
    rows = _read_rows(path)
    names = tuple(cell.strip() for cell in rows[0][1:])
    body = rows[1:]
    if not names or not body:
        raise DatasetError(
            f"Confusion matrix {path} holds no class: a header `Class,0,1,...` and one row a class are needed."
        )
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DatasetError(f"Confusion matrix {path} has the class {doubled[0]!r} twice in its header.")
    for number, row in enumerate(body, start=1):
        if len(row) != len(names) + 1 or len(body) != len(names):
            raise DatasetError(
                f"Confusion matrix {path} is not square: the header has {len(names)} classes, there are {len(body)} "
                f"rows, and row {number} has {len(row) - 1} counts. Every class needs one row and one column."
            )
    for name, row in zip(names, body, strict=True):
        if row[0].strip() != name:
            raise DatasetError(
                f"Confusion matrix {path} has the row {row[0]!r} where the header has {name!r}: rows and columns must "
                f"be the same classes in the same order."
            )
    counts = [[_count(cell, path, row[0]) for cell in row[1:]] for row in body]
    return names, np.array(counts, dtype=np.int64)


def write_confusion(path: Path, matrix: CountArray, names: Sequence[str] | None = None) -> None:
    """Write a confusion matrix in the form that `read_confusion` reads, atomically.

    Args:
        path: The CSV file.
        matrix: (classes, classes), rows truth, columns prediction.
        names: Class names for header and rows; the ids by default, as in the published files.

    Raises:
        DatasetError: If the matrix is no matrix of counts, or the names do not fit it.
        OutputError: If the file cannot be written.
    """
    check_matrix(matrix)
    labels = class_names(matrix, names)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Class", *labels])
    writer.writerows([label, *row] for label, row in zip(labels, matrix.tolist(), strict=True))
    write_text(path, text.getvalue())


def merge_confusion(matrix: CountArray, table: LabelArray, classes: int) -> CountArray:
    """The confusion matrix of the same pixels at a coarser level.

    Args:
        matrix: (fine classes, fine classes), rows truth, columns prediction.
        table: Coarse class id at each fine one (`Legend.lookup`).
        classes: Number of coarse classes.

    Returns:
        (classes, classes) int64.

    Raises:
        DatasetError: If the matrix is no matrix of counts.
    """
    check_matrix(matrix)
    ids = table[: len(matrix)]
    merged = np.zeros((classes, classes), np.int64)
    np.add.at(merged, (ids[:, None], ids[None, :]), matrix)
    return merged


def check_matrix(matrix: CountArray) -> None:
    """Raise `DatasetError` unless `matrix` is square, integer and without negative counts."""
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise DatasetError(f"A confusion matrix has the shape {matrix.shape}: it must be (classes, classes).")
    if matrix.dtype.kind not in "iu":
        raise DatasetError(f"A confusion matrix has the type {matrix.dtype}: it must hold pixel counts, as integers.")
    if int(matrix.min()) < 0:
        row, column = np.argwhere(matrix < 0)[0]
        raise DatasetError(
            f"A confusion matrix holds {int(matrix[row, column])} in row {row}, column {column}: pixel counts are "
            f"0 or more."
        )


def class_names(matrix: CountArray, names: Sequence[str] | None) -> tuple[str, ...]:
    """`names`, or the ids as text where there are none.

    Raises:
        DatasetError: If there are more or fewer names than classes.
    """
    if names is None:
        return tuple(str(class_id) for class_id in range(len(matrix)))
    if len(names) != len(matrix):
        raise DatasetError(
            f"{len(names)} class names were given for a confusion matrix of {len(matrix)} classes: check the level."
        )
    return tuple(names)


def _check_labels(truth: LabelArray, prediction: LabelArray, classes: int) -> None:
    if classes < 1:
        raise DatasetError(f"A confusion matrix of {classes} classes was asked for: at least 1 is needed.")
    if truth.shape != prediction.shape:
        raise DatasetError(
            f"The truth has the shape {truth.shape}, the prediction {prediction.shape}: they must be equal."
        )
    for what, labels in (("truth", truth), ("prediction", prediction)):
        if labels.dtype.kind not in "iu":
            raise DatasetError(f"The {what} has the type {labels.dtype}: class ids must be integers.")


def _chunks(truth: LabelArray, prediction: LabelArray) -> Iterator[tuple[LabelArray, LabelArray]]:
    for start in range(0, truth.size, _CHUNK):
        yield truth[start : start + _CHUNK], prediction[start : start + _CHUNK]


def _count_byte_pairs(truth: LabelArray, prediction: LabelArray, classes: int, ignore: int) -> CountArray:
    """Counting for uint8 labels: one byte a pixel holds both classes, and two neighbouring pixels are counted at once.

    `np.bincount` takes the same time for a byte as for two bytes read as one uint16, which halves its work.
    """
    pairs = np.zeros(1 << 16, np.int64)
    for chunk, predicted in _chunks(truth, prediction):
        unlabelled = chunk == ignore
        outside = np.maximum(chunk, predicted) >= classes
        outside &= ~unlabelled
        if outside.any():
            _refuse(truth, prediction, classes, ignore)
        codes = np.full(chunk.size + chunk.size % 2, 0xF0, np.uint8)  # an odd last chunk is filled up, as unlabelled
        filled = codes[: chunk.size]
        np.left_shift(chunk, 4, out=filled)
        filled |= predicted
        filled |= unlabelled.view(np.uint8) * np.uint8(0xF0)
        pairs += np.bincount(codes.view(np.uint16), minlength=1 << 16)
    table = pairs.reshape(256, 256)
    single: CountArray = table.sum(axis=0) + table.sum(axis=1)
    return single.reshape(16, 16)[:classes, :classes].copy()


def _count_single(truth: LabelArray, prediction: LabelArray, classes: int, ignore: int) -> CountArray:
    """Counting for any integer type and number of classes."""
    cells = classes * classes
    counts = np.zeros(cells + 1, np.int64)
    for chunk, predicted in _chunks(truth, prediction):
        unlabelled = chunk == ignore
        if (~unlabelled & (_outside(chunk, classes) | _outside(predicted, classes))).any():
            _refuse(truth, prediction, classes, ignore)
        codes = chunk.astype(np.intp)
        codes *= classes
        codes += predicted.astype(np.intp)
        codes[unlabelled] = cells
        counts += np.bincount(codes, minlength=cells + 1)
    return counts[:cells].reshape(classes, classes)


def _outside(labels: LabelArray, classes: int) -> BoolArray:
    outside: BoolArray = labels >= classes
    return outside if labels.dtype.kind == "u" else outside | (labels < 0)


def _refuse(truth: LabelArray, prediction: LabelArray, classes: int, ignore: int) -> None:
    """Raise the error that names what no class is, over the whole arrays."""
    labelled = truth != ignore
    for what, labels in (("truth", truth), ("prediction", prediction)):
        strange = labels[labelled & _outside(labels, classes)]
        if not strange.size:
            continue
        values, counts = np.unique(strange, return_counts=True)
        named = [f"{v} ({n} pixels)" for v, n in zip(values[:_MAX_NAMED_VALUES], counts, strict=False)]
        more = f" and {len(values) - _MAX_NAMED_VALUES} more values" if len(values) > _MAX_NAMED_VALUES else ""
        raise DatasetError(
            f"The {what} holds {', '.join(named)}{more} on labelled pixels: the {classes} classes have ids 0 to "
            f"{classes - 1}, and {ignore} in the truth means unlabelled. Check that both are of the same level."
        )


def _read_rows(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise DatasetError(f"There is no confusion matrix {path}: give the path of a CSV file.")
    try:
        # utf-8-sig: spreadsheets put a byte-order mark before the header.
        rows = [row for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"Confusion matrix {path} is no CSV text: {error}.") from error
    if not rows:
        raise DatasetError(
            f"Confusion matrix {path} is empty: a header `Class,0,1,...` and one row a class are needed."
        )
    return rows


def _count(cell: str, path: Path, row: str) -> int:
    text = cell.strip()
    if not re.fullmatch(r"[0-9]+", text) or int(text) > _LARGEST_COUNT:
        raise DatasetError(
            f"Confusion matrix {path} holds {cell!r} in the row of class {row!r}: pixel counts are whole numbers, "
            f"0 or more."
        )
    return int(text)
