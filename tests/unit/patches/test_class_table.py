from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from cerradata.core.errors import DatasetError
from cerradata.patches.class_table import class_table
from cerradata.patches.index import class_counts, read_index


@pytest.mark.parametrize("split", ["train", "val", None])
def test_sums_are_those_of_the_index(split_dataset: Path, split: str | None) -> None:
    index = read_index(split_dataset)
    for level in (1, 2):
        table = class_table(index, level, split)
        np.testing.assert_array_equal(table.totals, class_counts(index, level, split=split))
        np.testing.assert_array_equal(table.present, table.totals > 0)
        assert table.ids.tolist() == sorted(index["id"] if split is None else index["id"][index["split"] == split])


def small_index(rows: list[list[int]]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"id": [7, 3, 5], "split": "train", "pixels_l1": rows})


def test_rows_follow_ids() -> None:
    table = class_table(small_index([[70, 0], [30, 1], [50, 2]]), 1)
    assert table.ids.tolist() == [3, 5, 7]
    assert table.pixels.tolist() == [[30, 1], [50, 2], [70, 0]]
    assert table.of([7, 3]).pixels.tolist() == [[70, 0], [30, 1]]
    assert table.of([7, 3]).ids.tolist() == [7, 3]
    assert table.of([7, 3]).of([3]).pixels.tolist() == [[30, 1]]
    assert len(table.of([])) == 0


def test_what_is_not_there_is_refused() -> None:
    index = small_index([[1, 2], [1], [1, 2]])
    with pytest.raises(DatasetError, match="level 2: it has those of level 1"):
        class_table(index, 2)
    with pytest.raises(DatasetError, match="rows of different lengths"):
        class_table(index, 1)
    table = class_table(small_index([[1, 2], [1, 2], [1, 2]]), 1)
    for unknown in (4, 99):
        with pytest.raises(DatasetError, match=f"Patch {unknown} is not in the index"):
            table.of([3, unknown])
