"""Scores against another reference than the dataset's own labels."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from cerradata.commands.main import main
from cerradata.core.locations import Location
from cerradata.core.types import SIMULATED_TAG
from cerradata.evaluation.baseline import fit_random_forest, random_forest_scores
from cerradata.evaluation.independent import IndependentLabels, score_on_reference
from cerradata.evaluation.testing import ScoreOptions, score_run
from cerradata.labels import ReferenceSource
from cerradata.scores.scores import Scores

Run = Any  # a RunFolder
QUIET = ScoreOptions(quiet=True)
WEST, NORTH = 700_020.0, 9_000_000.0  # of the golden dataset


def terraclass(size: int = 192) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size]
    codes = np.asarray((1, 11, 14, 23, 2, 17), np.uint8)[(rows // 24 + columns // 40) % 6]
    codes[5:8] = 0
    return codes


@pytest.fixture
def same(tmp_path: Path, make_raster: Callable[..., Path]) -> ReferenceSource:
    """The reference that labelled the golden dataset, as another file."""
    path = make_raster(tmp_path / "same.tif", terraclass(), transform=Affine(10, 0, WEST, 0, -10, NORTH))
    return ReferenceSource("terraclass-cerrado-2022", raster=Location(path))


def without_objects(scores: Scores) -> dict[str, Any]:
    plain = scores.to_dict()
    for own in plain["per_class"]:
        own.pop("objects")
    return plain


def test_the_same_reference_gives_the_same_scores(
    trained_run: Run, split_dataset: Path, same: ReferenceSource, run_copy: Run
) -> None:
    own = score_run(run_copy, split_dataset, QUIET)
    other = score_on_reference(run_copy, split_dataset, same, QUIET)
    assert without_objects(other) == without_objects(own)


def test_another_reference_gives_others(
    trained_run: Run, split_dataset: Path, tmp_path: Path, make_raster: Callable[..., Path]
) -> None:
    path = make_raster(
        tmp_path / "water.tif", np.full((192, 192), 23, np.uint8), transform=Affine(10, 0, WEST, 0, -10, NORTH)
    )
    scores = score_on_reference(
        trained_run, split_dataset, ReferenceSource("terraclass-cerrado-2022", raster=Location(path)), QUIET
    )
    supports = {c.name: c.support for c in scores.per_class if c.support}
    assert list(supports) == ["Water body"]
    assert scores.classes_averaged == 1


def test_labels_are_brought_to_the_level(split_dataset: Path, same: ReferenceSource) -> None:
    fine = IndependentLabels.open(split_dataset, same, 2)
    coarse = IndependentLabels.open(split_dataset, same, 1)
    patch = sorted(fine.places)[8]
    np.testing.assert_array_equal(coarse.read(patch), fine.legend.coarsen(fine.read(patch), 2, 1))


def test_the_forest_can_be_scored_on_it_too(trained_run: Run, split_dataset: Path, same: ReferenceSource) -> None:
    record = trained_run.read()
    forest = fit_random_forest(record, split_dataset, seed=1)
    own = random_forest_scores(record, split_dataset, forest=forest)
    labels = IndependentLabels.open(split_dataset, same, record.level)
    other = random_forest_scores(record, split_dataset, forest=forest, labels=labels)
    assert without_objects(other) == without_objects(own)


def test_the_command_scores_against_a_file_and_writes_nothing(
    run_copy: Run, split_dataset: Path, same: ReferenceSource, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {p: p.stat().st_mtime_ns for p in run_copy.path.rglob("*")}
    words = ["test", str(run_copy.path), "--data", str(split_dataset), "--format", "json"]
    assert main([*words, "--reference", str(same.raster), "--codes", "terraclass-cerrado-2022"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes_averaged"] > 1
    assert {p: p.stat().st_mtime_ns for p in run_copy.path.rglob("*")} == before
    assert main([*words, "--codes", "terraclass-cerrado-2022"]) == 1
    assert "together" in capsys.readouterr().err


def test_a_simulated_reference_says_so_beside_real_data(
    trained_run: Run,
    split_dataset: Path,
    tmp_path: Path,
    make_raster: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = Affine(10, 0, WEST, 0, -10, NORTH)
    path = make_raster(tmp_path / "truth.tif", terraclass(), transform=place, tags={SIMULATED_TAG: "world 0"})
    words = ["test", str(trained_run.path), "--data", str(split_dataset), "--reference", str(path)]
    words += ["--codes", "terraclass-cerrado-2022", "--quiet"]
    assert main([*words, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["simulated"] == ["world 0"]
    assert main(words) == 0
    assert "Simulated data (world 0): no figure here is of a real place." in capsys.readouterr().out
