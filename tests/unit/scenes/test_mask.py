import numpy as np
import pytest

from cerradata.scenes.mask import edge_strip


def test_the_strip_is_as_wide_as_asked() -> None:
    data = np.zeros((40, 60), bool)
    data[5:35, 10:50] = True
    kept = ~edge_strip(data, 400.0, (100.0, 100.0))
    rows, columns = np.nonzero(kept)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 30, 14, 45)


def test_the_array_ends_where_the_data_end() -> None:
    kept = ~edge_strip(np.ones((20, 20), bool), 300.0, (100.0, 100.0))
    assert kept[3:-3, 3:-3].all()
    assert not kept[:3].any()


def test_holes_are_no_edge() -> None:
    data = np.ones((30, 30), bool)
    data[14:16, 14:16] = False
    assert not edge_strip(data, 200.0, (100.0, 100.0))[10:20, 10:20].any()


@pytest.mark.parametrize("lean", [0.0, 0.19, 1.3])
def test_noise_along_a_slanted_edge_is_hidden(lean: float) -> None:
    """Data right of a slanted line; the first 300 m are noise. The strip is computed on cells of 100 m."""
    rows, columns = np.mgrid[:600, :900]
    inside = (columns - 300 - lean * (rows - 300)) * 10 / np.hypot(1, lean)  # metres from the line
    data, noise = inside > 0, (inside > 0) & (inside < 300)
    hidden = np.kron(edge_strip(data[::10, ::10], 500.0, (100.0, 100.0)), np.ones((10, 10), bool))
    assert not (noise & ~hidden).any()
    framed = (rows > 70) & (rows < 530) & (columns < 830)
    assert not (hidden & (inside > 700) & framed).any()
