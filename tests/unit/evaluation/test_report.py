import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely.geometry import box

from cerradata.commands.show import show_selection
from cerradata.core.errors import CerradataError, DatasetError, OutputError, RunError
from cerradata.core.raster import RasterLook, write_geotiff
from cerradata.core.types import CountArray
from cerradata.evaluation.report import write_report
from cerradata.evaluation.report.alignment import describe_alignment
from cerradata.evaluation.report.footprints import ground_km2, patches_over_ground, plot_footprints, plot_shaded
from cerradata.evaluation.report.page import ABSENT, number, percent
from cerradata.evaluation.report.run_page import run_page
from cerradata.evaluation.report.samples import choose_patches
from cerradata.evaluation.report.seams import describe_seams
from cerradata.evaluation.report.splits import read_certificate
from cerradata.legend import load_legend
from cerradata.patches.certificate import certify
from cerradata.patches.copy import CopyFacts, index_copy
from cerradata.patches.index import class_counts, read_index, write_index
from cerradata.patches.info import DatasetInfo, LayerInfo
from cerradata.patches.select import SelectionTally
from cerradata.runs import ModelRecord, RunFolder, RunRecord, hash_of_ids
from cerradata.scenes import Radiometry
from cerradata.scores.confusion import write_confusion
from cerradata.scores.scores import score_confusion

