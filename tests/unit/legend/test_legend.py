from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cerradata.core.errors import LegendError
from cerradata.legend import LandCoverClass, Legend, Level, load_legend
from cerradata.legend.legend import SourceCodes

# Totals of the 3,028 published test patches, from the published confusion matrices of each level.
PUBLISHED_LEVEL_1 = (18186594, 28283543, 2231928, 5247, 267463, 631431, 4546)
PUBLISHED_LEVEL_2 = (
    18187526, 25071999, 3209266, 630404, 5238, 230865, 36367, 691089, 37003, 51710, 135200, 710080, 4552, 609453,
)  # fmt: skip
TERRACLASS = {1: 1, 2: 2, 9: 7, 10: 0, 11: 0, 12: 8, 13: 9, 14: 10, 15: 11, 16: 4, 17: 5, 20: 12, 21: 6, 22: 13, 23: 3}
GREY = (128, 128, 128)


def three_levels() -> Legend:
    """2, 3 and 5 classes; class 0 of level 1 holds 0 and 2 of level 2."""
    level_1 = Level(1, tuple(LandCoverClass(i, n, n[:2], GREY) for i, n in enumerate(["natural", "used"])))
    level_2 = Level(
        2,
        tuple(
            LandCoverClass(i, n, n[:2], GREY, p) for i, (n, p) in enumerate([("forest", 0), ("crop", 1), ("dune", 0)])
        ),
    )
    level_3 = Level(3, tuple(LandCoverClass(i, f"class {i}", f"c{i}", GREY, p) for i, p in enumerate([2, 0, 1, 1, 0])))
    return Legend("three", "Three levels", (level_1, level_2, level_3), {})


@pytest.fixture(scope="module")
def cerradata_4mm() -> Legend:
    return load_legend("cerradata-4mm")


def test_hierarchy_of_cerradata_4mm(cerradata_4mm: Legend) -> None:
    parents = {c.name: cerradata_4mm.level(1).classes[c.parent or 0].name for c in cerradata_4mm.level(2).classes}
    assert parents == {
        "Pasture": "Pasture",
        "Primary natural vegetation": "Natural vegetation",
        "Secondary natural vegetation": "Natural vegetation",
        "Water body": "Water body",
        "Mining": "Mining",
        "Urban area": "Building",
        "Other built area": "Building",
        "Forestry": "Agriculture",
        "Perennial agriculture": "Agriculture",
        "Semi-perennial agriculture": "Agriculture",
        "Temporary agriculture, 1 cycle": "Agriculture",
        "Temporary agriculture, more than 1 cycle": "Agriculture",
        "Other uses": "Other uses",
        "Deforestation 2022": "Agriculture",
    }
    assert cerradata_4mm.lookup(2, 1)[:14].tolist() == [0, 1, 1, 5, 3, 4, 4, 2, 2, 2, 2, 2, 6, 2]


def test_published_totals_of_both_levels_agree_through_the_hierarchy(cerradata_4mm: Legend) -> None:
    grouped = np.bincount(cerradata_4mm.lookup(2, 1)[:14], weights=PUBLISHED_LEVEL_2, minlength=7)
    difference = np.abs(grouped / np.array(PUBLISHED_LEVEL_1) - 1)
    names = cerradata_4mm.level(1).names
    allowed = {"Pasture": 1e-4, "Natural vegetation": 1e-4, "Agriculture": 1.3e-3}
    assert {name: d for name, d in zip(names, difference, strict=True) if d > allowed.get(name, 2e-3)} == {}
    assert grouped.sum() == sum(PUBLISHED_LEVEL_1) == 3028 * 128 * 128


def test_codes_of_terraclass(cerradata_4mm: Legend) -> None:
    source = cerradata_4mm.source("terraclass-cerrado-2022")
    assert dict(source.classes) == TERRACLASS
    assert source.unlabelled == (0, 25)
    assert set(source.known) == {*TERRACLASS, 0, 25}


def test_a_class_is_found_by_every_name(cerradata_4mm: Legend) -> None:
    for name in ("Forest", "forest", "Natural vegetation", "NV", "Vegetação natural"):
        assert cerradata_4mm.level(1).find(name).id == 1
    assert cerradata_4mm.level(2).find("T1+").id == 11
    with pytest.raises(LegendError, match="Level 1 has no class 'Savanna': it has Pasture, Natural vegetation"):
        cerradata_4mm.level(1).find("Savanna")


def test_labels_are_never_mapped_twice(cerradata_4mm: Legend) -> None:
    for from_level, to_level in ((1, 1), (2, 2), (1, 2)):
        with pytest.raises(LegendError, match=f"level {to_level} already must not be mapped a second time"):
            cerradata_4mm.lookup(from_level, to_level)
    mapped = cerradata_4mm.coarsen(np.array([[13, 255]], np.uint8), 2, 1)
    assert mapped.tolist() == [[2, 255]]
    with pytest.raises(LegendError, match="must not be mapped a second time"):
        cerradata_4mm.coarsen(mapped, 1, 1)