LEGEND = load_legend("cerradata-4mm")
SIZE = 8
SPLIT_OF_ID = {0: "train", 1: "train", 2: "train", 3: "val", 4: None, 5: "test"}
HOSTILE = "<script>alert('1')</script> & \"Co\""
MATRIX = np.array(
    [
        [600, 30, 0, 70, 0, 0, 0],
        [20, 1200, 10, 0, 0, 0, 5],
        [0, 3, 40, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [9, 0, 0, 0, 90, 1, 0],
        [0, 0, 0, 0, 0, 50, 0],
        [4, 4, 0, 0, 2, 0, 0],
    ]
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Six patches side by side at 10 m; patch k holds classes k (upper half) and k + 1 (lower half) of level 2."""
    root = tmp_path / "ds"
    for patch_id in SPLIT_OF_ID:
        labels = np.full((1, SIZE, SIZE), patch_id, np.int32)
        labels[:, SIZE // 2 :] = patch_id + 1
        labels[:, -1] = 255
        coarse = LEGEND.coarsen(labels.astype(np.uint8), 2, 1).astype(np.int32)
        row, col = np.indices((SIZE, SIZE))
        msi = np.stack([1000 + 100 * row + col + band for band in range(12)]).astype(np.uint16)
        sar = np.stack([10.0 + row, 5.0 + col]).astype(np.float32)
        layers = {
            "msi_images/x_ms": msi,
            "sar_images/x_sar": sar,
            "semantic_14c/x_s": labels,
            "semantic_7c/x_s": coarse,
        }
        for name, pixels in layers.items():
            path = root / f"{name}_{patch_id}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            corner = Affine(10, 0, 500_000 + 10 * SIZE * patch_id, 0, -10, 9_300_000)
            write_geotiff(path, pixels, corner, "EPSG:32723", RasterLook())
    index_copy(root, CopyFacts(name="Six patches", attribution=("Free for all.",)), quiet=True)
    return root


@pytest.fixture
def split_dataset(dataset: Path) -> Path:
    index = read_index(dataset)
    index["split"] = index["id"].map(SPLIT_OF_ID).astype("object")
    write_index(dataset, index)
    return dataset


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "run-1", config={}, legend=LEGEND, overwrite=False)
    folder.weights.write_bytes(b"")
    folder.finish(RECORD)
    return folder


def make_record() -> RunRecord:
    plain = {"sensor": "sentinel-2", "bands": ["B04", "B08"], "unit": "reflectance", "scale": 0.0001, "offset": -0.1}
    ids = {"train": (1, 2, 3), "val": (4,)}
    return RunRecord.from_dict(
        {
            "version": 1,
            "model": vars(ModelRecord("unet", "resnet18", 2, 7)),
            "modality": "msi",
            "bands": ["B04", "B08"],
            "level": 1,
            "radiometry": {"msi": plain},
            "normalisation": "0to1",
            "statistics": {
                "B04": {"mean": 1234.5, "std": 200.0, "min": 1001.0, "max": 4000.0},
                "B08": {"mean": 3000.0},
            },
            "split_ids": ids,
            "split_hashes": {"train": ["a", "b", "c"], "val": ["d"]},
            "split_hash": hash_of_ids(ids),
            "dataset": {"name": "Six patches", "patches": 6, "attribution": ["Free for all."]},
            "patch_size": 64,
            "seed": 7,
            "best": {"epoch": 3, "val_macro_f1": 61.25},
        },
        LEGEND.to_dict(),
        origin="test",
    )


RECORD = make_record()
NDVI = Radiometry.from_dict({"sensor": "derived", "bands": ["ndvi"], "unit": "one", "scale": 1.0, "offset": 0.0})


def seam(
    first: str, second: str, jump: dict[str, float], significant: list[str], layer: str = "msi"
) -> dict[str, object]:
    return {"layer": layer, "scenes": [first, second], "pixels": 300, "jump": jump, "significant": significant}


class Page:
    """A report, parsed as XML: what is not well-formed raises."""

    def __init__(self, source: Path) -> None:
        out = write_report(source, source.parent / "report.html")
        self.html = out.read_text(encoding="utf-8")
        self.root = ET.fromstring(self.html)
        self.words = words(self.root.find("body"))

    def table(self, label: str) -> dict[str, list[str]]:
        """Cells of each row by its header."""
        region = self.root.find(f".//div[@aria-label='{label}']")
        assert region is not None
        return {
            words(row.find("th")): [words(cell) for cell in row.iter("td")] for row in region.findall(".//tbody/tr")
        }

    def fact(self, label: str) -> str:
        """Value below a label."""
        return next(words(div.find("dd")) for div in self.root.iter("div") if words(div.find("dt")) == label)

    def notices(self, kind: str) -> list[str]:
        return [words(p) for p in self.root.iter("p") if p.get("class") == f"notice {kind}"]


def words(element: ET.Element | None) -> str:
    return "" if element is None else " ".join(" ".join(element.itertext()).split())


def edit_info(root: Path, **changes: object) -> None:
    replace(DatasetInfo.read(root), **changes).write(root)


def write_certificate(root: Path) -> None:
    certificate = certify(read_index(root), LEGEND, SIZE)
    (root / "split-certificate.json").write_text(json.dumps(certificate.to_dict()), encoding="utf-8")


def write_scores(run: RunFolder) -> None:
    scores = score_confusion(MATRIX, LEGEND.level(1).names, objects=range(10, 17))
    run.scores("test").write_text(json.dumps(scores.to_dict()), encoding="utf-8")


def test_pages_are_whole_and_load_nothing(split_dataset: Path, run: RunFolder) -> None:
    write_scores(run)
    write_confusion(run.confusion("test"), MATRIX)
    for page in (Page(split_dataset), Page(run.path)):
        assert page.html.startswith("<!DOCTYPE html>")
        assert page.root.get("lang") == "en"
        assert len(list(page.root.iter("h1"))) == 1
        assert not list(page.root.iter("script"))
        sources = [e.attrib[name] for e in page.root.iter() for name in ("src", "srcset", "data") if name in e.attrib]
        assert sources
        assert all(source.startswith("data:image/png;base64,") for source in sources)
        ids = {f"#{e.attrib['id']}" for e in page.root.iter() if "id" in e.attrib}
        assert {e.attrib["href"] for e in page.root.iter() if "href" in e.attrib} <= ids | {"data:,"}
        assert not re.search(r"url\(|@import|https?:", page.html)
        assert all(image.get("alt") for image in page.root.iter("img"))
        assert all(cell.get("scope") for cell in page.root.iter("th"))


def test_same_folder_gives_same_bytes(split_dataset: Path) -> None:
    assert Page(split_dataset).html == Page(split_dataset).html


def test_dataset_page_says_what_the_index_counts(dataset: Path) -> None:
    page, index = Page(dataset), read_index(dataset)
    for level in LEGEND.levels:
        pixels, objects = (class_counts(index, level.number, what=what) for what in ("pixels", "objects"))
        table = page.table(f"Classes of level {level.number}")
        assert list(table) == list(level.names)
        for c, (shown, share, _, parts, patches, _) in zip(level.classes, table.values(), strict=True):
            assert shown == f"{pixels[c.id]:,}"
            assert float(share) == pytest.approx(100 * pixels[c.id] / pixels.sum(), abs=0.005)
            assert parts == str(objects[c.id])
            assert patches == str(sum(row[c.id] > 0 for row in index[f"pixels_l{level.number}"]))
    assert page.fact("Patches") == "6"
    assert page.fact("Labelled") == "87.50 % 336 pixels"  # the last of eight rows is unlabelled
    assert page.fact("Bands") == "14 12 msi, 2 sar"


def test_band_table_gives_the_statistics_and_their_meaning(dataset: Path) -> None:
    page, layers = Page(dataset), DatasetInfo.read(dataset).layers
    shown = page.table("Bands of Sentinel-2 multispectral")
    assert list(shown) == list(layers["msi"].radiometry.bands)
    for band, found in layers["msi"].statistics.items():
        *numbers, reflectance = shown[band][2:]
        assert [float(n.replace(",", "")) for n in numbers] == pytest.approx([*found.values()], abs=0.05)
        assert float(reflectance) == pytest.approx(found["mean"] * 0.0001 - 0.1, abs=5e-6)
    assert shown["B8A"][:2] == ["narrow near infrared", "20"]
    assert f"Reflectance = number {chr(0xD7)} 0.0001 {chr(0x2212)} 0.1; 0 means no data." in page.words
    assert "2 bands of backscatter amplitude, calibration not known." in page.words
    radar = page.table("Bands of Sentinel-1 radar")
    assert list(radar) == ["VV", "VH"]
    assert all(len(cells) == 6 for cells in radar.values())  # the numbers are the values: no column for these


def test_dataset_without_splits_says_how_to_make_them(dataset: Path) -> None:
    page = Page(dataset)
    assert "cerradata split ds" in page.words
    assert "Certificate" not in page.words


def test_splits_without_certificate(split_dataset: Path) -> None:
    page = Page(split_dataset)
    assert page.fact("train") == "3 50.00 % of the patches"
    assert page.fact("left out") == "1 16.67 % of the patches"
    assert "The splits have no certificate" in page.words
    table = page.table("Pixels of each class in the splits, level 2")
    index = read_index(split_dataset)
    by_split = [class_counts(index, 2, split=split) for split in ("train", "val", "test")]
    assert table == {c.name: [str(counts[c.id]) for counts in by_split] for c in LEGEND.level(2).classes}
    warnings = page.notices("warning")
    assert "Be careful. val has no pixel of Pasture, Primary natural vegetation, Secondary natural" in warnings[-2]
    assert not [warning for warning in warnings if "Deforestation" in warning]  # it is in no patch: no split lacks it


def test_certificate_is_shown_and_checked_against_the_index(split_dataset: Path) -> None:
    write_certificate(split_dataset)
    page = Page(split_dataset)
    assert page.table("Distance and overlap of the splits") == {
        "train and val": ["0", "0"],
        "train and test": ["160", "0"],
        "val and test": ["80", "0"],
    }
    cautions = certify(read_index(split_dataset), LEGEND, SIZE).notes
    assert cautions
    assert page.notices("warning")[: len(cautions)] == [f"Be careful. {caution}" for caution in cautions]
    assert not page.notices("good")
    assert page.fact("Duplicates across splits") == "0"
    index = read_index(split_dataset)
    index.loc[index["id"] == 4, "split"] = "test"
    write_index(split_dataset, index)
    assert "The certificate is of another assignment" in Page(split_dataset).notices("warning")[0]


def test_clean_certificate_is_praised_only_for_what_is_known(split_dataset: Path) -> None:
    write_certificate(split_dataset)
    path = split_dataset / "split-certificate.json"
    plain = json.loads(path.read_text(encoding="utf-8")) | {"notes": []}
    path.write_text(json.dumps(plain), encoding="utf-8")
    assert len(Page(split_dataset).notices("good")) == 1
    plain["shared_pixels"]["train-test"] = None
    path.write_text(json.dumps(plain), encoding="utf-8")
    unsure = read_certificate(split_dataset, read_index(split_dataset))
    assert unsure is not None
    assert not unsure.clean


def test_damaged_certificate_is_an_error(split_dataset: Path) -> None:
    (split_dataset / "split-certificate.json").write_text('{"strategy": "blocks"}', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"split-certificate\.json is no certificate.*cerradata split"):
        read_certificate(split_dataset, read_index(split_dataset))


def test_selection_says_what_it_cost_and_warns_of_lost_classes(dataset: Path) -> None:
    tally = SelectionTally.empty(14)
    kept, rejected = np.full(14, 100), np.zeros(14, np.int64)
    rejected[3], rejected[4] = 100, 101  # half of the water bodies, more than half of the mines
    tally = tally.add("kept", kept, kept, 6).add("unlabelled", rejected, 0 * kept, 3)
    tally = tally.add("unreadable", 0 * kept, 0 * kept, 1)
    edit_info(dataset, selection={"max_unlabelled": 0.25, "max_invalid": 0.0, **tally.to_dict()})
    page = Page(dataset)
    assert "at most 25 % of its pixels had no reference and none lacked data in a band. 6 of 10 were." in page.words
    assert page.table("Rejected patches") == {
        "unlabelled": ["too few pixels with a reference", "3", "30.00", "201"],
        "invalid": ["too many pixels without data", "0", "0.00", "0"],
        "unreadable": ["could not be read", "1", "10.00", "not known"],
    }
    costs = page.table("What the selection cost each class")
    assert costs["Water body"] == ["100", "100", "50.00"]
    assert costs["Mining"] == ["100", "101", "50.25"]
    (warning,) = page.notices("warning")
    assert "rejected more than half of the pixels of Mining:" in warning


def test_selection_of_another_form_is_an_error(dataset: Path) -> None:
    edit_info(dataset, selection={"patches": {"kept": 6}, "pixels": {"kept": [1, 2]}})
    with pytest.raises(DatasetError, match=r"`selection` in dataset\.json"):
        write_report(dataset, dataset / "out.html")


def test_selection_names_classes_whose_data_are_hidden_more_than_all(dataset: Path) -> None:
    kept = np.full(14, 1000)
    kept[4] = 0  # no mine
    valid = np.where(kept > 0, 950, 0)
    valid[5], valid[3] = 500, 930  # towns clearly more than all 13 classes together (8.6 %), water hardly
    tally = SelectionTally.empty(14).add("kept", kept, valid, 6)
    edit_info(dataset, selection={**tally.to_dict(), "valid_shares": tally.valid_shares})
    page = Page(dataset)
    costs = page.table("What the selection cost each class")
    assert costs["Pasture"] == ["1,000", "0", "0.00", "95.00"]
    assert costs["Urban area"] == ["1,000", "0", "0.00", "50.00"]
    assert costs["Mining"][-1] == ABSENT
    (warning,) = page.notices("warning")
    assert "more often than elsewhere in Urban area (50.00 % of its pixels, against 8.62 % of all)." in warning


def test_selection_of_an_older_build_knows_nothing_of_valid_pixels(dataset: Path) -> None:
    plain = SelectionTally.empty(14).add("kept", np.full(14, 1000), np.zeros(14, np.int64), 6).to_dict()
    del plain["valid"]
    edit_info(dataset, selection=plain)
    page = Page(dataset)
    assert page.table("What the selection cost each class")["Pasture"] == ["1,000", "0", "0.00"]
    assert not page.notices("warning")


def test_table_after_a_build_has_the_valid_share_of_each_class(capsys: pytest.CaptureFixture[str]) -> None:
    pixels = np.array([1000] * 13 + [0])
    tally = SelectionTally.empty(14).add("kept", pixels, pixels)
    show_selection(tally, LEGEND)
    assert "Pixels by class" not in capsys.readouterr().out  # nothing was rejected, nothing is hidden
    hidden = pixels.copy()
    hidden[5] = 250
    show_selection(tally.add("kept", pixels, hidden), LEGEND)
    lines = capsys.readouterr().out.splitlines()
    shown = {name: next(line for line in lines if f" {name} " in line) for name in LEGEND.level(2).names}
    assert [cell.strip() for cell in shown["Urban area"].split("\N{BOX DRAWINGS LIGHT VERTICAL}")[2:4]] == [
        "2,000",
        "62.50",
    ]
    assert "100.00" in shown["Pasture"]
    assert " - " in shown["Deforestation 2022"]  # absent


def test_page_of_a_copy_leaves_out_what_only_builds_record(dataset: Path) -> None:
    page = Page(dataset)
    assert {section.get("id") for section in page.root.iter("section")} == {
        *("samples", "classes", "splits", "selection", "bands", "provenance", "licences")
    }
    assert "overlap" not in words(page.root.find(".//section[@id='classes']"))


def test_page_of_a_build_of_many_scenes(dataset: Path) -> None:
    index = read_index(dataset)
    index["observations_msi"] = [1.0, 2.0, 3.5, 3.5, 4.0, 8.25]
    index["observations_sar"] = 2.0
    index["alignment_sar_determined"] = pd.array([True, True, True, False, None, True], "boolean")
    index["alignment_sar_rows"] = pd.array([0.5, 0.75, 1.0, None, None, 0.625], "Float64")
    index["alignment_sar_columns"] = pd.array([0.0, 0.25, 0.5, None, None, -0.75], "Float64")
    write_index(dataset, index)
    for patch_id in SPLIT_OF_ID:
        path = dataset / "ndvi" / f"x_ndvi_{patch_id}.tif"
        path.parent.mkdir(exist_ok=True)
        write_geotiff(path, np.full((1, SIZE, SIZE), 0.5, np.float32), Affine.identity(), "EPSG:32723", RasterLook())
    info = DatasetInfo.read(dataset)
    ndvi = LayerInfo("ndvi", "float32", NDVI, {"ndvi": {"mean": 0.5, "std": 0.125, "min": -0.25, "max": 0.75}})
    grid = {"crs": "EPSG:32723", "transform": [10, 0, 0, 0, -10, 0], "rows": 1, "columns": 6, "stride": 4}
    provenance = {
        "scenes": [{"name": "A", "sensor": "sentinel-2", "date": "2022-07-10", "radiometry": {}},
                   {"name": "B", "sensor": "sentinel-2", "date": "2022-08-29", "radiometry": {}}],
        "time_windows": {"dry": ["2022-05-01", "2022-09-30"], "wet": ["2022-01-01", "2022-04-30"]},
        "stacks": {
            "msi": {"resampling": "cubic", "composite": {"method": "nearest", "date": "2022-07-15"}, "orbits": "mixed"},
            "sar": {"resampling": "bilinear", "composite": {"method": "median", "date": None}, "orbits": "by-pass"},
        },
        "variables": {"ndvi": {"kind": "index", "title": "Greenness", "source": "https://example.org", "target_only": True}},
        "seams": [seam("A", "B", {"B04": -0.0364, "B08": 0.5}, ["B04"])],
    }  # fmt: skip
    edit_info(dataset, layers={**info.layers, "ndvi": ndvi}, grid=grid, provenance=provenance)
    page = Page(dataset)
    assert {f"#{section.get('id')}" for section in page.root.iter("section")} == {
        link.get("href") for link in page.root.findall(".//nav//a")
    }
    assert page.table("Observations of a pixel") == {
        "Sentinel-2 multispectral": ["1.0", "3.5", "8.2"],
        "Sentinel-1 radar": ["2.0", "2.0", "2.0"],
    }
    (shaded,) = page.root.findall(".//section[@id='observations']//img")  # radar is the same everywhere: no map
    assert (
        shaded.get("alt") == "Map of the patches, shaded by their observations of Sentinel-2 multispectral, 1.0 to 8.2."
    )
    assert "mean of the 2 time windows" in page.words
    assert page.table("Alignment with Sentinel-2") == {"Sentinel-1": ["4", "80.00", "0.69", "0.12", "25.00"]}
    assert any(
        "Sentinel-1 lies 0.70 pixels off the Sentinel-2 image (median of 4 patches)" in w
        for w in page.notices("warning")
    )
    assert page.table("Largest jumps at seams") == {
        "A B": ["Sentinel-2 multispectral", "50", "300", "-0.0364", "B04", "yes"]
    }
    assert page.table("Variables") == {
        "ndvi": [
            "Greenness Only a target: it was made from the reference. https://example.org",
            *("none", "0.5000", "0.1250", "-0.2500", "0.7500"),
        ]
    }
    assert "Variable ndvi" not in page.words  # its statistics stand in one place
    assert page.fact("Bands") == "15 12 msi, 2 sar, 1 computed"
    assert "Sentinel-1 radar and 1 variable, with labels" in page.words
    assert page.fact("Composite of msi").startswith("nearest to 2022-07-15")
    assert page.fact("Composite of sar").startswith("median")
    assert page.fact("Orbits of sar") == "by-pass an image for each pass"
    assert "Orbits of msi" not in page.words  # they matter for radar only
    assert page.fact("Time windows") == "dry: 2022-05-01 to 2022-09-30; wet: 2022-01-01 to 2022-04-30"
    assert "so neighbours share 4 of their 8 rows or columns." in page.notices("note")[0]
    assert "count the same ground 1.0 times on average and up to 4 times" in page.notices("note")[0]
    assert "cerradata split ds --strategy blocks" in page.words


@pytest.mark.parametrize(
    ("seams", "tone", "verdict", "shown"),
    [
        ([], "note", "There are no seams", []),
        ([seam("A", "B", {"B04": 0.3}, [])], "good", "No seam is visible: where two scenes meet", []),
        (
            [seam("A", "B", {"B04": -0.009, "B08": 0.2}, ["B04"])],
            "good",
            "No seam is visible: 1 seam jumps",
            ["B04 no"],
        ),
        ([seam("A", "B", {"VV": 0.4, "VH": -0.49}, ["VV", "VH"], "sar")], "good", "No seam is visible", ["VH no"]),
        (
            [seam("A", "B", {"VV": -0.5}, ["VV"], "sar")],
            "warning",
            "A seam is likely to be visible, of 1 pair",
            ["VV yes"],
        ),
        # 0.03 reflectance is three times what can be seen, 0.6 dB little more than that
        (
            [
                seam("A", "B", {"VV": 0.6}, ["VV"], "sar"),
                seam("A", "C", {"B04": 0.02, "B08": -0.03}, ["B04", "B08"]),
                seam("B", "C", {"B04": 0.001}, ["B04"]),
            ],
            "warning",
            "2 seams are likely to be visible, of 3 pairs of scenes",
            ["B08 yes", "VV yes", "B04 no"],
        ),
    ],
)
def test_seams_are_called_visible_by_what_the_eye_sees(
    dataset: Path, seams: list[dict[str, object]], tone: str, verdict: str, shown: list[str]
) -> None:
    view = describe_seams(replace(DatasetInfo.read(dataset), provenance={"seams": seams}))
    assert view is not None
    assert view.tone == tone
    assert view.verdict.startswith(verdict)
    assert [f"{row.band} {'yes' if row.visible else 'no'}" for row in view.rows] == shown


def test_seams_beyond_ten_are_counted_and_averages_are_explained(dataset: Path) -> None:
    found = [seam("A", str(i), {"B04": 0.001 * i}, ["B04"]) for i in range(1, 14)]
    stacks = {"msi": {"composite": {"method": "first"}}, "sar": {"composite": {"method": "median"}}}
    info = replace(DatasetInfo.read(dataset), provenance={"seams": found, "stacks": stacks})
    view = describe_seams(info)
    assert view is not None
    assert [row.scenes[1] for row in view.rows] == [str(i) for i in range(13, 3, -1)]
    assert view.others == 3
    assert {row.days for row in view.rows} == {None}  # no scene has a date
    assert view.verdict.startswith("4 seams are")
    assert view.sentences[-1].startswith("sar is averaged over several scenes")
    broken = replace(info, provenance={"seams": [{"layer": "msi"}]})
    with pytest.raises(DatasetError, match=r"`provenance\.seams`"):
        describe_seams(broken)


def test_alignment_tells_what_is_not_determined_and_what_is_uneven() -> None:
    columns = {
        "alignment_sar_determined": [None] * 4,
        "alignment_sar_rows": [None] * 4,
        "alignment_sar_columns": [None] * 4,
        "alignment_labels_determined": [False] * 4,
        "alignment_labels_rows": [None] * 4,
        "alignment_labels_columns": [None] * 4,
    }
    (labels,) = describe_alignment(gpd.GeoDataFrame(columns))  # there was no radar to compare
    assert (labels.title, labels.measured, labels.determined) == ("Labels", 4, 0)
    assert (labels.down, labels.right, labels.far) == (None, None, None)
    assert not labels.off
    assert not labels.uneven
    columns |= {
        "alignment_labels_determined": [True] * 4,
        "alignment_labels_rows": [-2.0, 2.0, 2.0, -2.0],
        "alignment_labels_columns": [0.0, 0.0, 0.5, 0.0],
    }
    (labels,) = describe_alignment(gpd.GeoDataFrame(columns))
    assert (labels.down, labels.right, labels.far) == (0.0, 0.0, 100.0)
    assert not labels.off
    assert labels.uneven
    assert describe_alignment(gpd.GeoDataFrame({"id": [1]})) == ()


def test_copy_without_selection_scenes_or_place(dataset: Path) -> None:
    index = read_index(dataset)
    write_index(dataset, index.set_geometry(gpd.GeoSeries([None] * 6, index=index.index, crs=4326)))
    edit_info(dataset, attribution=())
    page = Page(dataset)
    assert "not georeferenced" in page.words
    assert "Nothing is recorded of how these patches were selected" in page.words
    assert "Nothing is recorded of the scenes" in page.words
    assert "No licence or attribution of the data was recorded" in page.words
    assert "Ground covered" not in page.words


def test_provenance_lists_scenes_with_dates(dataset: Path) -> None:
    scenes = [
        {"name": "S2A", "sensor": "sentinel-2", "date": "2022-07-10", "radiometry": {"product_level": "L2A"}},
        {"name": "S1A", "sensor": "sentinel-1", "date": None, "radiometry": {"relative_orbit": 39}},
    ]
    reference = {"name": "map.tif", "codes": "terraclass-cerrado-2022", "date": "2022", "licence": "CC BY 4.0"}
    grid = {"crs": "EPSG:32723", "transform": [10, 0, 0, 0, -10, 0], "rows": 1, "columns": 6}
    edit_info(dataset, provenance={"scenes": scenes, "reference": reference}, grid=grid)
    page = Page(dataset)
    assert page.table("Scenes") == {
        "S2A": ["Sentinel-2 multispectral", "L2A", "2022-07-10"],
        "S1A": ["Sentinel-1 radar", "orbit 39", "not known"],
    }
    assert page.fact("Reference") == "map.tif codes terraclass-cerrado-2022, date 2022"
    assert page.fact("Grid") == "EPSG:32723 1 row and 6 columns of patches"
    assert page.fact("Patch size").endswith("pixels, 80 m a side")
    assert "Reference: CC BY 4.0" in page.words
    edit_info(dataset, provenance={"scenes": [{"date": "2022"}]})
    with pytest.raises(DatasetError, match="`provenance`"):
        write_report(dataset, dataset / "out.html")


def test_text_of_others_is_escaped(dataset: Path, run: RunFolder) -> None:
    edit_info(dataset, name=HOSTILE, attribution=(HOSTILE,))
    run.finish(replace(RECORD, dataset={"name": HOSTILE, "attribution": [HOSTILE]}))
    for page in (Page(dataset), Page(run.path)):
        assert "<script" not in page.html
        assert words(page.root.find(".//h1")).endswith(HOSTILE)
        assert HOSTILE in words(page.root.find(".//section[@id='licences']"))


def test_page_of_a_dataset_with_a_missing_file_names_it_without_the_machine_s_folders(dataset: Path) -> None:
    (dataset / "msi_images" / "x_ms_3.tif").unlink()
    page = Page(dataset)
    (warning,) = page.notices("warning")
    assert "No sample can be shown: ds: layer msi lacks 1 of 6 patches (ids [3])" in warning
    assert str(dataset) not in page.html
    assert page.fact("Patches") == "6"


def test_samples_have_pictures_of_each_sensor_and_labels(split_dataset: Path) -> None:
    page = Page(split_dataset)
    articles = list(page.root.iter("article"))
    assert len(articles) == 6
    titles = {words(article.find("h3")) for article in articles}
    assert titles == {f"Patch {i}, {split}" if split else f"Patch {i}" for i, split in SPLIT_OF_ID.items()}
    captions = [words(caption) for caption in articles[0].iter("figcaption")]
    assert captions == ["true colour", "radar", "labels"]
    first = next(article for article in articles if words(article.find("h3")).startswith("Patch 0"))
    assert words(first.find("p")) == "Pasture 57 % , Primary natural vegetation 43 %".replace(" ,", ",")


def test_patches_without_a_layer_are_counted_and_shown_as_such(dataset: Path) -> None:
    for path in ("sar_images/x_sar_0", "sar_images/x_sar_5", "msi_images/x_ms_3"):
        (dataset / f"{path}.tif").unlink()
    index_copy(dataset, CopyFacts(may_lack=("sar", "msi")), overwrite=True, quiet=True)
    page = Page(dataset)
    assert page.fact("Patches") == "6 3 whole; 1 without msi; 2 without sar"
    rows = page.table("Patches that lack a layer")
    assert rows == {"Sentinel-2 multispectral msi": ["1", "16.67"], "Sentinel-1 radar sar": ["2", "33.33"]}
    shown = {
        words(article.find("h3")): [words(caption) for caption in article.iter("figcaption")]
        for article in page.root.iter("article")
    }
    assert shown["Patch 5"] == ["true colour", "no radar image", "labels"]
    assert shown["Patch 3"] == ["no multispectral image", "radar", "labels"]
    assert shown["Patch 1"] == ["true colour", "radar", "labels"]
    assert not page.notices("warning")
    index = read_index(dataset)
    index["split"] = index["id"].map(SPLIT_OF_ID).astype("object")
    write_index(dataset, index)
    rows = Page(dataset).table("Patches that lack a layer")
    assert rows["Sentinel-1 radar sar"] == ["2", "33.33", "1", "0", "1"]
    assert rows["Sentinel-2 multispectral msi"] == ["1", "16.67", "0", "1", "0"]


def test_page_of_whole_patches_says_nothing_of_layers_that_lack(dataset: Path) -> None:
    page = Page(dataset)
    assert page.fact("Patches") == "6"
    assert "lack" not in page.words


@given(arrays(np.int64, (12, 5), elements=st.integers(0, 50)))
def test_chosen_patches_show_every_class(pixels: CountArray) -> None:
    chosen = choose_patches(pixels, wanted=5)
    assert len(set(chosen)) == len(chosen) == min(5, int(pixels.any(axis=1).sum()))
    assert pixels[chosen].any(axis=1).all()
    assert (pixels[chosen].any(axis=0) == pixels.any(axis=0)).all()


def test_class_of_one_pixel_is_shown_however_full_the_other_patches_are() -> None:
    pixels = np.zeros((11, 3), np.int64)
    pixels[:10, :2] = 500
    pixels[10, 2] = 1
    assert 10 in choose_patches(pixels, wanted=3)


def test_ground_counts_overlapping_patches_once() -> None:
    # One degree by one degree at the equator: 111.32 km by 110.57 km on the ellipsoid.
    index = gpd.GeoDataFrame(
        {"split": ["train", "test", None]}, geometry=[box(0, -0.5, 1, 0.5), box(0.5, -0.5, 1, 0.5), None], crs=4326
    )
    assert ground_km2(index) == pytest.approx(111.32 * 110.57, rel=1e-3)
    assert ground_km2(index[index["split"].isna()]) is None


def test_patches_over_a_place_are_counted() -> None:
    index = gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1), box(0.5, 0, 1.5, 1), None], crs=4326)
    assert patches_over_ground(index) == pytest.approx(2 / 1.5)
    assert patches_over_ground(index[2:]) is None


def test_shaded_map_shows_each_patch_that_has_a_number() -> None:
    index = gpd.GeoDataFrame(
        {"observations_msi": [1.0, 5.0, None]}, geometry=[box(i, 60, i + 1, 61) for i in range(3)], crs=4326
    )
    figure = plot_shaded(index, "observations_msi", "observations")
    (shades,) = figure.axes[0].collections
    assert shades.get_array().tolist() == [1, 5]
    assert figure.axes[1].get_xlabel() == "observations"
    with pytest.raises(DatasetError, match="observations_msi"):
        plot_shaded(index[2:], "observations_msi", "observations")


def test_map_of_footprints_has_true_proportions_and_names_every_split() -> None:
    index = gpd.GeoDataFrame(
        {"split": ["train", "train", None]}, geometry=[box(i, 60, i + 1, 61) for i in range(3)], crs=4326
    )
    figure = plot_footprints(index)
    (axes,) = figure.axes
    assert axes.get_aspect() == pytest.approx(1 / np.cos(np.radians(60.5)))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["train (2)", "left out (1)"]
    assert [len(collection.get_paths()) for collection in axes.collections] == [2, 1]


def test_run_page_gives_the_scores_of_the_file(run: RunFolder) -> None:
    write_scores(run)
    scores, page = score_confusion(MATRIX), Page(run.path)
    table = page.table("Scores of each class")
    for c, shown in zip(scores.per_class, (table[name] for name in LEGEND.level(1).names), strict=True):
        f1 = percent(c.f1)
        assert shown == [
            percent(c.precision),
            percent(c.recall),
            f1,
            "",
            percent(c.iou),
            f"{c.support:,}",
            str(10 + c.id),
        ]
    assert page.fact("Macro F1") == f"{scores.macro_f1:.2f} % mean of 6 classes"
    assert page.fact("Cohen's kappa").startswith(f"{scores.kappa:.4f} ")
    assert "left out of the means: Mining (70 pixels were mapped as it all the same)." in page.notices("note")[0]


def test_run_page_tells_the_setup(run: RunFolder) -> None:
    page = Page(run.path)
    assert words(page.root.find(".//h1")) == "U-Net (resnet18) on Six patches"
    assert page.fact("Bands") == "B04, B08"
    assert page.fact("Level") == "1 7 classes"
    assert page.fact("Seed") == "7"
    assert page.fact("Split") == "train 3, val 1 patches"
    assert page.fact("Normalisation").startswith("0to1")
    assert page.fact("Weights kept") == "epoch 3 Validation macro F1 61.25 %"
    assert page.fact("Hash of the split") == RECORD.split_hash
    bands = page.table("Bands of Sentinel-2 multispectral")
    assert bands["B04"] == ["red", "10", "1,234.5", "200.0", "1,001.0", "4,000.0", "0.02345"]
    assert bands["B08"][3:6] == ["–"] * 3  # noqa: RUF001 - what the file does not say


def test_bare_run_says_what_is_missing(run: RunFolder) -> None:
    page = Page(run.path)
    assert "There are no scores on the test split yet: cerradata test run-1 makes them." in page.words
    assert "The run holds no history of its training." in page.words
    assert page.fact("Validation macro F1") == "61.25 %"
    sections = {section.get("id") for section in page.root.iter("section")}
    assert sections == {"scores", "training", "setup", "licences"}


def test_figures_are_made_from_the_data_or_taken_from_the_folder(run: RunFolder) -> None:
    write_confusion(run.confusion("test"), MATRIX)
    run.logs.mkdir()
    run.metrics.write_text("epoch,train_loss,val_loss\n0,1.5,1.6\n1,1.2,1.4\n", encoding="utf-8")
    made = Page(run.path)
    assert [image.get("alt", "")[:6] for image in made.root.iter("img")] == ["Confus", "Curves"]
    assert made.table("Confusion matrix in pixels")["Pasture Pa"][:4] == ["600 85.71", "30 4.29", "0 0.00", "70 10.00"]
    assert made.table("Confusion matrix in pixels")["Mining Mg"][-1] == "0"
    run.plots.mkdir()
    names = ["confusion_percent", "panels_test", "map", "training_curves"]
    for name in names:
        (run.plots / f"{name}.png").write_bytes(name.encode())
    sources = [image.attrib["src"].split(",")[1] for image in Page(run.path).root.iter("img")]
    assert [base64.b64decode(source).decode() for source in sources] == names


def test_comparison_is_sorted_and_marks_the_run(run: RunFolder) -> None:
    write_scores(run)
    others = {
        "perfect & rare": np.diag(MATRIX.sum(axis=1)),
        "always pasture": MATRIX.sum(axis=1)[:, None] * [1, *[0] * 6],
    }
    plain = {name: score_confusion(matrix).to_dict() for name, matrix in others.items()}
    (run.path / "baselines.json").write_text(json.dumps(plain), encoding="utf-8")
    table = Page(run.path).table("Comparison with other models")
    assert list(table) == ["perfect & rare", "U-Net (resnet18) this run", "always pasture"]
    assert table["perfect & rare"] == ["100.00", "", "100.00", "100.00", "100.00", "1.0000", "6"]
    own = score_confusion(MATRIX)
    assert table["U-Net (resnet18) this run"][:3] == [f"{own.macro_f1:.2f}", "", f"{own.mean_iou:.2f}"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("scores_test.json", "{", "is no JSON"),
        ("scores_test.json", "[]", "an object was expected"),
        ("scores_test.json", '{"per_class": [], "absent": []}', "'macro_f1'"),
        ("baselines.json", '{"forest": {"macro_f1": 3}}', "'per_class'"),
        ("confusion_test.csv", "Class,0\n0,5\n", "has 1 classes, level 1"),
        ("logs/metrics.csv", "", "no log of a training"),
        ("logs/metrics.csv", "loss\n1\n", "no log of a training"),
    ],
)
def test_damaged_results_are_named(run: RunFolder, name: str, text: str, message: str) -> None:
    path = run.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=message) as caught:
        write_report(run.path, run.path / "out.html")
    assert str(path) in str(caught.value)
    assert not (run.path / "out.html").exists()


def test_scores_of_another_level_are_refused(run: RunFolder) -> None:
    write_scores(run)
    run.finish(replace(RECORD, level=2))
    with pytest.raises(RunError, match="scores of 7 classes, level 2 of the run's legend has 14"):
        write_report(run.path, run.path / "out.html")


def test_folder_that_is_neither_is_refused(tmp_path: Path, run: RunFolder) -> None:
    out = tmp_path / "out.html"
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        CerradataError, match=r"neither a dataset .*dataset\.json.*nor a run .*run\.json.*cerradata index"
    ):
        write_report(tmp_path / "empty", out)
    with pytest.raises(CerradataError, match="does not exist"):
        write_report(tmp_path / "nothing", out)
    with pytest.raises(CerradataError, match="is a file"):
        write_report(run.path / "run.json", out)
    unfinished = RunFolder.create(tmp_path / "run-2", config={}, legend=LEGEND, overwrite=False)
    with pytest.raises(RunError, match="half-written"):
        write_report(unfinished.path, out)
    assert not out.exists()


def test_dataset_without_index_is_refused(dataset: Path) -> None:
    (dataset / "index.parquet").unlink()
    with pytest.raises(DatasetError, match=r"no index\.parquet.*cerradata index"):
        write_report(dataset, dataset / "out.html")


def test_out_must_be_a_file(run: RunFolder) -> None:
    with pytest.raises(OutputError, match=r"is a folder.*report\.html"):
        write_report(run.path, run.path)


@given(st.floats(0, 100))
def test_percent_is_never_rounded_to_nothing_or_all(share: float) -> None:
    text = percent(share)
    assert (text == "0.00") == (share == 0)
    assert (text == "100.00") == (share == 100)
    assert float(text.lstrip("<>")) == pytest.approx(share, abs=0.01)


def test_number_close_to_nothing_has_no_sign() -> None:
    assert number(-0.004, 2) == "0.00"
    assert number(-0.006, 2) == "-0.01"
    assert number(1234.56, 1) == "1,234.6"


def test_page_of_a_run_says_what_it_was_trained_on(run: RunFolder) -> None:
    augmentation = {"flips": True, "turns": False, "crop": None, "sar_gain": 1.5}
    config = {"fraction": 0.1, "class_weights": "median", "validity": True, "augmentation": augmentation}
    plain = run_page(run.path)
    (run.path / "config.yaml").write_text(json.dumps(config))
    page = run_page(run.path)
    for words in ("10.00%", "median", "one for each sensor", "flips, sar_gain 1.5"):
        assert words in page
        assert words not in plain