@pytest.mark.parametrize("number", [0, 3, -1])
def test_an_unknown_level_is_told(cerradata_4mm: Legend, number: int) -> None:
    with pytest.raises(LegendError, match=rf"no level {number}: it has levels 1 to 2 \(1: 7 classes, 2: 14 classes\)"):
        cerradata_4mm.level(number)


def test_levels_by_default_and_by_size(cerradata_4mm: Legend) -> None:
    assert cerradata_4mm.level() is cerradata_4mm.finest is cerradata_4mm.level(2)
    assert cerradata_4mm.level_with(7).number == 1
    with pytest.raises(LegendError, match="levels with 7, 14 classes, not one level with 8"):
        cerradata_4mm.level_with(8)


def test_an_unknown_source_is_told(cerradata_4mm: Legend) -> None:
    with pytest.raises(LegendError, match="no source 'mapbiomas-9': it has terraclass-cerrado-2022"):
        cerradata_4mm.source("mapbiomas-9")


def test_values_that_are_no_class_are_named_and_counted(cerradata_4mm: Legend) -> None:
    labels = np.array([[0, 6, 7, 7], [255, 254, -1, 6]], np.int32)
    assert cerradata_4mm.strange_values(labels, 1) == {-1: 1, 7: 2, 254: 1}
    assert cerradata_4mm.strange_values(labels, 2) == {-1: 1, 254: 1}
    with pytest.raises(LegendError, match=r"7 \(2 pixels\), 254 \(1 pixels\): level 1 .* has classes 0 to 6, and 255"):
        cerradata_4mm.check(labels, 1)
    with pytest.raises(LegendError, match=r"-1 \(1 pixels\)"):
        cerradata_4mm.coarsen(labels, 2, 1)
    cerradata_4mm.check(np.zeros((0, 3), np.uint8), 1)


@given(labels=arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 2, 3, 4, 255])))
def test_a_level_in_between_changes_nothing(labels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> None:
    legend = three_levels()
    direct = legend.coarsen(labels, 3, 1)
    np.testing.assert_array_equal(direct, legend.coarsen(legend.coarsen(labels, 3, 2), 2, 1))
    np.testing.assert_array_equal(direct == 255, labels == 255)
    assert direct.dtype == np.uint8


def test_lookup_of_three_levels() -> None:
    legend = three_levels()
    assert legend.lookup(3, 2)[:5].tolist() == [2, 0, 1, 1, 0]
    assert legend.lookup(3, 1)[:5].tolist() == [0, 0, 1, 1, 0]
    assert set(legend.lookup(3, 1)[5:].tolist()) == {255}


def test_parents_must_exist() -> None:
    legend = three_levels()
    orphan = Level(2, (replace(legend.level(2).classes[0], parent=None), *legend.level(2).classes[1:]))
    with pytest.raises(LegendError, match="class 'forest' of level 2 has parent None; level 1 has ids 0 to 1"):
        replace(legend, levels=(legend.level(1), orphan))
    with pytest.raises(LegendError, match="classes of level 1 have no parent"):
        replace(legend, levels=(replace(legend.level(2), number=1),))


def test_levels_are_numbered_from_the_coarsest() -> None:
    legend = three_levels()
    with pytest.raises(LegendError, match=r"has levels \[3, 2, 1\]: they must be 1, 2"):
        replace(legend, levels=legend.levels[::-1])
    with pytest.raises(LegendError, match=r"has levels \[\]"):
        replace(legend, levels=())


def test_ids_and_colours_have_limits() -> None:
    with pytest.raises(LegendError, match="'Water' has id 255: ids are 0 to 254"):
        LandCoverClass(255, "Water", "Wt", GREY)
    with pytest.raises(LegendError, match=r"'Water' has colour \(0, 0, 256\): three numbers from 0 to 255"):
        LandCoverClass(0, "Water", "Wt", (0, 0, 256))
    assert LandCoverClass(0, "Water", "Wt", (0, 10, 255)).hex_colour == "#000aff"


def test_a_code_is_a_class_or_unlabelled() -> None:
    with pytest.raises(LegendError, match="'map' lists code 25 as a class and as unlabelled"):
        SourceCodes("map", {1: 0, 25: 1}, (0, 25))
    with pytest.raises(LegendError, match="'map' maps code 9 to class 5; level 3 has ids 0 to 4"):
        replace(three_levels(), sources={"map": SourceCodes("map", {9: 5})})


def test_tags_tell_legend_and_level(cerradata_4mm: Legend) -> None:
    tags = cerradata_4mm.tags(1)
    assert (tags["CERRADATA_LEGEND"], tags["CERRADATA_LEVEL"]) == ("cerradata-4mm", "1")
    assert tags["CERRADATA_CLASSES"].startswith("0=Pasture; 1=Natural vegetation; ")
